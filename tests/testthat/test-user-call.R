# An error names the call that the user wrote, and none of our own functions.
call_of <- function(expr) deparse(conditionCall(error_of(expr)), width.cutoff = 500L)[1L]

test_that("a wrong argument of every exported function names that function's call", {
  wrong <- new.env() # what no function takes
  lock <- Lock()
  calls <- expression(
    Pool(processes = wrong), local_pool(wrong), Process(wrong), Queue(wrong), Pipe(wrong), wait(wrong), share(wrong),
    set_start_method(wrong), get_context(wrong), thread_map(wrong, "sqrt"), thread_reduce("a", "sum"), cpp_fun(wrong),
    mclapply(1:2, wrong), mcvapply(1:2, wrong, 1), mcmapply(wrong, 1:2), mcMap(wrong, 1:2), pvec(1:2, wrong),
    mccollect("a"), with(lock), is_shared()
  )
  for (call in calls) {
    e <- expect_classed_error(eval(call), "ValueError")
    expect_identical(conditionCall(e), call)
  }
  # and of those that are not in this list, now or later
  for (name in getNamespaceExports("multiprocessing")) {
    fun <- get(name, asNamespace("multiprocessing"))
    if (!is.function(fun) || !identical(environment(fun), asNamespace("multiprocessing"))) next # parallel's
    call <- as.call(list(as.name(name), quote(wrong)))
    e <- error_of(eval(call))
    if (inherits(e, "multiprocessing_error")) expect_identical(conditionCall(e), call)
  }
})

test_that("a wrong argument of every method names that method's call", {
  pool <- local_pool(1)
  process <- Process(identity, list(1))
  queue <- Queue()
  simple <- SimpleQueue()
  lock <- Lock()
  ends <- Pipe()
  ends[[2]]$close()
  result <- pool$apply_async(function() stop("broken"))
  iterator <- pool$imap(sqrt, numeric())
  calls <- expression(
    pool$map(5, 1), pool$map_async(5, 1), pool$starmap(5, 1), pool$starmap_async(5, 1), pool$imap(5, 1),
    pool$imap_unordered(5, 1), pool$apply(5), pool$apply_async(5), pool$join(),
    pool$map(identity, function() 1), pool$map(sqrt, "a"), pool$apply(sqrt, list("a")), pool$apply(sqrt, x = 1),
    process$join(), process$value(), process$terminate(), process$kill(), queue$put(1, block = "a"),
    queue$get(timeout = "a"), queue$put_nowait(), queue$get_nowait(), queue$put(globalenv, timeout = "a"), simple$put(),
    lock$acquire(block = 5), lock$release(), ends[[1]]$send(1), ends[[1]]$recv(), ends[[1]]$send_bytes(1),
    ends[[1]]$poll(timeout = "a"), ends[[2]]$recv_bytes(), result$get(), result$wait(timeout = "a"), iterator$next_value(),
    as.list(pool$imap(sqrt, "a"))
  )
  result$wait()
  for (call in calls) {
    e <- error_of(eval(call))
    if (grepl("poll|wait\\(timeout", deparse(call)[1L]) && is.null(e)) next # ready at once
    expect_s3_class(e, "multiprocessing_error")
    expect_identical(conditionCall(e), call)
  }
})

test_that("a call by do.call(), lapply(), a field, or a copy of a method is named as well as it can be", {
  pool <- local_pool(1)
  expect_identical(call_of(do.call(pool$join, list())), "Pool$join()")
  expect_identical(call_of(lapply(1, pool$apply)), "FUN(X[[i]], ...)")
  copy <- pool$map
  expect_identical(call_of(copy(5, 1)), "copy(5, 1)")
  expect_identical(call_of(Process(identity)$sentinel), "Process$sentinel")
  expect_identical(call_of(pool$mapp(1)), "pool$mapp")
  expect_identical(call_of(get_context("fork")$Pool(-1)), "get_context(\"fork\")$Pool(-1)")
  wrapper <- function(...) pool$map(...)
  expect_identical(call_of(wrapper(5, 1)), "pool$map(...)")
})

test_that("the error of a call inside a function that a user gave us names that call", {
  pool <- local_pool(1)
  queue <- Queue()
  iterator <- pool$imap(identity, function() queue$get_nowait())
  expect_identical(call_of(iterator$next_value()), "queue$get_nowait()")
  e <- error_of(pool$apply(function(q) q$get_nowait(), list(queue)))
  expect_identical(conditionCall(e), quote(pool$apply(function(q) q$get_nowait(), list(queue))))
  expect_identical(deparse(conditionCall(e$parent)), "q$get_nowait()")
  p <- Process(function(pool) pool$map(identity, 1), args = list(pool)) # a frame that compiled code called
  capture.output(p$start()$join(), type = "message")
  expect_identical(deparse(conditionCall(error_of(p$value())$parent)), "pool$map(identity, 1)")
})

test_that("try() prints the user's call, and the warning about a dead owner has it too", {
  lock <- Lock()
  text <- capture.output(try(lock$release()), type = "message")
  expect_match(text[1L], "^Error in lock\\$release\\(\\) :")
  p <- Process(function(lock) {
    lock$acquire()
    tools::pskill(Sys.getpid(), tools::SIGKILL)
  }, list(lock))
  p$start()$join()
  w <- tryCatch(lock$acquire(), OwnerDiedWarning = identity)
  expect_identical(conditionCall(w), quote(lock$acquire()))
})
