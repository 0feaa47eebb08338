fails_at <- function(which) {
  force(which)
  function(i) if (i %in% which) stop("no ", i) else i^2
}

custom_error <- function(i) {
  stop(structure(class = c("odd", "error", "condition"), list(message = paste("odd", i), call = NULL, at = i)))
}

test_that("if all elements fail, results and warnings are parallel's", {
  for (FUN in list(fails_at(1:9), custom_error, function(i) log(-1, "a"), function(i, needed) needed)) {
    expect_parity(function(p) p$mclapply(c(a = 1, b = 2), FUN, mc.cores = 2))
    expect_parity(function(p) p$mclapply(c(a = 1, b = 2), FUN, mc.cores = 2, mc.preschedule = FALSE))
  }
})

test_that("an error in some elements gives parallel's result where parallel forks for each element", {
  for (at in list(1, 2, 1:2)) {
    expect_parity(function(p) p$mclapply(c(a = 1, b = 2), fails_at(at), mc.cores = 2, mc.preschedule = FALSE))
  }
})

test_that("only the element that failed is a try-error, the one that try(lapply()) makes", {
  long <- function(i) if (i == 2) stop(strrep("a long message ", 20)) else i
  for (FUN in list(fails_at(3), fails_at(c(2, 5, 6)), fails_at(1:7), long, custom_error, function(i) sqrt("a"))) {
    for (preschedule in c(TRUE, FALSE)) {
      X <- c(a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7)
      expect_identical(quiet(mclapply(X, FUN, mc.cores = 2, mc.preschedule = preschedule)), each_tried(X, FUN))
    }
  }
})

test_that("elements of a core without errors are what parallel gives, and the others differ as documented", {
  for (at in list(1, 4, c(3, 5), c(1, 2))) {
    X <- 1:7
    expected <- quiet(parallel::mclapply(X, fails_at(at), mc.cores = 2))
    actual <- quiet(mclapply(X, fails_at(at), mc.cores = 2))
    spread <- vapply(expected, inherits, TRUE, "try-error")
    expect_identical(actual[!spread], expected[!spread])
    expect_identical(which(vapply(actual, inherits, TRUE, "try-error")), as.integer(at))
    first <- at[1]
    expect_identical(actual[[first]], expected[[first]])
  }
})

test_that("without prescheduling only the loop variable in the call differs from parallel", {
  X <- 1:9
  FUN <- fails_at(c(2, 6, 9))
  expected <- quiet(parallel::mclapply(X, FUN, mc.cores = 2, mc.preschedule = FALSE))
  actual <- quiet(mclapply(X, FUN, mc.cores = 2, mc.preschedule = FALSE))
  as_here <- function(x) {
    if (!inherits(x, "try-error")) {
      return(x)
    }
    condition <- attr(x, "condition")
    condition$call <- quote(FUN(X[[i]], ...))
    try(stop(condition), silent = TRUE)
  }
  expect_identical(actual, lapply(expected, as_here))
})

test_that("warnings name the cores as parallel does, and the elements", {
  expect_warning(mclapply(1:4, fails_at(3), mc.cores = 2), "^scheduled core 1 encountered error in user code, element 3 is affected$")
  expect_warning(mclapply(1:6, fails_at(c(2, 6)), mc.cores = 2), "^scheduled core 2 encountered error in user code, elements 2, 6 are affected$")
  expect_warning(mclapply(1:6, fails_at(c(2, 5)), mc.cores = 2), "^all scheduled cores encountered errors in user code$")
  expect_warning(mclapply(1:6, fails_at(c(2, 5)), mc.cores = 2, mc.preschedule = FALSE), "^2 function calls resulted in an error$")
  expect_warning(mclapply(1:80, fails_at(seq(1, 80, 2)), mc.cores = 2), "elements 1, .*, 39 and 20 more are affected$")
})

test_that("a try-error that FUN returns is a result like any other", {
  FUN <- function(i) try(stop("caught"), silent = TRUE)
  expect_parity(function(p) p$mclapply(1:4, FUN, mc.cores = 2))
  expect_no_warning(res <- mclapply(1:2, FUN, mc.cores = 2, mc.preschedule = FALSE))
  expect_identical(res, quiet(parallel::mclapply(1:2, FUN, mc.cores = 2, mc.preschedule = FALSE)))
})

test_that("with one element or one core an error stops the call, as in parallel", {
  for (preschedule in c(TRUE, FALSE)) {
    expect_parity(function(p) p$mclapply(1, fails_at(1), mc.cores = 2, mc.preschedule = preschedule))
    expect_parity(function(p) p$mclapply(1:3, fails_at(2), mc.cores = 1, mc.preschedule = preschedule))
  }
  error <- expect_error(mclapply(1:3, custom_error, mc.cores = 1), class = "odd")
  expect_identical(error$at, 1L)
})

test_that("a function that does not exist is an error at once; a local one is found by name", {
  expect_error(mclapply(1:3, "no such function", mc.cores = 2), "no such function")
  twice <- function(x) 2 * x
  expect_identical(mclapply(1:3, "twice", mc.cores = 2), list(2, 4, 6))
})

test_that("mc.stop.on.error stops with the task's error and its classes", {
  error <- expect_error(mclapply(1:6, custom_error, mc.cores = 2, mc.stop.on.error = TRUE), class = "TaskError")
  expect_s3_class(error, "odd")
  expect_s3_class(error, "multiprocessing_error")
  expect_identical(error$parent$at, error$index)
  expect_error(mcmapply(function(a, b) stop("both"), 1:3, 3:1, mc.cores = 2, mc.stop.on.error = TRUE), "both")
  expect_identical(mclapply(1:4, sqrt, mc.cores = 2, mc.stop.on.error = TRUE), lapply(1:4, sqrt))
})

test_that("a worker that dies costs the element it was computing, by whatever end", {
  ends <- list(
    killed = list(how = function() tools::pskill(Sys.getpid(), 9L), signal = 9L),
    crashed = list(how = function() tools::pskill(Sys.getpid(), 11L), signal = 11L),
    quit = list(how = function() quit("no", status = 3L), exitcode = 3L)
  )
  for (name in names(ends)) {
    end <- ends[[name]]
    for (preschedule in c(TRUE, FALSE)) {
      warnings <- outcome(
        res <- mclapply(1:20, function(i) if (i == 5) end$how() else i, mc.cores = 2, mc.preschedule = preschedule)
      )$warnings
      expect_identical(res[-5], as.list((1:20)[-5]), info = name)
      expect_s3_class(res[[5]], "try-error")
      condition <- attr(res[[5]], "condition")
      expect_s3_class(condition, "WorkerDiedError")
      expect_identical(as.integer(condition$index), 5L)
      expect_false(condition$pid == Sys.getpid())
      if (!is.null(end$signal)) expect_identical(as.integer(condition$signal), end$signal)
      if (!is.null(end$exitcode)) expect_identical(as.integer(condition$exitcode), end$exitcode)
      expect_length(warnings, 1L)
      expect_match(warnings, sprintf("^1 parallel function call did not deliver a result.*element 5 \\(pid %d", condition$pid))
    }
  }
})

test_that("mc.retry tries the element of a dead worker again", {
  mark <- tempfile()
  FUN <- function(i) {
    if (i == 4 && !file.exists(mark)) {
      file.create(mark)
      tools::pskill(Sys.getpid(), 9L)
    }
    i
  }
  for (preschedule in c(TRUE, FALSE)) {
    unlink(mark)
    expect_no_warning(res <- mclapply(1:6, FUN, mc.cores = 2, mc.retry = 1L, mc.preschedule = preschedule))
    expect_identical(res, as.list(1:6))
  }
  unlink(mark)
})

test_that("a worker killed for good after its retries is named once", {
  FUN <- function(i) if (i == 4) tools::pskill(Sys.getpid(), 9L) else i
  expect_warning(res <- mclapply(1:6, FUN, mc.cores = 2, mc.retry = 2L), "element 4")
  expect_identical(res[-4], as.list((1:6)[-4]))
})
