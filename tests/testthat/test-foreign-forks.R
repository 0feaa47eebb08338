# Forks that are not ours: parallel::mclapply() called by a function of another package, whose children have
# copies of all that this process holds, take locks, collect garbage, quit, and are killed.
foreign <- function(f) {
  environment(f) <- new.env(parent = asNamespace("stats"))
  f
}

test_that("children that package parallel forks take locks, collect garbage, quit and are killed: nothing of ours changes", {
  skip_on_cran()
  seen <- in_background_r(function(n) {
    lock <- Lock()
    rlock <- RLock()
    q <- Queue()
    ends <- Pipe()
    pool <- Pool(2)
    process <- Process(function() {
      repeat {
        got <- ends[[1]]$recv()
        if (is.null(got)) break
        ends[[1]]$send(got * 2)
      }
    })$start()
    pool$map(function(i) i, 1:10)
    q$put(0) # queue and pipe have their first segments now, and keep them
    q$get()
    ends[[2]]$send(0)
    ends[[2]]$recv()
    child <- function(i, lock, rlock, q, ends, pool) {
      switch(i %% 6 + 1,
        {
          lock$acquire(timeout = 2)
          rlock$acquire(timeout = 2)
          lock$release()
          rlock$release()
        },
        {
          rm(lock, rlock, q, ends, pool)
          for (k in 1:3) gc()
        },
        tools::pskill(Sys.getpid(), 9L),
        {
          lock$acquire(timeout = 2)
          tools::pskill(Sys.getpid(), 9L)
        },
        {
          q$put(i)
          q$get(timeout = 2)
          parallel:::mcexit(0L)
        },
        {
          lock$acquire(timeout = 2)
          parallel:::mcexit(0L)
        }
      )
      i
    }
    environment(child) <- new.env(parent = asNamespace("stats"))
    call <- function(...) suppressWarnings(parallel::mclapply(1:6, child, ..., mc.cores = 2, mc.preschedule = FALSE))
    environment(call) <- list2env(list(child = child), parent = asNamespace("stats"))
    blocks <- function() {
      gc()
      multiprocessing:::heap_check()
      gc()
      multiprocessing:::heap_check()$blocks
    }
    wrong <- character()
    check <- function(what, ok) if (!isTRUE(ok)) wrong <<- c(wrong, what)
    pool$map(identity, 1) # a function that was sent is kept in a block
    before <- blocks()
    pids <- pool$status()$pid
    for (round in seq_len(n)) {
      call(lock, rlock, q, ends, pool)
      check("lock", suppressWarnings(lock$acquire(timeout = 1)))
      lock$release()
      check("rlock", suppressWarnings(rlock$acquire(timeout = 1)))
      rlock$release()
      while (!q$empty()) q$get()
      q$put(round)
      check("queue", identical(q$get(timeout = 1), round))
      ends[[2]]$send(round)
      check("pipe", ends[[2]]$poll(2) && identical(ends[[2]]$recv(), round * 2))
      check("pool", identical(pool$map(function(i) i + 1, 1:20), as.list(1:20 + 1)))
      check("workers", identical(pool$status()$pid, pids))
      check("heap", multiprocessing:::heap_check()$problem == "")
    }
    check("process", process$is_alive())
    until <- Sys.time() + 10 # the last of the dead are swept
    while ((after <- blocks()) > before && Sys.time() < until) pool$map(identity, 1)
    ends[[2]]$send(NULL)
    process$join(5)
    check("process over", identical(process$exitcode, 0L))
    check("temporary folder", dir.exists(tempdir()))
    pool$terminate()
    list(wrong = wrong, before = before, after = after)
  }, list(n = rounds(100, 10)), timeout = 300)
  expect_identical(seen$wrong, character())
  expect_lte(seen$after, seen$before)
})

test_that("a child of package parallel that quits as an R does harms neither locks nor pools", {
  skip_on_cran()
  seen <- in_background_r(function(n) {
    lock <- Lock()
    pool <- Pool(2)
    pool$map(identity, 1:4)
    Process(function() 1)$start()$join()
    for (round in seq_len(n)) {
      job <- parallel::mcparallel({
        lock$acquire()
        gc()
        quit("no", status = 0)
      })
      suppressWarnings(parallel::mccollect(job))
      if (!suppressWarnings(lock$acquire(timeout = 2))) stop("the lock is lost")
      lock$release()
      if (!identical(pool$map(function(i) i * 2, 1:10), as.list(1:10 * 2))) stop("the pool is wrong")
    }
    problem <- multiprocessing:::heap_check()$problem
    pool$terminate()
    problem
  }, list(n = rounds(100, 10)))
  expect_identical(seen, "")
})

test_that("a task of ours may call package parallel", {
  pool <- local_pool(2)
  nested <- foreign(function(i) sum(unlist(parallel::mclapply(1:4, function(j) i * j, mc.cores = 2))))
  expect_identical(pool$map(nested, 1:4), as.list(1:4 * 10L))
  expect_identical(Process(nested, list(2L))$start()$value(), 20L)
})

test_that("a foreign child's element of a map is not published twice", {
  pool <- local_pool(1)
  f <- function(i) {
    child <- parallel::mcparallel(i)
    parallel::mccollect(child)
    i
  }
  expect_identical(pool$map(f, 1:5), as.list(1:5))
})

test_that("a foreign child may use a queue of ours while its parent reads", {
  q <- Queue()
  put_all <- foreign(function(q) parallel::mclapply(1:20, function(i) q$put(i), mc.cores = 2))
  put_all(q)
  expect_setequal(vapply(1:20, function(i) q$get(timeout = 5), 1L), 1:20)
})

test_that("a foreign child cannot use the pool's handle, and ends nothing by losing it", {
  pool <- local_pool(2)
  pids <- pool$status()$pid
  tried <- parallel::mclapply(1:2, function(i) {
    answer <- class(tryCatch(pool$map(identity, 1), error = identity))
    rm(pool, inherits = TRUE)
    gc()
    answer
  }, mc.cores = 2)
  expect_true(all(vapply(tried, function(x) "multiprocessing_error" %in% x, TRUE)))
  expect_identical(pool$map(identity, 1:3), as.list(1:3))
  expect_identical(pool$status()$pid, pids)
})

test_that("a foreign child has no child of ours: it names none, and shows what none of them printed", {
  flag <- tempfile()
  on.exit(unlink(flag))
  shown <- run_script(c(
    "pool <- Pool(1)",
    "result <- pool$apply_async(function(flag) {",
    "  cat('said\\n')",
    "  file.create(flag)",
    "}, list(args[1]))",
    "deadline <- Sys.time() + 60", # without a look at the children's output
    "while (!file.exists(args[1])) {",
    "  if (Sys.time() > deadline) stop('the worker has not printed')",
    "  Sys.sleep(0.01)",
    "}",
    "child <- parallel::mcparallel({",
    "  multiprocessing:::output_show()",
    "  length(active_children())",
    "})",
    "cat(parallel::mccollect(child)[[1]], 'children\\n')",
    "cat(length(active_children()), 'children\\n')",
    "pool$terminate()"
  ), flag)
  expect_identical(sort(shown), sort(c("0 children", "1 children", "said")))
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})

test_that("what a fork without a place sees of shared memory does not change", {
  make <- function() seq_len(2e6) / 3
  pool <- Pool(1)
  vectors <- list(
    shared = share(make()),
    strings = share(sprintf("%032d", seq_len(5e5))),
    result = pool$map(function(i, make) make(), 1, args = list(make))[[1]]
  )
  wanted <- sum(make())
  pool$terminate()
  rm(pool)
  goes_on <- tempfile()
  on.exit(unlink(goes_on))
  multiprocessing:::take_all_slots(TRUE)
  child <- parallel:::mcfork()
  if (inherits(child, "masterProcess")) {
    wait_until(function() file.exists(goes_on), 60)
    parallel:::mcexit(send = serialize(lapply(vectors, function(x) sum(as.numeric(x))), NULL))
  }
  multiprocessing:::take_all_slots(FALSE)
  rm(vectors)
  for (k in 1:3) {
    gc()
    fresh <- lapply(1:4, function(i) share(as.numeric(rep(i, 2e6)))) # takes the pages that are free now
    rm(fresh)
  }
  file.create(goes_on)
  sums <- parallel::mccollect(child)[[1]]
  if (is.raw(sums)) sums <- unserialize(sums)
  expect_identical(sums, list(shared = wanted, strings = sum(as.numeric(seq_len(5e5))), result = wanted))
})
