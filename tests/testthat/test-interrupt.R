test_that("Ctrl-C in map: control is back at once, and the next map is right", {
  skip_if_interrupts_are_ignored()
  skip_on_cran()
  expect_interruptible(
    rounds(200, 12),
    setup = function() Pool(2),
    body = function(pool) pool$map(function(i) sum(sqrt(seq_len(20000 + i))), 1:200),
    check = function(pool) identical(pool$map(function(i) i^2, 1:50), as.list((1:50)^2))
  )
})

test_that("Ctrl-C while workers sleep is an interrupt, not an error of theirs", {
  skip_if_interrupts_are_ignored()
  skip_on_cran()
  # R's Sys.sleep() is interrupted by any SIGINT: the workers' failures race the interrupt of this process
  expect_interruptible(
    rounds(200, 12),
    setup = function() Pool(2),
    body = function(pool) {
      tryCatch(pool$map(function(i) Sys.sleep(20), 1:2), error = function(e) {
        cat("an error:", conditionMessage(e), "\n")
        quit()
      })
    },
    check = function(pool) identical(pool$map(function(i) i^2, 1:10), as.list((1:10)^2))
  )
})

test_that("Ctrl-C in map of tasks that never end: their workers are free again", {
  skip_if_interrupts_are_ignored()
  skip_on_cran()
  expect_interruptible(
    rounds(200, 8),
    setup = function() Pool(2),
    body = function(pool) pool$map(function(i) repeat i, 1:4),
    check = function(pool) identical(pool$map(function(i) i + 1, 1:20), as.list(1:20 + 1))
  )
})

test_that("Ctrl-C in mclapply(): its workers are gone, and the next call is right", {
  skip_if_interrupts_are_ignored()
  skip_on_cran()
  expect_interruptible(
    rounds(200, 8),
    setup = function() NULL,
    body = function(none) mclapply(1:50, function(i) sum(sqrt(seq_len(20000))), mc.cores = 2),
    check = function(none) identical(mclapply(1:20, function(i) i + 1, mc.cores = 2), as.list(1:20 + 1))
  )
})

test_that("Ctrl-C in get of a queue: the next get has the next message, none is lost", {
  skip_if_interrupts_are_ignored()
  skip_on_cran()
  expect_interruptible(
    rounds(200, 12),
    setup = function() list(q = Queue(), never = Queue(), seen = new.env()),
    body = function(t) t$never$get(),
    check = function(t) {
      for (i in 1:5) t$q$put(i)
      identical(lapply(1:5, function(i) t$q$get(timeout = 2)), as.list(1:5)) && t$never$empty()
    }
  )
})

test_that("Ctrl-C while messages flow: what was put and not got is still there, in order", {
  skip_if_interrupts_are_ignored()
  skip_on_cran()
  expect_interruptible(
    rounds(200, 12),
    setup = function() Queue(100),
    body = function(q) {
      for (i in 1:20) q$put(i)
      for (i in 1:20) q$get()
    },
    check = function(q) {
      left <- numeric()
      while (!q$empty()) left <- c(left, q$get(timeout = 1))
      ordered <- length(left) < 2 || all(diff(left) == 1)
      q$put("x", timeout = 1)
      ordered && identical(q$get(timeout = 1), "x")
    }
  )
})

test_that("Ctrl-C in put of a full queue: nothing was put", {
  skip_if_interrupts_are_ignored()
  skip_on_cran()
  expect_interruptible(
    rounds(200, 8),
    setup = function() {
      q <- Queue(2)
      for (i in 1:2) q$put(i)
      q
    },
    body = function(q) q$put("third"),
    check = function(q) {
      got <- list(q$get(timeout = 1), q$get(timeout = 1))
      empty <- q$empty()
      for (i in 1:2) q$put(i)
      identical(got, list(1L, 2L)) && empty
    }
  )
})

test_that("Ctrl-C in acquire: the lock is where it was", {
  skip_if_interrupts_are_ignored()
  skip_on_cran()
  expect_interruptible(
    rounds(200, 12),
    setup = function() {
      lock <- Lock()
      gate <- Queue()
      holder <- Process(function() {
        lock$acquire()
        repeat {
          gate$get()
          lock$release()
          gate$get()
          lock$acquire()
        }
      })$start()
      while (!lock$locked()) NULL
      list(lock = lock, gate = gate, holder = holder)
    },
    body = function(t) t$lock$acquire(),
    check = function(t) {
      t$gate$put(1)
      free <- t$lock$acquire(timeout = 2)
      t$lock$release()
      t$gate$put(1)
      until <- Sys.time() + 2
      while (!t$lock$locked() && Sys.time() < until) NULL
      free && t$lock$locked() && t$holder$is_alive()
    }
  )
})

test_that("Ctrl-C in with(lock, ...): the lock is released", {
  skip_if_interrupts_are_ignored()
  skip_on_cran()
  expect_interruptible(
    rounds(200, 12),
    setup = function() Lock(),
    body = function(lock) with(lock, for (i in 1:1000) i),
    check = function(lock) {
      free <- lock$acquire(timeout = 1)
      if (free) lock$release()
      free
    }
  )
})

test_that("Ctrl-C in join, value and wait: the process is still there and can be joined", {
  skip_if_interrupts_are_ignored()
  skip_on_cran()
  expect_interruptible(
    rounds(200, 12),
    setup = function() {
      q <- Queue()
      list(q = q, p = Process(function() {
        # a process of the user's own sees Ctrl-C of the terminal as Python's do; this one ignores it
        repeat tryCatch(q$get(), interrupt = function(i) NULL)
      })$start(), turn = new.env())
    },
    body = function(t) {
      switch(sample(3, 1),
        t$p$join(),
        t$p$value(),
        wait(list(t$p))
      )
    },
    check = function(t) {
      ended <- Process(function() 42)$start()
      t$p$is_alive() && identical(ended$value(), 42)
    }
  )
})

test_that("Ctrl-C in get of a result and in an iterator: the result comes all the same", {
  skip_if_interrupts_are_ignored()
  skip_on_cran()
  expect_interruptible(
    rounds(200, 12),
    setup = function() list(pool = Pool(2), gate = Queue(), state = new.env()),
    body = function(t) {
      if (is.null(t$state$result)) t$state$result <- t$pool$apply_async(function(g) g$get(), list(t$gate))
      t$state$result$get()
    },
    check = function(t) {
      if (is.null(t$state$result)) {
        return(TRUE)
      }
      t$gate$put("came")
      came <- identical(t$state$result$get(timeout = 5), "came")
      t$state$result <- NULL
      came && identical(unlist(as.list(t$pool$imap(function(i) i, 1:10))), 1:10)
    }
  )
})

test_that("Ctrl-C while a process or a job starts is taken when they are known", {
  skip_if_interrupts_are_ignored()
  start <- process_start
  replace_by <- function(f) utils::assignInNamespace("process_start", f, "multiprocessing")
  on.exit(replace_by(start), add = TRUE)
  replace_by(function(...) {
    started <- start(...)
    tools::pskill(Sys.getpid(), tools::SIGINT)
    for (i in 1:10000) sqrt(i) # R looks for a Ctrl-C now and then
    started
  })
  interrupted <- function(expr) {
    tryCatch(
      {
        expr
        wait_until(function() FALSE)
      },
      interrupt = function(i) TRUE
    )
  }
  process <- Process(function() 42)
  expect_true(interrupted(process$start()))
  expect_identical(process$value(timeout = 20), 42)
  expect_true(interrupted(mcparallel(43)))
  expect_identical(unname(mccollect()), list(43))
})

test_that("after a Ctrl-C that a handler answers by \"resume\" the wait continues, and its result is right", {
  skip_if_interrupts_are_ignored()
  skip_on_cran()
  me <- Sys.getpid()
  seen <- 0
  marks <- character() # files that say which Ctrl-C was seen
  answer <- function(i) {
    seen <<- seen + 1
    file.create(marks[seen])
    invokeRestart("resume")
  }
  resumed <- function(expr) {
    seen <<- 0
    marks <<- tempfile(c("one", "two"))
    withCallingHandlers(expr, interrupt = answer)
  }
  # Sends a Ctrl-C once we sleep in a wait, until it was seen; then another one; does `then`
  helper <- function(then = function() NULL) {
    expected <- marks
    p <- Process(function() {
      for (mark in expected) {
        while (!grepl(") S ", readLines(sprintf("/proc/%d/stat", me)), fixed = TRUE)) Sys.sleep(0.001)
        tools::pskill(me, tools::SIGINT)
        while (!file.exists(mark)) Sys.sleep(0.001)
      }
      then()
    })
    p$start()
    p
  }
  # A task that lasts until both were seen
  lasting <- function() {
    expected <- marks
    function(i) {
      while (!all(file.exists(expected))) Sys.sleep(0.001)
      i
    }
  }
  pool <- local_pool(1)
  pool$map(identity, 1)
  q <- Queue()
  lock <- Lock()
  for (round in seq_len(rounds(20, 2))) {
    expect_identical(
      resumed({
        p <- helper()
        pool$map(lasting(), 1:5)
      }),
      as.list(1:5)
    )
    expect_identical(seen, 2)
    p$join()
    expect_identical(
      resumed({
        p <- helper(function() q$put("late"))
        q$get(timeout = 20)
      }),
      "late"
    )
    expect_identical(seen, 2)
    p$join()
    lock$acquire()
    expect_true(resumed({
      p <- helper(function() lock$release())
      lock$acquire(timeout = 20)
    }))
    expect_identical(seen, 2)
    lock$release()
    expect_null(resumed({
      helper()$value(timeout = 20)
    }))
    expect_identical(seen, 2)
    # a handler may use the pool that is being waited for
    inner <- list()
    expect_identical(
      resumed(withCallingHandlers(
        {
          p <- helper()
          pool$map(lasting(), 1:5)
        },
        interrupt = function(i) inner[[length(inner) + 1]] <<- pool$apply_async(function() "inner")
      )),
      as.list(1:5)
    )
    p$join()
    expect_identical(lapply(inner, function(r) r$get(timeout = 20)), list("inner", "inner"))
  }
  expect_sound_heap()
})

test_that("workers do not end by a Ctrl-C that is not for them", {
  skip_if_interrupts_are_ignored()
  pool <- local_pool(2)
  result <- pool$map_async(function(i) {
    until <- Sys.time() + 0.2
    while (Sys.time() < until) NULL
    i
  }, 1:2)
  for (pid in pool$status()$pid) tools::pskill(pid, tools::SIGINT)
  expect_identical(result$get(timeout = 20), as.list(1:2))
})

test_that("a fresh R does not end by a Ctrl-C while it starts", {
  skip_if_interrupts_are_ignored()
  process <- Process(function() 42, context = "spawn")
  process$start()
  tools::pskill(process$pid, tools::SIGINT)
  expect_identical(process$value(timeout = 60), 42)
  pool <- local_pool(3, context = "spawn")
  for (pid in pool$status()$pid) tools::pskill(pid, tools::SIGINT)
  expect_identical(pool$map(identity, 1:3), as.list(1:3))
})

test_that("a result that has left the pool when Ctrl-C comes is not lost", {
  skip_if_interrupts_are_ignored()
  pool <- local_pool(1)
  result <- pool$map_async(function(i) letters[i], 1:3, template = character(1))
  outcome <- job_outcome
  replace_by <- function(f) utils::assignInNamespace("job_outcome", f, "multiprocessing")
  on.exit(replace_by(outcome), add = TRUE, after = FALSE)
  replace_by(function(job, taken) {
    force(taken)
    tools::pskill(Sys.getpid(), tools::SIGINT)
    wait_until(function() FALSE)
  })
  expect_true(tryCatch(result$get(timeout = 20), interrupt = function(i) TRUE))
  replace_by(outcome)
  expect_identical(result$get(timeout = 20), letters[1:3])
})

test_that("Ctrl-C while a pool is terminated: a call for its results is an error, and does not wait", {
  skip_if_interrupts_are_ignored()
  skip_on_cran()
  me <- Sys.getpid()
  for (round in seq_len(rounds(20, 4))) { # the Ctrl-C may come too late
    pool <- Pool(1)
    gate <- Queue()
    result <- pool$apply_async(function() {
      x <- rep(1, 5e7) # the system needs a while to take it back
      gate$put("ready")
      Sys.sleep(1000)
      length(x)
    })
    gate$get(timeout = 60)
    worker <- pool$status()$pid
    sender <- Process(function() {
      while (process_state(worker) == "S") NULL
      tools::pskill(me, tools::SIGINT)
    })
    sender$start()
    came <- function() {
      pool$terminate()
      wait_until(function() FALSE)
    }
    expect_true(tryCatch(came(), interrupt = function(i) TRUE))
    expect_classed_error(result$get(timeout = 5), "CancelledError", "terminated")
    pool$terminate()
    sender$join()
  }
})

test_that("Ctrl-C in mccollect(): what had come can be collected again", {
  skip_if_interrupts_are_ignored()
  jobs <- list(mcparallel(1, name = "quick"), mcparallel(Sys.sleep(1000), name = "slow"))
  came <- function(partial) {
    tools::pskill(Sys.getpid(), tools::SIGINT)
    wait_until(function() FALSE)
  }
  expect_true(tryCatch(mccollect(jobs, intermediate = came), interrupt = function(i) TRUE))
  expect_identical(mccollect(jobs[1]), list(quick = 1))
  kill_9(jobs[[2]]$pid)
  expect_warning(mccollect(jobs[2]), "did not deliver")
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})

test_that("Ctrl-C in a call that waits for a process that is stopped in the heap: control is back at once", {
  skip_if_interrupts_are_ignored()
  skip_on_cran()
  expect_interruptible(
    rounds(200, 10),
    setup = function() {
      q <- Queue()
      child <- Process(function() {
        mine <- Queue()
        x <- raw(1e6)
        many <- lapply(1:1000, function(i) Lock())
        repeat {
          mine$put(x)
          mine$get()
          for (i in 1:5) multiprocessing:::heap_check()
        }
      }, daemon = TRUE)
      child$start()
      multiprocessing:::guard_limit(600)
      list(q = q, pid = child$pid)
    },
    body = function(things) {
      repeat {
        tools::pskill(things$pid, tools::SIGSTOP)
        while (!any(grepl(") T ", readLines(sprintf("/proc/%d/stat", things$pid)), fixed = TRUE))) Sys.sleep(0.001)
        if (multiprocessing:::heap_holder() == things$pid) break
        tools::pskill(things$pid, tools::SIGCONT)
        Sys.sleep(0.0002)
      }
      things$q$put(raw(1e6))
    },
    check = function(things) {
      tools::pskill(things$pid, tools::SIGCONT)
      things$q$put(raw(1e6))
      identical(things$q$get(timeout = 5), raw(1e6)) && multiprocessing:::guard_limit(600) == 600
    },
    longest = 0.2
  )
})

test_that("Ctrl-C at a barrier: control is back at once, and the barrier can be used again", {
  skip_if_interrupts_are_ignored()
  skip_on_cran()
  expect_interruptible(
    rounds(50, 4),
    setup = function() Barrier(2),
    body = function(barrier) barrier$wait(),
    check = function(barrier) {
      barrier$reset()
      barrier$n_waiting == 0L && !barrier$broken
    }
  )
})
