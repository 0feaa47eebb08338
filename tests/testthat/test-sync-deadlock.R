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

test_that("two processes that hold what the other wants: one gets an error that names both and what they wait for", {
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

# Random programs without a circle that lasts: locks in any order, but with a timeout; without one, in one order only. Some processes are
# killed while they hold locks, which others take over.
random_locker <- function(locks, seed) {
  set.seed(seed)
  told <- character()
  for (step in 1:8) {
    any_order <- runif(1) < 0.5
    chosen <- sample(length(locks), 3)
    if (!any_order) chosen <- sort(chosen)
    mine <- list()
    tryCatch(
      {
        for (k in chosen) {
          got <- suppressWarnings(locks[[k]]$acquire(timeout = if (any_order) runif(1, 0.05, 0.7)), "OwnerDiedWarning")
          if (got) mine <- c(mine, locks[[k]])
        }
        if (runif(1) < 0.05) tools::pskill(Sys.getpid(), 9L) # no helper of the tests: the pool has workers that do not know it
        Sys.sleep(runif(1, 0, 0.1))
      },
      DeadlockError = function(e) told <<- c(told, conditionMessage(e))
    )
    for (lock in mine) lock$release()
  }
  told
}

# A group of four processes with locks of their own, one of them the pool's worker
random_lockers <- function(pool, seeds) {
  locks <- c(replicate(4, Lock()), replicate(2, RLock()))
  list(
    result = pool$apply_async(random_locker, list(locks, seeds[1])),
    processes = lapply(seeds[-1], function(seed) Process(random_locker, list(locks, seed))$start())
  )
}

test_that("no deadlock is reported where waits end by themselves: locks, deaths, joins, results", {
  together <- rounds(5, 2) # groups: they sleep most of the time
  pool <- local_pool(together)
  for (round in seq_len(rounds(40, 1))) {
    groups <- lapply(seq_len(together), function(k) random_lockers(pool, (round * together + k) * 100 + 1:4))
    for (group in groups) {
      for (p in group$processes) {
        p$join()
        expect_true(p$exitcode %in% c(0L, -9L))
        if (identical(p$exitcode, 0L)) expect_identical(p$value(), character())
      }
      told <- tryCatch(group$result$get(60), WorkerDiedError = function(e) if (identical(e$signal, 9L)) character() else e)
      expect_identical(told, character())
    }
  }
  expect_sound_heap()
})

test_that("a circle of two to four processes is found each time, within two seconds", {
  for (n in rep(2:4, rounds(20, 1))) {
    locks <- replicate(n, Lock())
    ready <- Barrier(n)
    ps <- lapply(seq_len(n), function(i) {
      Process(function() {
        tryCatch(
          with(locks[[i]], {
            ready$wait(60)
            began <<- now()
            with(locks[[i %% n + 1]], "got it")
          }),
          DeadlockError = function(e) now() - began
        )
      })$start()
    })
    said <- lapply(ps, function(p) p$value(60))
    found <- Filter(is.numeric, said)
    expect_length(found, 1)
    expect_lte(found[[1]], if (soaking()) 2 else 30)
  }
})
