test_that("a function is compiled once, and mapped with its names and NA", {
  square <- cpp_fun("double square(double x) { return x * x; }")
  expect_identical(thread_map(c(a = 2, b = NA, c = NaN), square), c(a = 4, b = NA, c = NaN))
  expect_identical(thread_map(-3:3, square), (-3:3)^2)
  x <- as.numeric(1:1e6)
  expect_identical(thread_map(x, square, threads = 2), x * x)
  libraries <- length(getLoadedDLLs())
  expect_identical(cpp_fun("double square(double x) { return x * x; }"), square)
  expect_length(getLoadedDLLs(), libraries)
  expect_output(print(square), "double square", fixed = TRUE)
})

test_that("the last function is the one, after helpers, comments and texts with braces", {
  f <- cpp_fun(c(
    "#include <string>", "// a { in a comment (", "static const std::string s = \"f(x) { \";", "struct P { double v() const { return 2; } };",
    "double twice(double x) { if (x > 0) { return 2 * x; } return P().v() * x; }",
    "double f(double x) noexcept {", "  return twice(x) + double(s.size());", "}"
  ))
  expect_identical(thread_map(c(1, -1), f), c(9, 5) + c(0, 0))
})

test_that("functions of integers see no NA", {
  f <- cpp_fun("int f(int x) { return x + 1; }")
  expect_identical(thread_map(c(a = 1L, b = NA), f), c(a = 2L, b = NA))
  expect_identical(thread_map(c(TRUE, NA), f), c(2L, NA))
  expect_classed_error(thread_map(1.5, f), "ValueError", "takes integers")
})

test_that("functions of two numbers reduce, alike for all numbers of threads", {
  longest <- cpp_fun("double longest(double a, double b) { return a > b ? a : b; }")
  plus <- cpp_fun("double plus(double a, double b) { return a + b; }")
  set.seed(5)
  x <- stats::rnorm(1e6)
  expect_identical(thread_reduce(x, longest, threads = 2), max(x))
  expect_length(unique(lapply(c(1, 2, 5), function(n) thread_reduce(x, plus, threads = n))), 1)
  expect_equal(thread_reduce(x, plus, init = 100), 100 + sum(x))
  expect_identical(thread_reduce(c(1, 2), plus, init = 0.5), 3.5)
  expect_identical(thread_reduce(5L, plus), 5)
  expect_identical(thread_reduce(numeric(), plus, init = 7), 7)
  expect_classed_error(thread_reduce(numeric(), plus), "ValueError", "no elements")
  expect_identical(thread_reduce(matrix(1:4, 2), plus, margin = 1), c(4, 6))
  expect_classed_error(thread_map(x, plus), "ValueError", "thread_reduce")
  expect_classed_error(thread_reduce(x, cpp_fun("double f(double x) { return x; }")), "ValueError", "two numbers")
})

test_that("functions of a row or column give one number, or another row or column", {
  span <- cpp_fun(
    "double span(const double* x, size_t n) { return *std::max_element(x, x + n) - *std::min_element(x, x + n); }"
  )
  back <- cpp_fun("void back(const double* x, double* out, size_t n) { std::reverse_copy(x, x + n, out); }")
  set.seed(6)
  m <- matrix(stats::rnorm(1000 * 37), 1000)
  expect_identical(thread_map(m, span, margin = 1, threads = 2), apply(m, 1, function(r) max(r) - min(r)))
  expect_identical(thread_map(m, span, margin = 2, threads = 2), apply(m, 2, function(r) max(r) - min(r)))
  expect_identical(thread_map(m, back, margin = 1, threads = 2), m[, 37:1])
  expect_identical(thread_map(m, back, margin = 2, threads = 2), m[1000:1, ])
  expect_classed_error(thread_map(m, span), "ValueError", "margin")
})

test_that("code that does not compile gives the compiler's message and the line of the code", {
  e <- expect_classed_error(cpp_fun("double f(double x) {\n  double y = x;\n  return y + nothing_here;\n}"), "CompileError")
  expect_match(conditionMessage(e), "code:3:.*nothing_here")
  expect_true(any(grepl("nothing_here", e$output)))
  e <- expect_classed_error(cpp_fun("double f(char* x) { return 1; }"), "CompileError")
  expect_match(conditionMessage(e), "other types than these")
  expect_classed_error(cpp_fun("int x = 3;"), "ValueError", "no function")
  expect_classed_error(cpp_fun(3), "ValueError", "as text")
  expect_classed_error(cpp_fun(character()), "ValueError")
  expect_classed_error(cpp_fun(""), "ValueError", "no function")
})

test_that("what a function throws in a thread is an R error, and the next call is right", {
  f <- cpp_fun("#include <stdexcept>\ndouble f(double x) { if (x == 7) throw std::domain_error(\"no sevens\"); return x; }")
  for (round in 1:20) expect_classed_error(thread_map(as.numeric(1:100000 %% 1000), f, threads = 2), "RuntimeError", "no sevens")
  expect_identical(thread_map(1:6, f), as.numeric(1:6))
})

test_that("a function that was saved is known to be gone", {
  f <- cpp_fun("double f(double x) { return x; }")
  expect_classed_error(thread_map(1, unserialize(serialize(f, NULL))), "ValueError", "not in this process")
})

test_that("a forked process uses what its parent compiled, and compiles its own", {
  f <- cpp_fun("double f(double x) { return x + 1; }")
  child <- function() {
    g <- cpp_fun("double g(double x) { return x + 2; }")
    c(thread_map(1, f), thread_map(1, g))
  }
  process <- Process(child)
  process$start()
  expect_identical(process$value(timeout = 60), c(2, 3))
})

test_that("a function may include the headers of packages that it depends on", {
  expect_classed_error(cpp_fun("double f(double x) { return x; }", depends = "no.such.package"), "ValueError", "not installed")
  expect_classed_error(cpp_fun("double f(double x) { return x; }", depends = 1), "ValueError", "names of packages, not 1")
  code <- "#include <RcppParallel.h>\ndouble f(double x) { return x + double(RCPP_PARALLEL_USE_TBB >= 0); }"
  expect_classed_error(cpp_fun(code), "CompileError", "RcppParallel")
  f <- cpp_fun(code, depends = "RcppParallel") # its plugin says which libraries to link
  expect_identical(thread_map(c(1, 2), f), c(2, 3))
  expect_identical(cpp_fun(code, depends = "RcppParallel"), f)
})
