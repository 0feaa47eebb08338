# Results of a known type: Pool()$map(template = ) and mcvapply(), beside vapply()
same_as_vapply <- function(pool, x, f, template) {
  wanted <- vapply(x, f, template, USE.NAMES = !is.character(x))
  expect_identical(pool$map(f, x, template = template), wanted)
  expect_identical(mcvapply(x, f, template, USE.NAMES = !is.character(x), mc.cores = 2), wanted)
}

test_that("results of every type, length and shape are what vapply() gives", {
  pool <- local_pool(2)
  same_as_vapply(pool, 1:10, function(i) i * 2, numeric(1))
  same_as_vapply(pool, 1:10, function(i) i, numeric(1))
  same_as_vapply(pool, 1:10, function(i) i > 3, integer(1))
  same_as_vapply(pool, 1:10, function(i) i > 3, logical(1))
  same_as_vapply(pool, 1:10, function(i) as.raw(i), raw(1))
  same_as_vapply(pool, list(1, NA, NaN, NA_real_, 2L), function(i) i, complex(1))
  same_as_vapply(pool, letters, toupper, character(1))
  same_as_vapply(pool, c(a = 1, b = 2), function(i) i * 2, numeric(1))
  same_as_vapply(pool, 1:5, function(i) c(x = i, y = 2 * i), numeric(2))
  same_as_vapply(pool, 1:5, function(i) c(x = i, y = 2 * i), c(u = 0, v = 0))
  same_as_vapply(pool, c(a = 1, b = 2), function(i) c(i, 2 * i), numeric(2))
  same_as_vapply(pool, c(a = 1, b = 2), function(i) matrix(i, 2, 3), matrix(0, 2, 3))
  same_as_vapply(pool, 1:4, function(i) matrix(i, 2, 3, dimnames = list(c("a", "b"), NULL)), matrix(0, 2, 3))
  same_as_vapply(pool, list(), function(i) i, numeric(1))
  same_as_vapply(pool, list(), function(i) i, numeric(2))
  same_as_vapply(pool, 1:3, function(i) numeric(0), numeric(0))
})

test_that("names come from the first element, whichever is computed first", {
  skip_on_os("mac")
  named <- function(i) stats::setNames(c(i, i), paste0(c("a", "b"), i))
  cpus <- rep_len(parallel::mcaffinity(NULL), 2L)
  if (cpus[[1L]] == cpus[[2L]]) skip("one CPU alone")
  expect_identical(
    mcvapply(1:3, named, numeric(2), mc.cores = 2, mc.preschedule = FALSE, affinity.list = list(cpus[[2L]], cpus[[1L]], cpus[[2L]])),
    vapply(1:3, named, numeric(2))
  )
})

test_that("many results arrive as one shared vector", {
  local_views()
  pool <- local_pool(2)
  x <- pool$map(function(i) i / 2, 1:100000, template = numeric(1))
  expect_true(is_shared(x))
  expect_identical(x, 1:100000 / 2)
  x[1] <- -1
  expect_identical(x[1:2], c(-1, 1))
  expect_true(is_shared(mcvapply(1:100000, function(i) i / 2, numeric(1), mc.cores = 2)))
})

test_that("the memory of a shared result stays its own for as long as the result exists", {
  pool <- local_pool(2)
  for (round in 1:20) {
    if (round == 11) local_views() # until here an ordinary vector, that shows pages or is a copy
    x <- pool$map(function(i) i / 2, 1:500000, template = numeric(1))
    if (round > 10) expect_true(is_shared(x))
    if (is_shared(x)) {
      usage <- memory_usage()
      expect_true(any(usage$kind == "data" & usage$bytes >= 4e6))
    }
    y <- x
    y[1] <- -1
    expect_identical(c(x[1], y[1:2]), c(0.5, -1, 1))
    rm(x, y)
    gc()
  }
})

test_that("a value of another type or length is an error that names its element", {
  pool <- local_pool(2)
  number_or_text <- function(i) if (i == 7) "seven" else i
  expect_classed_error(pool$map(number_or_text, 1:20, template = numeric(1)), "ValueError", "X..7... result is type 'character'")
  expect_classed_error(mcvapply(1:20, number_or_text, 1, mc.cores = 2), "ValueError", "X..7... result is type 'character'")
  one_or_two <- function(i) seq_len(1L + (i == 3))
  expect_classed_error(pool$map(one_or_two, 1:20, template = integer(1)), "ValueError", "X..3... result is length 2")
  kept <- pool$map(number_or_text, 1:20, template = numeric(1), on_error = "return")
  expect_s3_class(kept[[7]], "ValueError")
  expect_identical(unlist(kept[-7]), as.numeric((1:20)[-7]))
})

test_that("a worker that dies in the middle loses its element alone", {
  pool <- local_pool(2)
  for (round in seq_len(rounds(50, 3))) {
    dies <- function(i) if (i == 500) tools::pskill(Sys.getpid(), 9) else i
    kept <- pool$map(dies, 1:1000, template = numeric(1), on_error = "return")
    expect_length(kept, 1000L)
    expect_s3_class(kept[[500]], "WorkerDiedError")
    expect_identical(unlist(kept[-500]), as.numeric((1:1000)[-500]))
    expect_classed_error(mcvapply(1:20, function(i) if (i == 5) quit() else i, 1, mc.cores = 2), "WorkerDiedError", "element 5")
  }
})

test_that("the heap is sound after all of this", {
  expect_sound_heap()
})

test_that("a value is never evaluated in the session, whatever it is", {
  ran <- FALSE
  hit <- function() ran <<- TRUE
  environment(hit) <- environment()
  values <- list(
    quote(hit()), quote(stop("boo")), as.name("nosuchthing"), quote(q(status = 3)), compiler::compile(quote(hit())),
    expression(hit()), quote(~ hit())
  )
  pool <- local_pool(1)
  tell <- function(i, v) v[[1]]
  refused <- function(one) {
    failed <- pool$map(tell, 1:2, args = list(one), template = numeric(1), on_error = "return")
    failed[[3]] <- error_of(mcvapply(1:2, tell, numeric(1), one, mc.cores = 2))
    for (e in failed) {
      expect_s3_class(e, "ValueError")
      expect_match(conditionMessage(e), "values must be")
    }
  }
  refused(list(quote(expr = )))
  for (value in values) {
    one <- list(value)
    refused(one)
    expect_identical(pool$map(tell, 1:2, args = list(one), on_error = "return"), list(value, value))
    expect_identical(as.list(pool$imap(function(i) one[[1]], 1:2)), list(value, value))
    called_with <- NULL
    r <- pool$apply_async(tell, list(1, one), callback = function(v) called_with <<- list(v))
    expect_identical(r$get(), value)
    expect_identical(called_with, one)
  }
  expect_false(ran)
})
