# Processes that wait for a condition, and say so when they were woken
sleepers <- function(condition, n, woken, method = "fork") {
  lapply(seq_len(n), function(i) {
    Process(function(condition, woken) {
      with(condition, {
        condition$wait()
        woken$release()
      })
    }, list(condition, woken), context = method)$start()
  })
}
waiting <- function(condition) multiprocessing:::condition_waiters(condition$.__enclos_env__$private$ptr)
all_wait <- function(condition, n) wait_until(function() waiting(condition) == n, 60)

test_that("wait() is FALSE without a notice in time, and holds the lock again as often as before", {
  condition <- Condition()
  with(condition, with(condition, {
    expect_false(condition$wait(0))
    started <- now()
    expect_false(condition$wait(0.1))
    expect_gte(now() - started, 0.09)
  }))
  expect_output(print(condition), "not held, 0 waiting")
  expect_true(condition$acquire(block = FALSE))
  expect_output(print(condition), sprintf("held by process %d", Sys.getpid()))
  condition$release()
})

test_that("notify() wakes one, notify(2) two, notify_all() six, and without waiters it is no error", {
  for (method in c("fork", "spawn")) {
    condition <- Condition()
    woken <- Semaphore(0)
    n <- if (method == "fork") 6 else 3
    expect_identical(with(condition, condition$notify()), 0L)
    expect_identical(with(condition, condition$notify_all()), 0L)
    ps <- sleepers(condition, n, woken, method)
    expect_true(all_wait(condition, n))
    expect_identical(with(condition, condition$notify()), 1L)
    expect_true(woken$acquire(timeout = 60))
    expect_identical(waiting(condition), as.integer(n - 1))
    expect_identical(with(condition, condition$notify(2)), 2L)
    for (i in 1:2) expect_true(woken$acquire(timeout = 60))
    expect_false(woken$acquire(block = FALSE))
    expect_identical(waiting(condition), as.integer(n - 3L))
    if (n > 3) ps <- c(ps, sleepers(condition, 3, woken)) # six once more
    if (n > 3) expect_true(all_wait(condition, 6))
    with(condition, condition$notify_all())
    for (i in seq_len(if (n > 3) 6 else 0)) expect_true(woken$acquire(timeout = 60))
    for (p in ps) p$join(60)
    expect_false(woken$acquire(block = FALSE))
  }
})

test_that("notify() wakes exactly one of two", {
  condition <- Condition()
  woken <- Semaphore(0)
  ps <- sleepers(condition, 2, woken)
  expect_true(all_wait(condition, 2))
  with(condition, condition$notify())
  expect_true(woken$acquire(timeout = 60))
  expect_false(woken$acquire(timeout = 0.2))
  with(condition, condition$notify())
  expect_true(woken$acquire(timeout = 60))
  for (p in ps) p$join()
})

test_that("wait_for() waits for what a function says, and gives its last value", {
  condition <- Condition()
  state <- Semaphore(0)
  p <- Process(function() {
    for (i in 1:4) {
      with(condition, {
        state$release()
        condition$notify()
      })
    }
  })$start()
  value <- with(condition, condition$wait_for(function() if (state$get_value() >= 4) 4 else 0, 60))
  expect_identical(value, 4)
  p$join()
  started <- now()
  expect_false(with(condition, condition$wait_for(function() FALSE, timeout = 0.1)))
  expect_gte(now() - started, 0.09)
  expect_false(with(condition, condition$wait_for(function() FALSE, timeout = 0)))
  expect_classed_error(with(condition, condition$wait_for(TRUE)), "ValueError", "predicate")
})

test_that("a condition needs its lock held", {
  condition <- Condition()
  expect_classed_error(condition$wait(0), "ValueError", "lock")
  expect_classed_error(condition$notify(), "ValueError", "lock")
  expect_classed_error(condition$notify_all(), "ValueError", "lock")
  expect_classed_error(condition$release(), "ValueError")
  with(condition, expect_classed_error(condition$notify(-1), "ValueError", "`n`"))
  expect_classed_error(Condition(5), "ValueError", "lock")
})

test_that("two conditions of one lock exclude each other", {
  lock <- Lock()
  full <- Condition(lock)
  empty <- Condition(lock)
  with(full, {
    expect_true(lock$locked())
    expect_false(empty$acquire(block = FALSE))
  })
  expect_false(lock$locked())
  box <- Queue()
  p <- Process(function() {
    with(lock, {
      full$wait_for(function() !box$empty())
      x <- box$get()
      empty$notify()
      x
    })
  })$start()
  with(lock, {
    box$put("thing")
    full$notify()
    expect_true(empty$wait_for(function() box$empty(), 60))
  })
  expect_identical(p$value(60), "thing")
})

test_that("Ctrl-C ends a wait of a minute, with the lock held", {
  run <- background_r(function() {
    condition <- Condition()
    condition$acquire()
    cat("waiting\n")
    how <- tryCatch(condition$wait(60), interrupt = function(e) "interrupted")
    list(how, condition$release())
  }, stdout = "|")
  on.exit(run$kill())
  expect_identical(next_line(run), "waiting")
  expect_true(wait_until(function() process_state(run$get_pid()) == "S"))
  sent <- now()
  run$interrupt()
  run$wait(60000)
  expect_identical(run$get_result()[[1]], "interrupted")
  expect_lt(now() - sent, 30)
})

test_that("a notification for a process that is killed reaches the next one", {
  condition <- Condition()
  woken <- Semaphore(0)
  for (k in seq_len(rounds(500, 8))) {
    first <- sleepers(condition, 1, woken)[[1]]
    expect_true(all_wait(condition, 1))
    second <- sleepers(condition, 1, woken)[[1]]
    expect_true(all_wait(condition, 2))
    with(condition, {
      condition$notify()
      first$kill()
      first$join()
    })
    expect_true(woken$acquire(timeout = 60))
    second$join(60)
  }
})

test_that("an owner that is killed leaves the lock to a process that returns from wait(), which is told", {
  condition <- Condition()
  ready <- Event()
  p <- Process(function() {
    withCallingHandlers(
      {
        condition$acquire()
        ready$set()
        condition$wait()
        condition$release()
      },
      OwnerDiedWarning = function(w) {
        told <<- TRUE
        invokeRestart("muffleWarning")
      }
    )
    told
  })
  told <- FALSE
  p$start()
  ready$wait()
  Process(function() {
    condition$acquire()
    condition$notify()
    tools::pskill(Sys.getpid(), tools::SIGKILL)
  })$start()$join()
  expect_true(p$value(60))
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
