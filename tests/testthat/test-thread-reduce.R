folds <- c("sum", "prod", "min", "max", "mean")

test_that("short vectors give what base R gives, bit for bit, with the same warnings", {
  values <- list(
    c(1.5, 2, -3), 0.1 * 1:1000, c(1, NA, 2), c(1, NaN, 2), c(Inf, 1), c(Inf, -Inf), c(1e308, 1e308), -0,
    1:10, c(1L, NA), c(TRUE, FALSE, NA), c(TRUE, TRUE), c(.Machine$integer.max, 1L), numeric(), integer(), logical(),
    matrix(1:6, 2)
  )
  for (x in values) {
    for (name in folds) {
      expected <- outcome(do.call(name, list(x)))
      actual <- outcome(thread_reduce(x, name, threads = 2))
      expect_identical(actual$value, expected$value, info = paste(name, deparse(x)[1]))
      expect_identical(length(actual$warnings), length(expected$warnings), info = paste(name, deparse(x)[1]))
    }
  }
})

test_that("NA is stronger than NaN in an extreme, wherever it stands", {
  for (x in list(c(NaN, NA), c(NA, NaN), c(rep(NaN, 1e5), NA), c(NA, rep(NaN, 1e5)))) {
    for (name in c("min", "max")) expect_identical(thread_reduce(x, name, threads = 2), NA_real_)
  }
})

test_that("long vectors give the same number for any number of threads, which is base R's", {
  set.seed(4)
  x <- stats::rnorm(3e6)
  for (name in folds) {
    numbers <- lapply(c(1, 2, 3, 8), function(threads) thread_reduce(x, name, threads = threads))
    expect_length(unique(numbers), 1)
    expect_equal(numbers[[1]], do.call(name, list(x)), tolerance = 1e-14, info = name)
  }
  i <- sample.int(1000L, 1e6, replace = TRUE)
  for (name in folds) expect_identical(thread_reduce(i, name, threads = 2), do.call(name, list(i)), info = name)
})

test_that("`init` is used once, and is the result for nothing", {
  expect_identical(thread_reduce(c(1, 2), "sum", 10), 13)
  expect_identical(thread_reduce(1:2, "sum", 10L), 13L)
  expect_identical(thread_reduce(c(2, 3), "prod", 10), 60)
  expect_identical(thread_reduce(c(2, 3), "min", 1), 1)
  expect_identical(thread_reduce(c(2, NA), "max", 1), NA_real_)
  expect_identical(thread_reduce(numeric(), "sum", 5), 5)
  expect_classed_error(thread_reduce(c(2, 3), "mean", 1), "ValueError", "init")
  expect_classed_error(thread_reduce(c(2, 3), "sum", "a"), "ValueError", "init")
})

test_that("with a margin there is one number for each row or column", {
  m <- matrix(as.numeric(1:6), 2, dimnames = list(c("a", "b"), NULL))
  expect_identical(thread_reduce(m, "sum", margin = 1), c(a = 9, b = 12))
  expect_identical(thread_reduce(m, "max", margin = 2, init = 3), c(3, 4, 6))
})

test_that("what is no reduction is refused", {
  expect_classed_error(thread_reduce(1, "sqrt"), "ValueError", "no built-in reduction")
  expect_classed_error(thread_reduce("a", "sum"), "ValueError", "`x` must be")
  expect_classed_error(thread_reduce(1, sum), "ValueError", "R can run in one thread only")
})
