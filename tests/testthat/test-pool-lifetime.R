# What outlives a job or a pool, and what does not: values, workers, the end of a script. See test-executor-lifetime.R.

for (method in get_all_start_methods()) {
  test_that(paste("a pool that is closed early replaces its workers until all that was submitted is computed:", method), {
    pool <- Pool(2, maxtasksperchild = 1, context = method)
    results <- lapply(1:6, function(i) pool$apply_async(function(i) c(i, Sys.getpid()), list(i)))
    pool$close()
    pool$join()
    got <- vapply(results, function(r) r$get(timeout = 0), integer(2))
    expect_identical(got[1, ], 1:6)
    expect_false(anyDuplicated(got[2, ]) > 0L)
  })

  test_that(paste("a script that leaves a pool behind ends well, and with its workers: in a variable, in an object, at work:", method), {
    skip_on_cran()
    script <- c(
      "holder <- R6::R6Class('holder', public = list(pool = NULL, initialize = function() self$pool <- Pool(1, context = args[1])))",
      "kept <- if (args[2] == 'object') holder$new() else list(pool = Pool(1, context = args[1]))",
      "cat(kept$pool$apply(Sys.getpid), sep = '\\n')",
      "stopifnot(identical(kept$pool$map(as.numeric, 0:9), as.list(as.numeric(0:9))))",
      "if (args[2] == 'working') invisible(kept$pool$map_async(function(i) repeat Sys.sleep(1), 1:2))"
    )
    for (how in c("variable", "object", "working")) {
      said <- run_script(script, c(method, how))
      expect_null(attr(said, "status"), label = how)
      expect_match(said, "^[0-9]+$", label = how)
      expect_true(wait_until(function() is_gone(as.integer(said))), label = how)
    }
  })

  test_that(paste("errors too large for a pipe keep no pool from its end:", method), {
    pool <- Pool(2, context = method)
    raise_large <- function(i) {
      stop(structure(class = c("large", "error", "condition"), list(message = "large", call = NULL, data = rep(i, 2e6))))
    }
    expect_s3_class(error_of(pool$map(raise_large, c(1, 2))), "large")
    results <- pool$map_async(raise_large, c(1, 2, 3, 4), on_error = "return")
    pool$close()
    pool$join()
    expect_identical(lapply(results$get(timeout = 0), function(e) e$parent$data[c(1, 2e6)]), lapply(1:4, function(i) c(i, i) + 0))
  })
}

test_that("a pool holds neither the elements of a job, nor its arguments, nor its values", {
  pool <- local_pool(2)
  count <- 0L
  tracked <- function(i) {
    e <- new.env(parent = emptyenv())
    reg.finalizer(e, function(e) count <<- count + 1L)
    e
  }
  elements <- lapply(1:10, tracked)
  values <- pool$map(identity, elements)
  for (value in values) reg.finalizer(value, function(e) count <<- count + 1L)
  rm(elements, values, value)
  gc()
  expect_identical(count, 20L)
  pool$apply(function(e) NULL, list(tracked(1)))
  invisible(pool$starmap(function(e, f) NULL, list(list(tracked(1), tracked(2)))))
  result <- pool$apply_async(identity, list(tracked(1)))
  result$wait(timeout = 60)
  gc()
  expect_identical(count, 24L)
})

test_that("results that cannot be sent are an error for each error_callback, and the pool works on", {
  pool <- local_pool(2)
  told <- character()
  results <- lapply(1:20, function(i) {
    pool$apply_async(function() stdin(), error_callback = function(e) told <<- c(told, class(e)), callback = function(value) stop("no"))
  })
  for (result in results) expect_classed_error(result$get(timeout = 60), "EncodingError", "connection")
  expect_identical(sum(told == "EncodingError"), 20L)
  expect_identical(pool$apply(function() 1), 1)
})

test_that("a pool with ten thousand elements to come is terminated at once", {
  skip_on_cran()
  pool <- Pool(2)
  pids <- pool$status()$pid
  result <- pool$map_async(function(i) repeat Sys.sleep(1), 1:10000, chunksize = 1)
  pool$terminate()
  pool$join()
  expect_true(all_gone(pids))
  expect_classed_error(result$get(timeout = 60), "CancelledError")
})

test_that("a pool may have many more workers than there are cores", {
  skip_on_cran()
  count <- rounds(200, 60)
  pool <- local_pool(count)
  expect_identical(pool$map(function(i) i^2, seq_len(count), chunksize = 1), as.list(seq_len(count)^2))
  expect_identical(nrow(pool$status()), as.integer(count))
})

test_that("a session without a standard input has pools, processes and executors of all start methods", {
  skip_on_cran()
  script <- tempfile(fileext = ".R")
  on.exit(unlink(script))
  writeLines(c(
    sprintf("library(multiprocessing, lib.loc = %s)", deparse1(package_library())),
    "for (method in get_all_start_methods()) {",
    "  cat(with(pool <- Pool(1, context = method), pool$apply(function() 1)), '')",
    "  cat(Process(function() 2, context = method)$start()$value(), '')",
    "  cat(with(executor <- ProcessPoolExecutor(1, context = method), executor$submit(function() 3)$result()), '')",
    "}"
  ), script)
  command <- sprintf("%s --vanilla %s <&- 2>&1", shQuote(file.path(R.home("bin"), "Rscript")), shQuote(script))
  said <- suppressWarnings(system2("sh", c("-c", shQuote(command)), stdout = TRUE, timeout = 120))
  expect_null(attr(said, "status"))
  expect_identical(said, strrep("1 2 3 ", length(get_all_start_methods())))
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})
