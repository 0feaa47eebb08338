test_that("apply_async answers at once and gets the value when it is available", {
  pool <- local_pool(1)
  gate <- Queue()
  result <- pool$apply_async(function(gate) gate$get() + 1, list(gate))
  expect_false(result$ready())
  expect_match(format(result), "running")
  expect_classed_error(result$successful(), "ValueError")
  expect_classed_error(result$get(timeout = 0.05), "TimeoutError", "0.05")
  expect_classed_error(result$get(timeout = 0), "TimeoutError")
  expect_false(result$wait(timeout = 0))
  gate$put(41)
  expect_true(result$wait(timeout = 20))
  expect_true(result$ready())
  expect_true(result$successful())
  expect_identical(result$get(), 42)
  expect_identical(result$get(), 42)
})

test_that("an asynchronous call costs little more than one that is waited for", {
  pool <- local_pool(1)
  cpu <- function(run) {
    begun <- proc.time()
    for (i in 1:500) run()
    sum((proc.time() - begun)[1:2])
  }
  waited <- function() pool$apply(identity, list(1))
  later <- function() pool$apply_async(identity, list(1))$get()
  cpu(waited)
  cpu(later)
  ratios <- replicate(5, cpu(later) / max(cpu(waited), 0.004))
  expect_lt(min(ratios), 5)
})

test_that("an error is kept and is thrown by get, every time", {
  pool <- local_pool(1)
  result <- pool$apply_async(function() stop("bad"))
  result$wait(20)
  expect_false(result$successful())
  expect_classed_error(result$get(), "TaskError", "bad")
  expect_classed_error(result$get(), "TaskError", "bad")
})

test_that("map_async and starmap_async give what map and starmap give", {
  pool <- local_pool(2)
  expect_identical(pool$map_async(sqrt, c(a = 1, b = 4))$get(20), list(a = 1, b = 2))
  expect_identical(pool$map_async(sqrt, c(1, 4), template = numeric(1))$get(20), c(1, 2))
  expect_identical(pool$starmap_async(`-`, list(list(3, 1), list(1, 3)))$get(20), list(2, -2))
  got <- pool$map_async(function(i) if (i == 2) stop("two") else i, 1:3, on_error = "return")$get(20)
  expect_s3_class(got[[2]], "TaskError")
  expect_identical(got[-2], list(1L, 3L))
})

test_that("a thousand results may be asked for in any order", {
  pool <- local_pool(2)
  results <- lapply(1:1000, function(i) pool$apply_async(function(x) x * 2L, list(i)))
  order <- sample(1000)
  expect_identical(lapply(results[order], function(r) r$get(60)), as.list(order * 2L))
})

test_that("a callback gets the value, an error_callback the error, in this process", {
  pool <- local_pool(1)
  seen <- list()
  note <- function(x) seen[[length(seen) + 1]] <<- list(x, Sys.getpid())
  pool$apply_async(function() 7, callback = note)$wait(20)
  pool$apply_async(function() stop("eight"), callback = note, error_callback = note)$wait(20)
  pool$map_async(identity, 1:2, callback = note)$wait(20)
  expect_identical(seen[[1]], list(7, Sys.getpid()))
  expect_s3_class(seen[[2]][[1]], "TaskError")
  expect_identical(seen[[3]][[1]], list(1L, 2L))
  expect_length(seen, 3)
})

test_that("callbacks of results that were never asked for are called by the end of join", {
  pool <- Pool(2)
  sum <- 0
  for (i in 1:20) pool$apply_async(function(i) i, list(i), callback = function(x) sum <<- sum + x)
  pool$close()
  pool$join()
  expect_identical(sum, 210)
})

test_that("a callback's error becomes a warning and costs nothing else", {
  pool <- local_pool(1)
  result <- pool$apply_async(function() 1, callback = function(x) stop("in callback"))
  expect_warning(value <- result$get(20), "in callback")
  expect_identical(value, 1)
  expect_identical(pool$map(identity, 1:3), as.list(1:3))
})

test_that("callbacks are never nested: one that waits for another job sees no other callback", {
  pool <- local_pool(1)
  depth <- 0
  deepest <- 0
  called <- 0
  slow <- function(x) {
    depth <<- depth + 1
    called <<- called + 1
    deepest <<- max(deepest, depth)
    pool$map(identity, 1:3)
    depth <<- depth - 1
  }
  results <- lapply(1:5, function(i) pool$apply_async(function() 1, callback = slow))
  for (r in results) r$get(20)
  pool$close()
  pool$join()
  expect_identical(c(called, deepest), c(5, 1))
})

test_that("a callback may submit the next job", {
  pool <- local_pool(1)
  chain <- NULL
  first <- pool$apply_async(function() 1, callback = function(x) {
    chain <<- pool$apply_async(function(x) x + 1, list(x))
  })
  first$get(20)
  expect_identical(chain$get(20), 2)
})

test_that("cancel gives the job up, frees its worker, and is an error for a call that gets it", {
  pool <- local_pool(1)
  busy <- pool$apply_async(function() repeat NULL)
  waiting <- pool$apply_async(function() "next")
  busy$cancel()
  expect_classed_error(busy$get(), "CancelledError")
  expect_identical(waiting$get(20), "next")
  expect_false(waiting$cancel())
  expect_identical(waiting$get(), "next")
})

test_that("cancelling a job replaces a worker that does not listen", {
  pool <- local_pool(1)
  deaf <- pool$apply_async(function() repeat tryCatch(repeat NULL, interrupt = function(i) NULL))
  pid <- pool$status()$pid
  expect_true(wait_until(function() process_state(pid) == "R"))
  deaf$cancel()
  expect_identical(pool$apply(function() 5), 5)
})

test_that("results without a reference are forgotten with their memory", {
  pool <- local_pool(2)
  pool$map(identity, 1:2)
  before <- heap_blocks()
  for (i in 1:50) pool$map_async(function(i) numeric(1e4), 1:4)
  gc()
  expect_identical(pool$map(identity, 1:2), list(1L, 2L))
  expect_true(wait_until(function() {
    pool$map(identity, 1)
    heap_blocks() <= before + 1
  }))
})

test_that("callbacks are called while R is idle, with package later", {
  skip_if_not_installed("later")
  pool <- local_pool(1)
  got <- NULL
  pool$apply_async(function() 42, callback = function(value) got <<- value)
  expect_true(wait_until(function() {
    later::run_now(0.05)
    !is.null(got)
  }))
  expect_identical(got, 42)
  expect_true(wait_until(function() { # nothing is left that would keep R from being idle
    later::run_now(0.05)
    later::loop_empty()
  }))
})

test_that("a pool whose callbacks were called ends when nothing refers to it, though R was never idle", {
  skip_if_not_installed("later")
  called <- 0L
  use <- function() {
    pool <- Pool(1)
    for (i in 1:2) pool$apply_async(function() 42, callback = function(value) called <<- called + 1L)$get()
    pool$status()$pid
  }
  pid <- use()
  expect_identical(called, 2L)
  expect_true(wait_until(function() {
    gc()
    heap_state()
    is_gone(pid)
  }))
})

test_that("callbacks of jobs that come after a moment of idleness are called when R is idle again", {
  skip_if_not_installed("later")
  pool <- local_pool(1)
  for (i in 1:3) {
    got <- NULL
    pool$apply_async(function(x) x, list(i), callback = function(value) got <<- value)
    expect_true(wait_until(function() {
      later::run_now(0.05)
      !is.null(got)
    }))
    later::run_now(0.2)
    expect_identical(got, i)
  }
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})

test_that("a result whose pool was terminated first is cancelled, and says so", {
  pool <- Pool(1)
  many <- pool$map_async(function(i) repeat NULL, 1:3)
  one <- pool$apply_async(function() repeat NULL)
  pool$terminate()
  for (result in list(many, one)) {
    expect_output(print(result), "<AsyncResult (cancelled)>", fixed = TRUE)
    expect_true(result$ready())
    expect_true(result$wait())
    expect_false(result$successful())
    expect_false(result$cancel())
    expect_classed_error(result$get(), "CancelledError", "terminated")
  }
  unasked <- Pool(1)
  result <- unasked$map_async(function(i) repeat NULL, 1:3)
  unasked$terminate()
  expect_classed_error(result$get(timeout = 1), "CancelledError", "terminated")
})

test_that("a callback that terminates its pool loses no value that was available", {
  pool <- Pool(1)
  noted <- NULL
  done <- pool$apply_async(function() 42, callback = function(value) pool$terminate())
  never <- pool$apply_async(function() repeat NULL, callback = identity, error_callback = function(e) noted <<- class(e)[1L])
  expect_true(done$wait())
  expect_identical(done$get(), 42)
  pool$join()
  expect_false(never$successful())
  expect_identical(noted, "CancelledError")
})

test_that("join() of a terminated pool calls the callbacks of what was not done, and returns", {
  pool <- Pool(1)
  noted <- NULL
  pool$apply_async(function() repeat NULL, error_callback = function(e) noted <<- conditionMessage(e))
  pool$map_async(function(i) repeat NULL, 1:2, callback = identity)
  pool$terminate()
  pool$join()
  expect_match(noted, "terminated")
})
