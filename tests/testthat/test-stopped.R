# A process that is stopped (a debugger, SIGSTOP) while it is at work in the shared memory holds up no other without a limit.

# Goes in and out of the heap all the time; a check of many blocks takes it longest
start_churning <- function() {
  child <- Process(function() {
    q <- Queue()
    x <- raw(1e6)
    many <- lapply(1:1000, function(i) Lock())
    repeat {
      q$put(x)
      q$get()
      for (i in 1:5) multiprocessing:::heap_check()
    }
  }, daemon = TRUE)
  child$start()
  child
}

end <- function(child) {
  child$kill()
  child$join()
}

stop_process <- function(pid) {
  tools::pskill(pid, tools::SIGSTOP)
  wait_until(function() process_state(pid) == "T")
}

continue_process <- function(pid) tools::pskill(pid, tools::SIGCONT)

# At random moments, until it was at work there
stop_inside <- function(pid, timeout = 60) {
  deadline <- now() + timeout
  repeat {
    random_moment(0.002)
    stop_process(pid)
    if (multiprocessing:::heap_holder() == pid) {
      return(TRUE)
    }
    continue_process(pid)
    if (now() > deadline) {
      return(FALSE)
    }
  }
}

with_guard_limit <- function(seconds, expr) {
  before <- multiprocessing:::guard_limit(seconds)
  on.exit(multiprocessing:::guard_limit(before))
  expr
}

# The error, which says which process is stopped, and came in time
expect_named <- function(expr, class, pid, within = 1) {
  start <- now()
  e <- expect_classed_error(expr, class, sprintf("process %d is stopped.*kill -CONT %d", pid, pid))
  testthat::expect_lt(now() - start, within)
  invisible(e)
}

test_that("put() and get() answer in time while another process is stopped in the heap, and lose nothing", {
  q <- Queue()
  few <- Queue()
  few$put(0)
  few$get()
  lock <- Lock()
  big <- as.numeric(seq_len(2e5))
  child <- start_churning()
  on.exit(end(child))
  for (round in seq_len(rounds(200, 12))) {
    pid <- child$pid
    q$put(big + round)
    expect_true(stop_inside(pid))
    timeout <- if (round %% 10) 0.1 else 2
    expect_named(q$get(timeout = timeout), "Empty", pid, timeout + 1)
    expect_named(q$put(big, timeout = timeout), "Full", pid, timeout + 1)
    expect_named(q$get_nowait(), "Empty", pid)
    few$put(round) # it needs no block
    expect_identical(few$get(timeout = 2), round)
    expect_true(lock$acquire(timeout = 2))
    lock$release()
    expect_identical(q$qsize(), 1)
    if (round %% 3 == 0) {
      child$kill()
    } else {
      continue_process(pid)
    }
    expect_identical(q$get(timeout = 5), big + round)
    expect_true(q$empty())
    if (round %% 3 == 0) {
      end(child)
      child <- start_churning()
    }
    expect_sound_heap()
  }
})

test_that("stopped at any moment, for a while or for good: the others continue", {
  q <- Queue()
  big <- raw(1e6)
  child <- start_churning()
  on.exit(end(child))
  for (round in seq_len(rounds(400, 20))) {
    pid <- child$pid
    random_moment(0.005)
    stop_process(pid)
    put <- tryCatch(
      {
        q$put(big, timeout = 0.05)
        TRUE
      },
      Full = function(e) FALSE
    )
    if (round %% 2) continue_process(pid) else child$kill()
    if (!put) q$put(big, timeout = 5)
    expect_identical(q$get(timeout = 5), big)
    if (round %% 2 == 0) {
      end(child)
      child <- start_churning()
    }
  }
  expect_sound_heap()
})

test_that("calls without a timeout end with an error that names the stopped process, and have changed nothing", {
  pool <- local_pool(1)
  numbers <- function(i) as.numeric(seq_len(1e5)) + i
  expect_identical(pool$map(numbers, 1:2), list(numbers(1), numbers(2)))
  q <- Queue()
  ends <- Pipe()
  q$put(numbers(1))
  ends[[1]]$send(numbers(2))
  child <- start_churning()
  on.exit(end(child), add = TRUE, after = FALSE)
  pid <- child$pid
  for (how in c("continue", "kill")) {
    expect_true(stop_inside(pid))
    with_guard_limit(0.2, {
      expect_named(q$get(), "TimeoutError", pid)
      expect_named(q$put(numbers(1)), "TimeoutError", pid)
      late <- expect_named(q$put(numbers(1), timeout = 60), "Full", pid)
      expect_match(conditionMessage(late), "after 0\\.[2-9]") # not after 60 seconds
      expect_named(ends[[2]]$recv(), "TimeoutError", pid)
      expect_named(Lock(), "TimeoutError", pid)
      expect_named(Pipe(), "TimeoutError", pid)
      expect_named(share(numbers(1)), "TimeoutError", pid)
      expect_named(pool$map(numbers, 1:2), "TimeoutError", pid)
      expect_named(memory_usage(), "TimeoutError", pid)
      expect_classed_error(Process(numbers)$start(), "multiprocessing_error", sprintf("process %d is stopped", pid))
      expect_identical(parallel::mclapply(1:2, function(i) i, mc.cores = 2), list(1L, 2L)) # a fork that is not ours
    })
    if (how == "continue") continue_process(pid) else child$kill()
    expect_identical(pool$map(numbers, 1:2), list(numbers(1), numbers(2)))
    expect_sound_heap()
  }
  expect_identical(q$get(timeout = 5), numbers(1))
  expect_identical(ends[[2]]$recv(), numbers(2))
})

test_that("a pool's workers wait for a stopped process as long as it takes, and lose no result", {
  numbers <- function(i) {
    Sys.sleep(0.05)
    as.numeric(seq_len(1e5)) + i
  }
  pool <- local_pool(2)
  child <- start_churning()
  on.exit(end(child), add = TRUE, after = FALSE)
  for (round in seq_len(rounds(20, 3))) {
    result <- pool$map_async(numbers, 1:4) # they are at work when their results find the heap closed
    expect_true(stop_inside(child$pid))
    expect_error(with_guard_limit(0.3, result$get()), class = "TimeoutError")
    expect_error(result$get(timeout = 0.2), class = "TimeoutError")
    continue_process(child$pid)
    expect_identical(result$get(timeout = 10), lapply(1:4, function(i) as.numeric(seq_len(1e5)) + i))
    expect_sound_heap()
  }
})

test_that("a process waits for a stopped one as long as it takes, and a process that waits for it is told", {
  child <- start_churning()
  on.exit(end(child))
  go <- Queue()
  go$put(0)
  go$get() # the queue has its block for small messages now
  for (round in seq_len(rounds(20, 2))) {
    p <- Process(function() {
      go$get()
      as.numeric(1:1e5)
    })
    p$start()
    expect_true(stop_inside(child$pid))
    go$put(round) # its result finds the heap closed
    expect_true(wait_until(function() go$empty() && process_state(p$pid) == "S")) # it waits there
    with_guard_limit(0.3, {
      expect_named(p$join(), "TimeoutError", child$pid, 2)
      expect_named(p$value(), "TimeoutError", child$pid, 2)
      expect_named(wait(list(p)), "TimeoutError", child$pid, 2)
      p$join(timeout = 0.1)
      expect_null(p$exitcode)
    })
    continue_process(child$pid)
    expect_identical(p$value(timeout = 10), as.numeric(1:1e5))
    expect_sound_heap()
  }
})

test_that("what is dropped while a process is stopped is freed later", {
  before <- heap_blocks()
  child <- start_churning()
  on.exit(end(child))
  things <- lapply(1:50, function(i) list(Lock(), Queue(), share(as.numeric(1:1e5))))
  expect_true(stop_inside(child$pid))
  start <- now()
  rm(things)
  gc()
  multiprocessing:::heap_holder() # any entry drops what R's collector has found
  expect_lt(now() - start, 2)
  continue_process(child$pid)
  end(child)
  rm(child)
  on.exit()
  expect_true(wait_until(function() heap_blocks() <= before))
  expect_sound_heap()
})
