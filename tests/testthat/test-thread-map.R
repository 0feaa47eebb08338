# Bits, so that NA differs from NaN and 0 from -0
bits <- function(x) if (is.double(x)) writeBin(as.vector(x), raw()) else x

expect_same_as_base <- function(x, name) {
  expected <- outcome(do.call(name, list(x)))
  actual <- outcome(thread_map(x, name, threads = 2))
  same <- identical(bits(actual$value), bits(expected$value)) && identical(attributes(actual$value), attributes(expected$value))
  expect_true(same, info = name)
  expect_identical(length(actual$warnings), length(expected$warnings), info = name)
}

maps <- c(
  "sqrt", "exp", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh",
  "tanh", "asinh", "acosh", "atanh", "floor", "ceiling", "trunc", "abs", "sign"
)

special <- c(
  0, -0, 1, -1, 0.5, -0.5, 2, 10, 1e-300, 5e-324, 1e300, -1e300, 709.7, 710, Inf, -Inf, NA, NaN, pi, -pi, 1e22, .Machine$double.xmax
)

test_that("every named function gives base R's bits, also for NA, NaN and Inf, and warns once where it does", {
  set.seed(1)
  x <- c(special, stats::rnorm(2e4), stats::runif(2e4, -750, 750))
  for (name in maps) {
    expect_same_as_base(x, name)
    expect_same_as_base(c(a = 0.25, b = NA), name)
    expect_same_as_base(numeric(), name)
  }
})

test_that("integers and logicals are numbers, and their NA stays NA", {
  for (name in maps) {
    for (x in list(c(0L, 1L, NA, 7L, -3L), c(TRUE, NA, FALSE), integer())) {
      expect_identical(quiet(thread_map(x, name) + 0), quiet(do.call(name, list(x)) + 0), info = name)
    }
  }
  expect_type(thread_map(-3:3, "abs"), "integer")
})

test_that("names, dim and dimnames are kept; data frames, factors, lists and texts are refused", {
  m <- matrix(c(1, 4, 9, 16), 2, dimnames = list(c("a", "b"), NULL))
  expect_identical(thread_map(m, "sqrt"), sqrt(m))
  a <- array(as.numeric(1:24), c(2, 3, 4))
  expect_identical(thread_map(a, "exp", threads = 2), exp(a))
  for (bad in list("a", list(1), factor("a"), Sys.Date(), data.frame(a = 1), NULL, 1i, as.raw(1))) {
    expect_classed_error(thread_map(bad, "sqrt"), "ValueError", "`x` must be")
  }
})

test_that("many elements come out as few do, for any number of threads", {
  set.seed(2)
  x <- stats::runif(2e6)
  expected <- exp(x)
  for (threads in c(1, 2, 3, 8)) {
    expect_identical(thread_map(x, "exp", threads = threads), expected)
  }
  expect_identical(thread_map(1:2000000, "sqrt", threads = 2), sqrt(1:2000000)) # a sequence that is not in memory
})

test_that("with a margin each row or column gives one number", {
  set.seed(3)
  m <- matrix(stats::rnorm(70 * 33), 70, dimnames = list(paste0("r", 1:70), NULL))
  i <- matrix(sample(c(1:50, NA), 60, TRUE), 12)
  for (name in c("sum", "prod", "min", "max", "mean")) {
    for (margin in 1:2) {
      expect_identical(thread_map(m, name, margin = margin, threads = 2), apply(m, margin, name), info = name)
      expect_equal(thread_map(i, name, margin = margin), apply(i, margin, name), info = name)
      expect_identical(typeof(thread_map(i, name, margin = margin)), typeof(apply(i, margin, name)), info = name)
    }
  }
  expect_identical(thread_map(m, "exp", margin = 1), exp(m))
  expect_identical(thread_map(matrix(0, 0, 3), "sum", margin = 2), c(0, 0, 0))
})

test_that("wrong arguments are refused by name", {
  expect_classed_error(thread_map(1, "sqr"), "ValueError", "no built-in function \"sqr\"")
  expect_classed_error(thread_map(1, "sum"), "ValueError", "thread_reduce")
  expect_classed_error(thread_map(1, sqrt), "ValueError", "R can run in one thread only")
  expect_classed_error(thread_map(1, 3), "ValueError", "`fun` must be")
  expect_classed_error(thread_map(1, NA_character_), "ValueError", "`fun` must be")
  for (threads in list(0, -1, 1.5, NA, "2", c(1, 2), Inf)) {
    expect_classed_error(thread_map(1, "sqrt", threads = threads), "ValueError", "`threads`")
  }
  for (margin in list(0, 3, 1.5, NA, "1")) {
    expect_classed_error(thread_map(diag(2), "sum", margin = margin), "ValueError", "`margin`")
  }
  expect_classed_error(thread_map(1:3, "sum", margin = 1), "ValueError", "needs a matrix")
})

test_that("a long vector is mapped to its end", {
  skip_if_not(soaking(), "takes 36 GB of memory; run by make soak")
  free <- as.numeric(sub("\\D+(\\d+).*", "\\1", grep("MemAvailable", readLines("/proc/meminfo"), value = TRUE)))
  skip_if(free < 40e6, "not enough memory")
  x <- numeric(2^31 + 5)
  x[2^31 + 5] <- 4
  expect_identical(thread_reduce(x, "sum", threads = 2), 4)
  y <- thread_map(x, "sqrt", threads = 2)
  expect_identical(y[2^31 + 5], 2)
})

test_that("a shared vector is read where it is", {
  skip_if_not(exists("share"), "no share() yet")
  x <- share(as.numeric(1:1e6))
  i <- share(1:1000000)
  expect_true(is_shared(x))
  expect_identical(thread_map(x, "sqrt", threads = 2), sqrt(1:1e6))
  expect_identical(thread_reduce(i, "sum", threads = 2), sum(as.numeric(1:1e6)))
  expect_true(is_shared(x) && is_shared(i)) # still views: nothing was copied or written
  process <- Process(function() multiprocessing::thread_reduce(x, "max", threads = 2))
  process$start()
  expect_identical(process$value(timeout = 30), 1e6)
})
