# $map() of an executor with a `buffersize`: what is pulled from sources when, what ends them, and what each element costs.

# `cost` of one of `few` and of one of `many` that are eight times as many: each element would cost eight times as much if it
# took time in proportion to their number. A busy machine may disturb one attempt.
expect_same_cost <- function(cost, few, many) {
  cost(100)
  for (attempt in 1:3) {
    ratio <- cost(many) / max(cost(few), 1e-5)
    if (ratio < 3) break
  }
  testthat::expect_lt(ratio, 3)
}

counting <- function(n = Inf, then = function() stop("StopIteration")) {
  pulled <- 0
  list(source = function() if (pulled < n) pulled <<- pulled + 1 else then(), pulled = function() pulled)
}

test_that("map() with a buffersize gives what it gives without one", {
  executor <- local_executor(2)
  for (buffersize in c(1, 2, 9, 10, 11, 1e10)) {
    for (chunksize in c(1, 3, 10, 11)) {
      values <- as.list(executor$map(function(a, b) a * b, 1:10, b = 2:12, chunksize = chunksize, buffersize = buffersize))
      expect_identical(values, as.list(1:10 * 2:11))
    }
  }
  expect_identical(as.list(executor$map(identity, list(), buffersize = 2)), list())
  expect_identical(as.list(executor$map(function(...) list(...), x = c(a = 1), f = 2, buffersize = 2)), list(list(x = 1, f = 2)))
  expect_identical(as.list(executor$map(identity, list(NULL, 1), buffersize = 1)), list(NULL, 1))
  for (bad in list(0, -1, 1.5, "a", NA)) expect_classed_error(executor$map(identity, 1, buffersize = bad), "ValueError", "buffersize")
  expect_classed_error(executor$map(identity, counting()$source), "ValueError", "lazy")
})

test_that("at most so many elements are pulled from a source before their values were given, and it may never end", {
  executor <- local_executor(2)
  for (chunksize in c(1, 3)) {
    endless <- counting()
    iterator <- executor$map(`+`, endless$source, 1, chunksize = chunksize, buffersize = 4)
    expect_identical(iterator$next_value(), 2)
    expect_false(iterator$has_next()) # the other one has one element
    endless <- counting()
    iterator <- executor$map(sqrt, endless$source, chunksize = chunksize, buffersize = 4)
    expect_identical(endless$pulled(), 4 * chunksize)
    for (i in 1:50) {
      expect_true(iterator$has_next())
      expect_identical(iterator$next_value(), sqrt(i))
      expect_lte(endless$pulled(), 4 * chunksize + i)
    }
  }
  ended <- counting(5)
  expect_identical(as.list(executor$map(function(x, y) x - y, counting()$source, ended$source, buffersize = 2)), rep(list(0), 5))
  expect_identical(ended$pulled(), 5)
})

test_that("values that come before an error of a source, an element that cannot be sent, or a shutdown are given first", {
  executor <- ProcessPoolExecutor(1)
  for (chunksize in c(1, 2)) {
    ways <- list(
      list(source = counting(3, function() stop("no element 4"))$source, class = "simpleError", text = "no element 4"),
      list(source = list(1, 2, 3, stdin(), 5), class = "EncodingError", text = "element 4 of argument 1"),
      list(source = list(1, 2, 3, "four", 5), class = "TaskError", text = "element 4")
    )
    if (chunksize == 2) ways[[2]]$source <- list(1, 2, 3, 4, stdin()) # the chunk fails as a whole
    for (way in ways) {
      iterator <- executor$map(function(x) x + 1, way$source, chunksize = chunksize, buffersize = 2)
      expect_identical(c(iterator$next_value(), iterator$next_value(), iterator$next_value()), c(2, 3, 4))
      if (chunksize == 2 && way$class == "EncodingError") expect_identical(iterator$next_value(), 5)
      expect_true(iterator$has_next())
      expect_error(iterator$next_value(), if (chunksize == 1 || way$class != "EncodingError") way$text else "element 5", class = way$class)
      expect_false(iterator$has_next())
      expect_classed_error(iterator$next_value(), "StopIteration")
    }
  }
  iterator <- executor$map(identity, counting()$source, buffersize = 3)
  iterator$next_value()
  executor$shutdown()
  expect_identical(c(iterator$next_value(), iterator$next_value()), c(2, 3))
  expect_classed_error(iterator$next_value(), "RuntimeError", "shut down")
  expect_classed_error(executor$map(identity, 1, buffersize = 3), "RuntimeError", "shut down")
})

test_that("a map() with a buffersize holds neither the elements that it was given nor the values that it gave", {
  executor <- local_executor(1)
  iterator <- executor$map(function(i) new.env(), 1:9, buffersize = 2)
  count <- 0L
  for (i in 1:5) reg.finalizer(iterator$next_value(), function(e) count <<- count + 1L)
  gc()
  expect_identical(count, 5L)
  expect_true(iterator$has_next())
})

test_that("a future among many that are done costs as_completed() what one of a few costs", {
  executor <- local_executor(1)
  cost <- function(n) {
    fs <- lapply(seq_len(n), function(i) executor$submit(identity, i))
    wait_futures(fs)
    begun <- proc.time()
    iterator <- as_completed(fs)
    for (i in seq_len(n)) iterator$next_value()
    spent <- sum((proc.time() - begun)[1:2]) / n
    expect_false(iterator$has_next())
    spent
  }
  expect_same_cost(cost, 2000, 16000)
})

test_that("an element of a long map() costs what one of a short map() costs", {
  executor <- local_executor(1)
  cost <- function(n, chunksize) {
    iterator <- executor$map(identity, seq_len(n), chunksize = chunksize)
    begun <- proc.time()
    values <- as.list(iterator)
    expect_identical(values, as.list(seq_len(n)))
    sum((proc.time() - begun)[1:2]) / n
  }
  expect_same_cost(function(n) cost(n, 1), 2000, 16000)
  expect_same_cost(function(n) cost(n, n), 2000, 16000)
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})

test_that("a Ctrl-C in as.list() of a map cancels the calls that no worker has begun", {
  executor <- local_executor(1)
  begun <- Value("i", 0)
  open <- Event()
  me <- Sys.getpid()
  call <- function(i) {
    begun$value <- begun$value + 1
    if (i == 1) tools::pskill(me, tools::SIGINT)
    open$wait(60)
  }
  interrupted <- tryCatch(is.null(as.list(executor$map(call, 1:4))), interrupt = function(condition) TRUE)
  expect_true(interrupted)
  open$set()
  executor$shutdown()
  expect_identical(as.integer(begun$value), 1L)
})
