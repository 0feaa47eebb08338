# concurrent.futures: states, results, callbacks, waiting for several, shutdown.

test_that("a future is pending, running and finished, and says so", {
  executor <- local_executor(1)
  g <- gate()
  first <- executor$submit(g$call, "value")
  second <- executor$submit(function() 2)
  g$await()
  expect_true(first$running())
  expect_false(first$done())
  expect_false(second$running())
  expect_identical(format(second), "<Future (pending)>")
  expect_error(first$result(timeout = 0), class = "TimeoutError")
  expect_false(first$cancel())
  g$open()
  expect_identical(first$result(timeout = 60), "value")
  expect_null(first$exception())
  expect_true(first$done())
  expect_false(first$running())
  expect_false(first$cancelled())
  expect_false(first$cancel())
  expect_identical(second$result(), 2)
  expect_identical(format(second), "<Future (finished, returned 2)>")
})

test_that("only a future that no worker has begun can be cancelled", {
  executor <- local_executor(1)
  g <- gate()
  running <- executor$submit(g$call)
  pending <- executor$submit(function() stop("never runs"))
  g$await()
  expect_true(pending$cancel())
  expect_true(pending$cancel())
  expect_true(pending$cancelled())
  expect_true(pending$done())
  expect_false(pending$running())
  expect_error(pending$result(), class = "CancelledError")
  expect_error(pending$exception(), class = "CancelledError")
  expect_identical(format(pending), "<Future (cancelled)>")
  g$open()
  expect_null(running$result(timeout = 60))
})

test_that("an error is the future's result, with the classes of its condition", {
  executor <- local_executor(1)
  future <- executor$submit(function() stop(structure(class = c("odd", "error", "condition"), list(message = "no", call = NULL))))
  error <- future$exception(timeout = 60)
  expect_s3_class(error, c("TaskError", "odd"), exact = FALSE)
  expect_identical(conditionMessage(error$parent), "no")
  expect_error(future$result(), class = "odd")
  expect_match(format(future), "raised TaskError")
})

test_that("callbacks run in their order, one that fails stops no other, and one that comes late runs at once", {
  executor <- local_executor(1)
  g <- gate()
  future <- executor$submit(g$call, 7)
  said <- character()
  future$add_done_callback(function(f) said <<- c(said, paste("first", f$result())))
  future$add_done_callback(function(f) stop("bad"))
  future$add_done_callback(function(f) said <<- c(said, "third"))
  g$open()
  expect_warning(future$result(timeout = 60), "a callback of a future failed: bad")
  expect_identical(said, c("first 7", "third"))
  future$add_done_callback(function(f) said <<- c(said, "late"))
  expect_identical(said, c("first 7", "third", "late"))
  expect_error(future$add_done_callback(1), class = "ValueError")
})

test_that("a cancelled future calls its callbacks", {
  executor <- local_executor(1)
  g <- gate()
  running <- executor$submit(g$call)
  g$await()
  pending <- executor$submit(identity, 1)
  told <- NULL
  pending$add_done_callback(function(f) told <<- f$cancelled())
  pending$cancel()
  expect_true(told)
  g$open()
})

test_that("a callback can submit more", {
  executor <- local_executor(1)
  more <- NULL
  future <- executor$submit(identity, 1)
  future$add_done_callback(function(f) more <<- executor$submit(identity, 2))
  future$result(timeout = 60)
  expect_identical(more$result(timeout = 60), 2)
})

test_that("wait_futures returns at the first, at the first error, or when all are done", {
  executor <- local_executor(2)
  g <- gate()
  slow <- executor$submit(g$call)
  fast <- executor$submit(identity, 1)
  got <- wait_futures(list(slow, fast, fast), return_when = "FIRST_COMPLETED")
  expect_length(got$done, 1)
  expect_identical(got$done[[1]], fast)
  expect_identical(got$not_done, list(slow))
  got <- wait_futures(list(slow, fast), timeout = 0)
  expect_length(got$not_done, 1)
  bad <- executor$submit(function() stop("bad"))
  got <- wait_futures(list(slow, bad), return_when = "FIRST_EXCEPTION")
  expect_identical(got$done, list(bad))
  g$open()
  got <- wait_futures(list(slow, fast, bad), timeout = 60)
  expect_length(got$done, 3)
  expect_length(got$not_done, 0)
  expect_error(wait_futures(list(1)), class = "ValueError")
  expect_error(wait_futures(list(fast), return_when = "SOON"), class = "ValueError")
})

test_that("as_completed gives futures as they finish, each once, and ends with StopIteration", {
  executor <- local_executor(2)
  g <- gate()
  slow <- executor$submit(g$call, "slow")
  fast <- executor$submit(identity, "fast")
  it <- as_completed(list(slow, fast, slow), timeout = 60)
  expect_identical(it$next_value()$result(), "fast")
  g$open()
  expect_identical(it$next_value()$result(), "slow")
  expect_false(it$has_next())
  expect_error(it$next_value(), class = "StopIteration")
  h <- gate()
  never <- executor$submit(h$call)
  expect_error(as_completed(list(never), timeout = 0)$next_value(), "1 of 1 futures", class = "TimeoutError")
  h$open()
})

test_that("wait() takes futures beside queues", {
  executor <- local_executor(1)
  queue <- Queue()
  future <- executor$submit(identity, 1)
  expect_identical(wait(list(queue, future), timeout = 60), list(future))
})

test_that("map calls with the elements of several vectors, in order, until the shortest ends", {
  executor <- local_executor(2)
  expect_identical(as.list(executor$map(function(a, b) a * b, 1:3, 4:7)), list(4L, 10L, 18L))
  expect_identical(as.list(executor$map(sqrt, c(1, 4, 9, 16, 25), chunksize = 2)), list(1, 2, 3, 4, 5))
  expect_identical(as.list(executor$map(identity, list())), list())
  it <- executor$map(function(i) if (i == 3) stop("three") else i, 1:5, chunksize = 2)
  expect_identical(it$next_value(), 1L)
  expect_identical(it$next_value(), 2L)
  expect_error(it$next_value(), "element 3|three", class = "TaskError")
  expect_error(it$next_value(), class = "StopIteration")
  # a condition that a call returns is a value
  expect_s3_class(executor$map(function(i) simpleError("value"), 1)$next_value(), "simpleError")
  g <- gate()
  it <- executor$map(g$call, 1, timeout = 0)
  expect_error(it$next_value(), "element 1", class = "TimeoutError")
  g$open()
})

test_that("after a shutdown nothing is submitted, and what was submitted is computed", {
  executor <- ProcessPoolExecutor(1)
  fs <- lapply(1:20, function(i) executor$submit(identity, i))
  executor$shutdown()
  expect_identical(lapply(fs, function(f) f$result()), as.list(1:20))
  expect_error(executor$submit(identity, 1), "shut down", class = "RuntimeError")
  expect_error(executor$map(identity, 1), class = "RuntimeError")
  executor$shutdown()
  expect_match(format(executor), "shut down")
})

test_that("shutdown(cancel_futures = TRUE) cancels what no worker has begun", {
  executor <- ProcessPoolExecutor(1)
  g <- gate()
  running <- executor$submit(g$call, "done")
  g$await()
  pending <- lapply(1:5, function(i) executor$submit(identity, i))
  told <- 0
  pending[[2]]$add_done_callback(function(f) told <<- told + f$cancelled())
  executor$shutdown(wait = FALSE, cancel_futures = TRUE)
  expect_true(all(vapply(pending, function(f) f$cancelled(), TRUE)))
  expect_identical(told, 1)
  g$open()
  expect_identical(running$result(timeout = 60), "done")
  executor$shutdown()
})

test_that("with() shuts the executor down", {
  value <- with(ex <- ProcessPoolExecutor(1), ex$submit(sqrt, 16)$result())
  expect_identical(value, 4)
  expect_error(ex$submit(sqrt, 1), class = "RuntimeError")
})

for (method in get_all_start_methods()) {
  test_that(paste("a result that cannot travel is the future's error; a worker killed while it travels costs it at most:", method), {
    executor <- local_executor(1, context = method)
    expect_s3_class(executor$submit(function() stdin())$exception(timeout = 60), "EncodingError")
    for (round in 1:3) {
      future <- executor$submit(function(s) {
        system(sprintf("(sleep %f; kill -9 %d) >/dev/null 2>&1 &", s, Sys.getpid()))
        Sys.sleep(s / 2)
        numeric(5e6)
      }, round / 100)
      error <- future$exception(timeout = 60)
      if (is.null(error)) expect_identical(future$result(), numeric(5e6)) else expect_s3_class(error, "WorkerDiedError")
      expect_identical(executor$submit(identity, 1)$result(timeout = 60), 1)
    }
  })

  test_that(paste("a worker killed after its result costs nothing:", method), {
    executor <- local_executor(1, context = method)
    future <- executor$submit(Sys.getpid)
    wait_futures(list(future), timeout = 60)
    kill_9(future$result())
    expect_false(executor$submit(Sys.getpid)$result(timeout = 60) == future$result())
  })
}

test_that("ten thousand futures are submitted, awaited in any order, and dropped", {
  executor <- local_executor(2)
  n <- 10000L
  fs <- lapply(seq_len(n), function(i) executor$submit(identity, i))
  at <- sample(n)
  expect_identical(vapply(fs[at], function(f) f$result(), 1L), at)
  fs <- lapply(seq_len(n), function(i) executor$submit(identity, i))
  expect_length(wait_futures(fs, timeout = 300)$done, n)
  fs <- lapply(seq_len(n), function(i) executor$submit(identity, i))
  seen <- integer()
  it <- as_completed(fs, timeout = 300)
  while (it$has_next()) seen <- c(seen, it$next_value()$result())
  expect_setequal(seen, seq_len(n))
  rm(fs, it)
  gc()
  expect_identical(executor$submit(identity, 1)$result(), 1)
})

test_that("each of a thousand futures calls its callback once, also those that were done before", {
  executor <- local_executor(2)
  calls <- integer(1000)
  fs <- lapply(1:1000, function(i) executor$submit(identity, i))
  fs[[7]]$result()
  lapply(1:1000, function(i) fs[[i]]$add_done_callback(function(f) calls[i] <<- calls[i] + f$result()))
  wait_futures(fs, timeout = 300)
  executor$submit(identity, 1)$result()
  expect_identical(calls, 1:1000)
})

# What each method of a future says in each state, as Python's documentation has it
test_that("a future in each of its states", {
  executor <- local_executor(1)
  g <- gate()
  running <- executor$submit(g$call, 1)
  g$await()
  pending <- executor$submit(identity, 2)
  cancelled <- executor$submit(identity, 3)
  cancelled$cancel()
  says <- function(f) {
    list(
      cancelled = f$cancelled(), running = f$running(), done = f$done(),
      result = tryCatch(f$result(timeout = 0), error = function(e) class(e)[1]),
      exception = tryCatch(f$exception(timeout = 0), error = function(e) class(e)[1])
    )
  }
  expect_identical(says(pending), list(cancelled = FALSE, running = FALSE, done = FALSE, result = "TimeoutError", exception = "TimeoutError"))
  expect_identical(says(running), list(cancelled = FALSE, running = TRUE, done = FALSE, result = "TimeoutError", exception = "TimeoutError"))
  expect_identical(says(cancelled), list(cancelled = TRUE, running = FALSE, done = TRUE, result = "CancelledError", exception = "CancelledError"))
  g$open()
  pending$result(timeout = 60)
  failed <- executor$submit(function() stop("no"))
  failed$exception(timeout = 60)
  expect_identical(says(running), list(cancelled = FALSE, running = FALSE, done = TRUE, result = 1, exception = NULL))
  got <- says(failed)
  expect_identical(got[c("cancelled", "running", "done", "result")], list(cancelled = FALSE, running = FALSE, done = TRUE, result = "TaskError"))
  expect_s3_class(got$exception, "TaskError")
  expect_identical(conditionCall(tryCatch(failed$result(), error = identity))[[1]], quote(failed$result))
  for (f in list(running, cancelled, failed)) expect_identical(f$cancel(), f$cancelled())
})

test_that("a callback of a cancelled future that fails is told, and the others run", {
  executor <- local_executor(1)
  g <- gate()
  running <- executor$submit(g$call)
  g$await()
  pending <- executor$submit(identity, 1)
  said <- NULL
  pending$add_done_callback(function(f) stop("bad"))
  pending$add_done_callback(function(f) said <<- "second")
  expect_warning(pending$cancel(), "bad")
  expect_identical(said, "second")
  g$open()
})

test_that("a callback may submit, wait for what it has submitted, and add callbacks", {
  executor <- local_executor(2)
  said <- NULL
  future <- executor$submit(identity, 1)
  future$add_done_callback(function(f) {
    inner <- executor$submit(identity, 2)
    inner$add_done_callback(function(f) said <<- c(said, f$result()))
    value <- inner$result(timeout = 60) # calls what is due: before `said` is read
    said <<- c(said, value + 40)
    f$add_done_callback(function(f) said <<- c(said, "late"))
  })
  future$result(timeout = 60)
  executor$submit(identity, 3)$result(timeout = 60)
  expect_setequal(said, c("42", "late", "2"))
})

test_that("shutdown in every state: nothing submitted, pending, running, finished, twice, without waiting", {
  ProcessPoolExecutor(1)$shutdown()
  for (wait in c(TRUE, FALSE)) {
    executor <- ProcessPoolExecutor(1)
    g <- gate()
    finished <- executor$submit(identity, 1)
    finished$result(timeout = 60)
    running <- executor$submit(g$call, 2)
    pending <- executor$submit(identity, 3)
    g$await()
    executor$shutdown(wait = FALSE)
    expect_error(executor$submit(identity, 4), class = "RuntimeError")
    expect_false(pending$done())
    g$open()
    executor$shutdown(wait = wait)
    expect_identical(list(finished$result(), running$result(timeout = 60), pending$result(timeout = 60)), list(1, 2, 3))
    executor$shutdown(cancel_futures = TRUE)
  }
  executor <- ProcessPoolExecutor(1)
  future <- executor$submit(function() quit(status = 2))
  executor$shutdown()
  expect_s3_class(future$exception(timeout = 60), "WorkerDiedError")
})

test_that("futures outlive the last mention of their executor", {
  future <- ProcessPoolExecutor(1)$submit(function() 5)
  gc()
  expect_identical(future$result(timeout = 60), 5)
})

test_that("an executor whose workers cannot start fails its futures as broken, and does not hang", {
  executor <- ProcessPoolExecutor(1, initializer = function() quit(status = 4))
  future <- tryCatch(executor$submit(identity, 1), ProcessError = function(e) NULL)
  if (!is.null(future)) {
    expect_s3_class(future$exception(timeout = 60), "ProcessError")
    expect_true(future$done())
    expect_error(future$result(), class = "ProcessError")
  }
  expect_error(executor$submit(identity, 1)$result(timeout = 60), class = "multiprocessing_error")
})

test_that("max_tasks_per_child replaces workers, an initializer runs in each", {
  executor <- local_executor(1, max_tasks_per_child = 2, initializer = function(v) assign("seen", v, globalenv()), initargs = list(5))
  pids <- vapply(1:6, function(i) executor$submit(Sys.getpid)$result(), 1L)
  expect_identical(as.vector(table(match(pids, unique(pids)))), c(2L, 2L, 2L))
  expect_identical(executor$submit(function() get("seen", globalenv()))$result(), 5)
})

test_that("wrong arguments are named", {
  expect_error(ProcessPoolExecutor(0), "max_workers", class = "ValueError")
  executor <- local_executor(1)
  expect_error(executor$submit(1), "fn", class = "ValueError")
  expect_error(executor$submit(), "fn", class = "ValueError")
  expect_error(executor$map(identity, 1:2, chunksize = 0), "chunksize", class = "ValueError")
})

test_that("an executor's calls see what globals and packages say", {
  blind <- ProcessPoolExecutor(1, context = "spawn", globals = FALSE)
  given <- ProcessPoolExecutor(1, globals = list(ex_given = 5), packages = "splines")
  ex_named <- 7
  named <- ProcessPoolExecutor(1, globals = "ex_named")
  expect_true(given$submit(in_global(function() "package:splines" %in% search()))$result())
  expect_identical(as.list(given$map(in_global(function(i) ex_given + i), 1:3)), list(6, 7, 8))
  expect_identical(named$submit(in_global(function() ex_named))$result(), 7)
  assign("ex_later", 3, globalenv())
  expect_false(blind$submit(in_global(function() exists("ex_later", globalenv())))$result())
  rm("ex_later", envir = globalenv())
  for (e in list(blind, given, named)) e$shutdown()
  expect_classed_error(ProcessPoolExecutor(1, globals = 3), "ValueError", "globals")
  expect_classed_error(ProcessPoolExecutor(1, packages = 3), "ValueError", "packages")
})

test_that("$terminate_workers() and $kill_workers() end the workers at once, and every future is done", {
  for (end in c("terminate_workers", "kill_workers")) {
    executor <- ProcessPoolExecutor(1)
    done <- executor$submit(function() Sys.getpid())
    pid <- done$result()
    running <- executor$submit(function() Sys.sleep(1000))
    pending <- executor$submit(function() 2)
    called <- list()
    running$add_done_callback(function(f) called <<- c(called, f))
    expect_true(wait_until(function() running$running()))
    executor[[end]]()
    expect_true(wait_until(function() !tools::pskill(pid, 0L)))
    expect_true(running$done() && !running$cancelled() && pending$done() && pending$cancelled())
    expect_error(running$result(), class = "BrokenProcessPool")
    expect_s3_class(running$exception(), "BrokenProcessPool")
    expect_error(pending$result(), class = "CancelledError")
    expect_identical(done$result(), pid)
    expect_identical(called, list(running))
    expect_length(wait_futures(list(done, running, pending), timeout = 0)$not_done, 0L)
    expect_error(executor$submit(identity, 1), class = "RuntimeError")
    expect_silent(executor$shutdown())
    expect_silent(executor[[end]]())
  }
})
