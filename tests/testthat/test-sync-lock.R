test_that("a lock is held by one at a time and may be asked for without waiting", {
  lock <- Lock()
  expect_false(lock$locked())
  expect_true(lock$acquire())
  expect_true(lock$locked())
  expect_false(lock$acquire(block = FALSE))
  expect_false(lock$acquire(timeout = 0))
  expect_false(lock$acquire(timeout = -1))
  started <- now()
  expect_false(lock$acquire(timeout = 0.1))
  expect_gte(now() - started, 0.09)
  lock$release()
  expect_false(lock$locked())
})

test_that("waiting without a limit for a lock that this process holds is a DeadlockError", {
  lock <- Lock()
  lock$acquire()
  expect_classed_error(lock$acquire(), "DeadlockError", "holds this lock already")
  lock$release()
})

test_that("a free lock cannot be released", {
  lock <- Lock()
  expect_classed_error(lock$release(), "ValueError")
  lock$acquire()
  lock$release()
  expect_classed_error(lock$release(), "ValueError")
  expect_true(lock$acquire(block = FALSE))
  lock$release()
})

test_that("with() evaluates in the caller's frame and always releases", {
  lock <- Lock()
  x <- 1
  expect_identical(with(lock, {
    x <- x + 1
    lock$locked()
  }), TRUE)
  expect_identical(x, 2)
  expect_false(lock$locked())
  expect_error(with(lock, stop("inside")), "inside")
  expect_false(lock$locked())
  f <- function() with(lock, return("early"))
  expect_identical(f(), "early")
  expect_false(lock$locked())
})

test_that("an RLock is acquired again by its owner and released as often, by its owner alone", {
  lock <- RLock()
  expect_true(lock$acquire())
  expect_true(lock$acquire())
  expect_true(with(lock, lock$locked()))
  other <- Process(function() {
    c(lock$acquire(block = FALSE), inherits(tryCatch(lock$release(), error = identity), "ValueError"))
  })$start()
  expect_identical(other$value(), c(FALSE, TRUE))
  lock$release()
  expect_true(lock$locked())
  lock$release()
  expect_false(lock$locked())
  expect_classed_error(lock$release(), "ValueError")
  expect_identical(Process(function() lock$acquire(timeout = 5))$start()$value(), TRUE)
})

test_that("a Lock may be released by a process that did not acquire it", {
  lock <- Lock()
  lock$acquire()
  Process(function() lock$release())$start()$join()
  expect_false(lock$locked())
})

test_that("a lock that excludes: increments of a file by four processes are all there", {
  lock <- Lock()
  file <- tempfile()
  writeLines("0", file)
  n <- rounds(2000, 100)
  ps <- lapply(1:4, function(k) {
    Process(function() for (i in seq_len(n)) with(lock, writeLines(as.character(as.integer(readLines(file)) + 1L), file)))$start()
  })
  for (p in ps) p$join()
  expect_identical(readLines(file), as.character(4 * n))
})

test_that("a waiter gets the lock as soon as it is released", {
  lock <- Lock()
  times <- Queue()
  lock$acquire()
  p <- Process(function() {
    times$put("here")
    lock$acquire()
    times$put(now())
    lock$release()
  })$start()
  times$get(timeout = 20)
  wait_until(function() process_state(p$pid) == "S")
  released <- now()
  lock$release()
  expect_lt(times$get(timeout = 20) - released, 0.5)
  p$join()
})

test_that("a lock whose owner was killed goes to the next within 100 ms, which is told", {
  lock <- Lock()
  n <- rounds(1000, 40)
  latency <- numeric(n)
  told <- 0
  for (k in seq_len(n)) {
    owner <- Process(function() {
      lock$acquire()
      repeat Sys.sleep(10)
    })$start()
    expect_true(wait_until(function() lock$locked()))
    owner$kill()
    killed <- now()
    got <- withCallingHandlers(lock$acquire(timeout = 5), OwnerDiedWarning = function(w) {
      told <<- told + 1
      invokeRestart("muffleWarning")
    })
    latency[k] <- now() - killed
    if (!got) break
    lock$release()
    owner$join()
  }
  expect_true(got)
  expect_identical(told, as.numeric(n))
  expect_prompt(latency)
})

test_that("a process that sleeps for a lock is woken by its owner's death, and is told", {
  lock <- Lock()
  news <- Queue()
  n <- rounds(1000, 40)
  latency <- numeric(n)
  told <- 0
  end <- tools::pskill # found before the time is taken
  for (k in seq_len(n)) {
    owner <- Process(function() {
      lock$acquire()
      news$put("mine")
      random_moment(0.004)
      news$put(now())
      end(Sys.getpid(), 9L)
    })$start()
    news$get(timeout = 20)
    got <- withCallingHandlers(lock$acquire(timeout = 5), OwnerDiedWarning = function(w) {
      told <<- told + 1
      invokeRestart("muffleWarning")
    })
    if (!got) break
    latency[k] <- now() - news$get(timeout = 20)
    lock$release()
    owner$join()
  }
  expect_true(got)
  expect_identical(told, as.numeric(n))
  expect_prompt(latency)
})

test_that("a lock whose owner has died is not locked, and the warning is given once", {
  lock <- Lock()
  Process(function() {
    lock$acquire()
    tools::pskill(Sys.getpid(), tools::SIGKILL)
  })$start()$join()
  expect_false(lock$locked())
  expect_warning(lock$acquire(), class = "OwnerDiedWarning")
  lock$release()
  expect_no_warning(lock$acquire())
  lock$release()
})

test_that("a handler that takes the OwnerDiedWarning and exits has the lock of $acquire(), and not that of with()", {
  for (lock in list(Lock(), RLock())) {
    dies_with_it <- function() Process(function() {
      lock$acquire()
      tools::pskill(Sys.getpid(), tools::SIGKILL)
    })$start()$join()
    dies_with_it()
    told <- tryCatch(lock$acquire(), OwnerDiedWarning = function(w) "told")
    expect_identical(told, "told")
    expect_true(lock$locked())
    lock$release()
    dies_with_it()
    evaluated <- FALSE
    expect_identical(tryCatch(with(lock, evaluated <- TRUE), OwnerDiedWarning = function(w) "told"), "told")
    expect_false(evaluated)
    expect_false(lock$locked())
  }
})

test_that("an RLock that was held three times is free when its owner is dead", {
  lock <- RLock()
  Process(function() {
    for (i in 1:3) lock$acquire()
    quit(status = 1)
  })$start()$join()
  expect_warning(lock$acquire(timeout = 5), class = "OwnerDiedWarning")
  lock$release()
  expect_false(lock$locked())
})

test_that("locks sent through queues and pipes are the same locks", {
  lock <- Lock()
  q <- Queue()
  q$put(list(deep = list(lock)))
  copy <- q$get(timeout = 5)$deep[[1]]
  copy$acquire()
  expect_true(lock$locked())
  lock$release()
  expect_false(copy$locked())
  expect_output(print(copy), "<Lock #")
})

test_that("processes that are killed while they contend leave a lock that works", {
  lock <- Lock()
  for (k in seq_len(rounds(200, 10))) {
    ps <- lapply(1:3, function(i) Process(function() repeat suppressWarnings(with(lock, NULL)))$start())
    random_moment(0.01)
    for (p in ps) p$kill()
    got <- suppressWarnings(lock$acquire(timeout = 5))
    expect_true(got)
    lock$release()
    for (p in ps) p$join()
  }
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
