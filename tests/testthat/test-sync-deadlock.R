# Two processes hold `own` and want `other`; TRUE where it was found out
crossing <- function(first, second) {
  ready <- Barrier(2)
  take <- function(own, other) {
    with(own, {
      ready$wait(60)
      tryCatch(with(other, "got it"), DeadlockError = function(e) conditionMessage(e))
    })
  }
  p <- Process(function() take(first, second))$start()
  started <- now()
  mine <- take(second, first)
  list(found = c(mine, p$value(60)), pid = p$pid, seconds = now() - started)
}

test_that("two processes that hold what the other wants: one is told, with who waits for whom", {
  for (pair in list(list(Lock(), Lock()), list(RLock(), Lock()))) {
    r <- crossing(pair[[1]], pair[[2]])
    expect_identical(sum(r$found == "got it"), 1L)
    text <- r$found[r$found != "got it"]
    expect_match(text, sprintf("process %d", r$pid))
    expect_match(text, sprintf("process %d", Sys.getpid()))
    expect_match(text, "has waited for \\d+\\.\\d seconds for R?Lock #\\d+")
    expect_false(pair[[1]]$locked())
    expect_false(pair[[2]]$locked())
  }
})

test_that("a process that is joined by the owner of the lock that it wants", {
  lock <- Lock()
  lock$acquire()
  p <- Process(function() tryCatch(with(lock, "got it"), DeadlockError = function(e) "told"))$start()
  joined <- tryCatch(
    {
      p$join()
      "joined"
    },
    DeadlockError = function(e) conditionMessage(e)
  )
  lock$release()
  told <- p$value(60)
  expect_true(xor(told == "told", joined != "joined"))
  if (joined != "joined") expect_match(joined, "for the end of process")
})

test_that("a wait with a timeout, and one whose lock is released late, are no deadlock", {
  a <- Lock()
  b <- Lock()
  gate <- Event()
  p <- Process(function() {
    with(a, {
      gate$wait()
      b$acquire(timeout = 1)
    })
  })$start()
  wait_until(function() a$locked())
  b$acquire()
  gate$set()
  expect_identical(with(a, "got it"), "got it") # when the other's time is over
  b$release()
  expect_false(p$value(60))
  expect_sound_heap()
})
