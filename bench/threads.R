# Threads: a function over many doubles, beside base R, RcppParallel and OpenMP by hand.
#   Rscript bench/threads.R [--rounds=5]        BENCH_N: how many doubles (1e8: 1.6 GB of memory)

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1L]))
source(file.path(here, "peers.R"))
heading("Threads")

thread_map <- ours("thread_map")
thread_reduce <- ours("thread_reduce")
cpp_fun <- ours("cpp_fun")
if (is.null(thread_map)) {
  verdict("SKIP", "threads", "multiprocessing is not installed")
  finish()
}

by_hand <- NULL
if (has("Rcpp") && has("RcppParallel")) {
  Rcpp::sourceCpp(file.path(here, "threads.cpp"))
} else {
  cat("RcppParallel and OpenMP by hand need packages Rcpp and RcppParallel\n")
}

n <- as.numeric(Sys.getenv("BENCH_N", "1e8"))
x <- stats::runif(n)

functions <- list(
  sqrt = "sqrt",
  square = cpp_fun("double square(double x) { return x * x; }"),
  heavy = cpp_fun("double heavy(double x) { for (int i = 0; i < 10; ++i) x = std::sin(x) + x; return x; }")
)
in_base <- list(sqrt = function(x) sqrt(x), square = function(x) x * x)

# The answers first, then the times.
part <- x[seq_len(min(n, 1e5))]
for (what in names(functions)) {
  mine <- thread_map(part, functions[[what]], threads = 2L)
  if (!is.null(in_base[[what]])) stopifnot(identical(mine, in_base[[what]](part)))
  if (!is.null(by_hand)) stopifnot(identical(mine, by_hand(what, TRUE, part, 2L)))
}

# A vector that is made and thrown away in each run: the time is that of the work, and of its memory.
timed <- function(call) {
  function(state) {
    invisible(gc())
    elapsed(call)
  }
}

for (what in names(functions)) {
  size <- if (what == "heavy") n / 10 else n
  input <- if (size < n) x[seq_len(size)] else x
  f <- functions[[what]]
  result <- compare(sprintf("%s over %.0e doubles, 2 threads", what, size), "ms", list(
    contestant(OURS, timed(function() thread_map(input, f, threads = 2L))),
    contestant("RcppParallel by hand", timed(function() by_hand(what, TRUE, input, 2L)), when = !is.null(by_hand)),
    contestant("OpenMP by hand", timed(function() by_hand(what, FALSE, input, 2L)), when = !is.null(by_hand)),
    contestant("ours, 1 thread", timed(function() thread_map(input, f, threads = 1L))),
    contestant("base R", timed(function() in_base[[what]](input)), when = !is.null(in_base[[what]]))
  ))
  must_be(result, peer = "RcppParallel by hand", ratio = 1.05)
  if (what == "heavy") must_be(result, peer = "ours, 1 thread", ratio = 1 / 1.7)
}

result <- compare(sprintf("sum of %.0e doubles, 2 threads", n), "ms", list(
  contestant(OURS, timed(function() thread_reduce(x, "sum", threads = 2L))),
  contestant("ours, 1 thread", timed(function() thread_reduce(x, "sum", threads = 1L))),
  contestant("base R", timed(function() sum(x)))
))

small <- as.numeric(1:100)
result <- compare("sqrt of 100 doubles, default threads", "us", list(
  contestant(OURS, function(state) time_per(function() thread_map(small, "sqrt"))),
  contestant("base R", function(state) time_per(function() sqrt(small)))
))
must_be(result, at_most = medians(result)[["base R"]] + 5e-6)

finish()
