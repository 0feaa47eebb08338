test_that("five processes pass a barrier in lockstep, and exactly one of each round receives 0", {
  n <- rounds(1000, 200)
  barrier <- Barrier(5)
  passed <- Semaphore(0)
  ps <- lapply(1:4, function(i) {
    Process(function() vapply(seq_len(n), function(k) {
      passed$release()
      barrier$wait()
    }, 1L))$start()
  })
  mine <- vapply(seq_len(n), function(k) {
    index <- barrier$wait()
    expect_gte(passed$get_value(), 4 * k) # no party passes before all have come
    index
  }, 1L)
  all <- do.call(rbind, c(list(mine), lapply(ps, function(p) p$value(60))))
  expect_true(all(apply(all, 2L, sort) == 0:4))
})

test_that("the action is called once in each round, before any party continues", {
  for (method in c("fork", "spawn")) {
    calls <- Semaphore(0)
    barrier <- Barrier(3, action = function() calls$release())
    ps <- lapply(1:2, function(i) {
      Process(function(barrier, calls) vapply(1:20, function(k) {
        barrier$wait()
        calls$get_value() >= k
      }, TRUE), list(barrier, calls), context = method)$start()
    })
    for (k in 1:20) barrier$wait()
    expect_identical(calls$get_value(), 20)
    for (p in ps) expect_true(all(p$value(60)))
  }
})

test_that("an action that fails breaks the barrier", {
  barrier <- Barrier(2, action = function() stop("no"))
  p <- Process(function() tryCatch(barrier$wait(), error = function(e) class(e)[1]))$start()
  how <- tryCatch(barrier$wait(), error = function(e) class(e)[1])
  expect_setequal(c(how, p$value(60)), c("simpleError", "BrokenBarrierError"))
  expect_true(barrier$broken)
})

test_that("abort() breaks the waits of four processes, reset() lets all begin anew", {
  barrier <- Barrier(5)
  parties <- function() {
    lapply(1:4, function(i) {
      Process(function() {
        first <- inherits(tryCatch(barrier$wait(), error = identity), "BrokenBarrierError")
        again$wait()
        c(first, barrier$wait() %in% 0:4)
      })$start()
    })
  }
  for (how in c("abort", "reset")) {
    again <- Event()
    ps <- parties()
    expect_true(wait_until(function() barrier$n_waiting == 4))
    barrier[[how]]()
    expect_identical(barrier$broken, how == "abort")
    if (how == "abort") {
      expect_classed_error(barrier$wait(), "BrokenBarrierError")
      expect_identical(barrier$n_waiting, 0L)
      expect_true(wait_until(function() !any(vapply(ps, function(p) process_state(p$pid) == "R", TRUE))))
      barrier$reset()
    }
    expect_false(barrier$broken)
    again$set()
    expect_true(barrier$wait(60) %in% 0:4)
    for (p in ps) expect_identical(p$value(60), c(TRUE, TRUE))
  }
})

test_that("a party that waits too long breaks the barrier for all", {
  barrier <- Barrier(3)
  p <- Process(function() inherits(tryCatch(barrier$wait(), error = identity), "BrokenBarrierError"))$start()
  expect_true(wait_until(function() barrier$n_waiting == 1))
  expect_classed_error(barrier$wait(0.1), "BrokenBarrierError")
  expect_true(p$value(60))
  usual <- Barrier(2, timeout = 0.1)
  started <- now()
  expect_classed_error(usual$wait(), "BrokenBarrierError")
  expect_gte(now() - started, 0.09)
})

test_that("a barrier of one party never blocks", {
  barrier <- Barrier(1)
  expect_identical(vapply(1:3, function(i) barrier$wait(), 1L), c(0L, 0L, 0L))
  expect_identical(barrier$wait(0), 0L)
})

test_that("a party that is killed breaks the barrier at once, and is named", {
  n <- rounds(500, 10)
  latency <- numeric(n)
  for (k in seq_len(n)) {
    barrier <- Barrier(3)
    broken <- Queue()
    waits <- Process(function() {
      e <- tryCatch(barrier$wait(), error = identity)
      broken$put(list(now(), conditionMessage(e)))
    })$start()
    dies <- Process(function() barrier$wait())$start()
    expect_true(wait_until(function() barrier$n_waiting == 2))
    killed <- now()
    dies$kill()
    news <- broken$get(timeout = 60)
    latency[k] <- news[[1]] - killed
    expect_match(news[[2]], sprintf("process %d, one of its parties, was killed", dies$pid))
    waits$join()
    dies$join()
  }
  expect_prompt(latency)
})

test_that("a party that is killed between two rounds is missed; one that ends by itself is not", {
  barrier <- Barrier(2)
  p <- Process(function() {
    barrier$wait()
    repeat Sys.sleep(10)
  })$start()
  barrier$wait(60)
  p$kill()
  p$join()
  expect_classed_error(barrier$wait(60), "BrokenBarrierError", "was killed")
  barrier$reset()
  for (method in c("fork", "spawn", "fork")) {
    p <- Process(function(b) b$wait(60), list(barrier), context = method)$start()
    expect_true(barrier$wait(60) %in% 0:1)
    p$join()
  }
})

test_that("a barrier says how it is, what is wrong with its arguments, and travels with its action", {
  barrier <- Barrier(3)
  expect_output(print(barrier), "^<Barrier #\\d+, 0 of 3 parties waiting>")
  expect_identical(barrier$parties, 3L)
  barrier$abort()
  expect_output(print(barrier), "broken")
  for (bad in list(0, -1, 1.5, "a", NA)) expect_classed_error(Barrier(bad), "ValueError", "parties")
  expect_classed_error(Barrier(2, action = 5), "ValueError", "action")
  expect_classed_error(Barrier(2, timeout = "a"), "ValueError", "timeout")
  calls <- Semaphore(0)
  alone <- Barrier(1, action = function() calls$release())
  q <- Queue()
  q$put(alone)
  q$get(timeout = 20)$wait()
  expect_identical(calls$get_value(), 1)
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})

test_that("parties that ended by themselves, or were workers without a task, are not missed by the next round", {
  barrier <- Barrier(2)
  parties <- list(
    process = function() {
      p <- Process(function() barrier$wait())
      p$start()
      barrier$wait(60)
      p$join(60)
    },
    failed = function() {
      p <- Process(function() {
        barrier$wait()
        quit(status = 3)
      })
      p$start()
      barrier$wait(60)
      p$join(60)
    },
    mclapply = function() mclapply(1:2, function(i) barrier$wait(60), mc.cores = 2),
    closed = function() {
      pool <- Pool(2)
      pool$map(function(i) barrier$wait(60), 1:2, chunksize = 1)
      pool$close()
      pool$join()
    },
    terminated = function() with(pool <- Pool(2), pool$map(function(i) barrier$wait(60), 1:2, chunksize = 1)),
    executor = function() with(ex <- ProcessPoolExecutor(2), as.list(ex$map(function(i) barrier$wait(60), 1:2)))
  )
  for (name in names(parties)) {
    parties[[name]]()
    gc()
    other <- Process(function() barrier$wait(60))
    other$start()
    expect_no_error(barrier$wait(60), message = name)
    other$join(60)
    expect_false(barrier$broken, info = name)
  }
})

test_that("a pool that is terminated while its workers wait breaks their barrier", {
  barrier <- Barrier(3)
  pool <- Pool(1)
  pool$apply_async(function() barrier$wait())
  expect_true(wait_until(function() barrier$n_waiting == 1L, 60))
  pool$terminate()
  expect_classed_error(barrier$wait(60), "BrokenBarrierError", "killed")
})
