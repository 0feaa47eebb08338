test_that("a process computes its target with positional and named arguments", {
  p <- Process(function(x, y) x - y, args = list(y = 1, 5))
  expect_null(p$pid)
  expect_null(p$exitcode)
  expect_false(p$is_alive())
  p$start()
  expect_identical(p$value(), 4)
  expect_identical(p$exitcode, 0L)
  expect_false(p$is_alive())
  expect_false(p$pid == Sys.getpid())
})

test_that("join waits at most its timeout and never ends the process", {
  gate <- Queue()
  p <- Process(function() gate$get())$start()
  started <- now()
  p$join(timeout = 0.1)
  expect_gte(now() - started, 0.09)
  expect_true(p$is_alive())
  expect_null(p$exitcode)
  p$join(timeout = 0)
  p$join(timeout = -1)
  expect_true(p$is_alive())
  expect_classed_error(p$value(timeout = 0.01), "TimeoutError", "still runs")
  gate$put("done")
  p$join()
  expect_identical(p$exitcode, 0L)
  expect_identical(p$value(), "done")
})

test_that("exitcode is -n for signal n, the code of quit(), 1 after an error", {
  hang <- function() repeat Sys.sleep(10)
  terminated <- Process(hang)$start()
  killed <- Process(hang)$start()
  terminated$terminate()
  killed$kill()
  expect_identical(terminated$join()$exitcode, -15L)
  expect_identical(killed$join()$exitcode, -9L)
  expect_identical(Process(function() tools::pskill(Sys.getpid(), 11L))$start()$join()$exitcode, -11L)
  expect_identical(Process(function() quit(status = 7))$start()$join()$exitcode, 7L)
  expect_identical(Process(function() q("no", 8))$start()$join()$exitcode, 8L)
  expect_identical(Process(function() base::quit("no", status = 9, runLast = FALSE))$start()$join()$exitcode, 9L)
  said <- capture.output(failed <- Process(function() stop("broken"), name = "Worker")$start()$join(), type = "message")
  expect_identical(failed$exitcode, 1L)
  expect_match(said, "Worker.*failed", all = FALSE)
  expect_match(said, "broken", all = FALSE)
})

test_that("quit() in a process leaves this session's temporary folder and finalizers alone", {
  place <- tempfile()
  owner <- new.env()
  reg.finalizer(owner, function(e) file.create(place), onexit = TRUE)
  Process(function() quit("no", runLast = FALSE))$start()$join()
  Process(function() .Internal(quit("no", 3L, FALSE)))$start()$join()
  expect_true(dir.exists(tempdir()))
  expect_false(file.exists(place))
  rm(owner)
})

test_that("value is the target's error, or says how the process ended", {
  run <- function(f) {
    p <- Process(f)$start()
    capture.output(p$join(), type = "message")
    p
  }
  e <- expect_classed_error(run(function() stop("inner"))$value(), "TaskError", "inner")
  expect_identical(conditionMessage(e$parent), "inner")
  e <- expect_classed_error(run(function() tools::pskill(Sys.getpid(), 9L))$value(), "ProcessError", "SIGKILL")
  expect_identical(e$signal, 9L)
  e <- expect_classed_error(run(function() quit(status = 4))$value(), "WorkerDiedError", "exit code 4")
  expect_identical(e$exitcode, 4L)
})

test_that("names are given, or counted, and processes know theirs and their parent", {
  expect_identical(Process(identity, name = "mine")$name, "mine")
  a <- Process(identity)$name
  b <- Process(identity)$name
  expect_identical(as.integer(sub("Process-", "", b)), as.integer(sub("Process-", "", a)) + 1L)
  expect_identical(current_process()$pid, Sys.getpid())
  seen <- Process(function() list(current_process(), parent_process()), name = "child")$start()$value()
  expect_identical(seen[[1]]$name, "child")
  expect_identical(seen[[2]]$pid, Sys.getpid())
  expect_identical(seen[[2]]$name, current_process()$name)
})

test_that("start works once; join, terminate and wait need it", {
  p <- Process(function() 1)
  expect_classed_error(p$join(), "ProcessError", "start")
  expect_classed_error(p$terminate(), "ProcessError", "start")
  expect_classed_error(p$sentinel, "ProcessError", "start")
  p$start()
  expect_classed_error(p$start(), "ProcessError", "only once")
  expect_identical(p$value(), 1)
})

test_that("close forgets a process that is over and refuses one that runs", {
  gate <- Queue()
  p <- Process(function() gate$get())$start()
  expect_classed_error(p$close(), "ValueError", "still runs")
  gate$put(1)
  p$join()
  p$close()
  expect_classed_error(p$join(), "ValueError", "closed")
  expect_output(print(p), "closed")
})

test_that("a process shows its state", {
  gate <- Queue()
  p <- Process(function() gate$get(), name = "shown")
  expect_output(print(p), "<Process shown \\(initial\\)>")
  p$start()
  expect_output(print(p), "started")
  gate$put(1)
  p$join()
  expect_output(print(p), "stopped, exit code 0")
})

test_that("active_children lists the processes that run, and only those", {
  gate <- Queue()
  ps <- lapply(1:3, function(i) Process(function() gate$get(), name = paste0("child-", i))$start())
  names <- vapply(active_children(), function(p) p$name, "")
  expect_true(all(paste0("child-", 1:3) %in% names))
  for (i in 1:3) gate$put(i)
  for (p in ps) p$join()
  expect_false(any(paste0("child-", 1:3) %in% vapply(active_children(), function(p) p$name, "")))
})

test_that("changes in a process are not seen here: memory is not shared", {
  x <- 1
  Process(function() x <<- 2)$start()$join()
  expect_identical(x, 1)
})

test_that("a process may start processes and pools", {
  outer <- Process(function() {
    inner <- Process(function() current_process()$name)$start()
    c(inner$value(), unlist(with(p <- Pool(2), p$map(function(i) i * 2, 1:3))))
  })
  expect_identical(outer$start()$value(), c(paste0(outer$name, ":1"), "2", "4", "6"))
})

test_that("five processes run at the same time", {
  barrier <- Queue()
  release <- Queue()
  ps <- lapply(1:5, function(i) {
    Process(function() {
      barrier$put(Sys.getpid())
      release$get()
    })$start()
  })
  pids <- vapply(1:5, function(i) barrier$get(timeout = 20), 1L)
  expect_length(unique(pids), 5)
  expect_setequal(pids, vapply(ps, function(p) p$pid, 1L))
  for (i in 1:5) release$put(i)
  expect_identical(sort(vapply(ps, function(p) p$value(), 1L)), 1:5)
})

test_that("two processes draw different random numbers", {
  a <- Process(function() stats::runif(1))$start()
  b <- Process(function() stats::runif(1))$start()
  expect_false(a$value() == b$value())
})

test_that("when R ends, daemons are terminated and other processes are joined", {
  skip_on_cran()
  file <- tempfile()
  pids <- in_background_r(function(file) {
    daemon <- Process(function() repeat Sys.sleep(10), daemon = TRUE)$start()
    gate <- Queue()
    slow <- Process(function() {
      gate$get()
      Sys.sleep(0.3)
      writeLines("finished", file)
    })$start()
    gate$put(1)
    c(daemon$pid, slow$pid)
  }, list(file))
  expect_true(wait_until(function() all_gone(pids)))
  expect_identical(readLines(file), "finished")
})

test_that("a process inherits daemon from the one that starts it", {
  expect_false(Process(identity)$daemon)
  expect_true(Process(identity, daemon = TRUE)$daemon)
  expect_true(Process(function() Process(identity)$daemon, daemon = TRUE)$start()$value())
  expect_true(Process(function() current_process()$daemon, daemon = TRUE)$start()$value())
})

test_that("handles captured by a target and given as arguments are the same objects there", {
  lock <- Lock()
  q <- Queue()
  p <- Process(function(q2, ends) {
    lock$acquire()
    q2$put(list(q, lock))
    ends[[1]]$send("sent")
    lock$release()
  }, args = list(q, ends = ends <- Pipe()))$start()
  back <- q$get(timeout = 20)
  expect_identical(ends[[2]]$recv(), "sent")
  p$join()
  back[[1]]$put("through the copy")
  expect_identical(q$get(timeout = 5), "through the copy")
  back[[2]]$acquire()
  expect_true(lock$locked())
  lock$release()
})

test_that("the processes of a session are not those of its forked children, our own or others'", {
  p <- Process(function() repeat Sys.sleep(1))
  p$start()
  count <- function(i) length(active_children())
  expect_identical(mclapply(1:2, count, mc.cores = 2), list(0L, 0L))
  expect_identical(mccollect(mcparallel(count()))[[1L]], 0L)
  expect_identical(parallel::mclapply(1:2, count, mc.cores = 2), list(0L, 0L))
  left <- suppressWarnings(mccollect(mcparallel(quit("no", status = 4L))))[[1L]]
  expect_identical(as.integer(attr(left, "condition")$exitcode), 4L)
  expect_identical(length(active_children()), 1L)
  p$terminate()
  p$join()
})

test_that("a closed process can be asked nothing, as in Python", {
  for (p in list(Process(function() 1), Process(function() 1)$start()$join())) {
    p$close()
    expect_classed_error(p$start(), "ValueError", "closed")
    expect_classed_error(p$is_alive(), "ValueError", "closed")
    expect_classed_error(p$exitcode, "ValueError", "closed")
    expect_classed_error(p$pid, "ValueError", "closed")
    expect_classed_error(p$value(), "ValueError", "closed")
    expect_classed_error(p$terminate(), "ValueError", "closed")
    expect_null(p$close())
  }
  expect_type(active_children(), "list")
})

test_that("a process is a daemon or not before it starts; its name is a string", {
  p <- Process(function() 1)
  expect_classed_error(p$daemon <- "perhaps", "ValueError", "daemon")
  p$daemon <- TRUE
  expect_true(p$daemon)
  expect_classed_error(p$name <- 5, "ValueError", "name")
  p$name <- "renamed"
  p$start()
  expect_classed_error(p$daemon <- FALSE, "ProcessError", "before")
  p$join()
  expect_identical(p$name, "renamed")
  expect_true(p$daemon)
})

test_that("workers of pools are active children, with a name and a pid, and can be killed as such", {
  before <- length(active_children())
  for (method in c("fork", "spawn")) {
    pool <- Pool(2, context = method)
    expect_false(anyNA(pool$status()$pid)) # both are born
    workers <- active_children()
    expect_length(workers, before + 2L)
    workers <- Filter(function(p) startsWith(p$name, "PoolWorker-"), workers)
    expect_setequal(vapply(workers, function(p) p$pid, 1L), pool$status()$pid)
    expect_true(all(vapply(workers, function(p) p$is_alive() && p$daemon, TRUE)))
    workers[[1]]$kill()
    workers[[1]]$join(timeout = 60)
    expect_identical(workers[[1]]$exitcode, -9L)
    expect_identical(pool$map(function(i) i, 1:4), as.list(1:4))
    pool$terminate()
    expect_length(active_children(), before)
  }
})

test_that("a child of a pool's worker is named after it, by numbers", {
  pool <- local_pool(1)
  expect_identical(pool$apply(function() Process(function() current_process()$name)$start()$value()), "Process-1:1")
})

test_that("active_children() has all workers of a pool that has just begun", {
  for (round in 1:5) {
    pool <- local_pool(6)
    names <- vapply(active_children(), function(p) p$name, "")
    expect_identical(sum(grepl("^PoolWorker-", names)), 6L)
    pool$terminate()
  }
})

test_that("a process whose end is not known says so", {
  failure <- died(3L, 17L, NA_integer_, 0, 0, way_to_die(NA_integer_))
  expect_identical(c(failure$signal, failure$exitcode), c(NA_integer_, NA_integer_))
  expect_match(conditionMessage(failure), "took its exit state")
})

test_that("a process handle holds neither target nor arguments once it has started", {
  for (method in get_all_start_methods()) {
    count <- 0L
    tracked <- function() {
      e <- new.env(parent = globalenv())
      reg.finalizer(e, function(e) count <<- count + 1L)
      e
    }
    p <- local({
      target <- function(x) NULL
      environment(target) <- tracked()
      Process(target, list(tracked()), context = method)$start()
    })
    p$join()
    gc()
    expect_identical(count, 2L)
    expect_identical(p$exitcode, 0L)
  }
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
