# Threads: a Gaussian blur over a picture.
#
# A picture is a matrix of grey values. To blur it, every point becomes a weighted
# mean of its neighbours, the near ones counting most: the weights follow the bell
# curve of Gauss. The work can be done in two steps, first along each row, then
# along each column, and no row needs to know of another one.
#
# Such work suits threads better than processes: each step takes milliseconds, and
# threads read and write the picture where it is. The price: threads cannot run R
# code, so the function is a few lines of C++, which cpp_fun() compiles.
#
# Run it with:  Rscript blur.R

library(multiprocessing)

# The weights of a point and of its 1st, 2nd, ... neighbour; all of them add up to 1.
radius <- 12
weights <- dnorm(0:radius, sd = radius / 3)
weights <- weights / (weights[1] + 2 * sum(weights[-1]))

# One row (or column) of n points becomes another one. At the border the last point
# stands for those that would lie outside.
blur_line <- cpp_fun(sprintf(
  "
  const int radius = %d;
  const double weight[] = {%s};

  void blur_line(const double* x, double* out, size_t n) {
    long last = long(n) - 1;
    for (long i = 0; i <= last; ++i) {
      double sum = weight[0] * x[i];
      for (long k = 1; k <= radius; ++k)
        sum += weight[k] * (x[std::max(i - k, 0L)] + x[std::min(i + k, last)]);
      out[i] = sum;
    }
  }
  ",
  radius, paste(sprintf("%.17g", weights), collapse = ", ")
))

blur <- function(picture, threads) {
  rows <- thread_map(picture, blur_line, threads = threads, margin = 1)
  thread_map(rows, blur_line, threads = threads, margin = 2)
}

# The same in R, for whole rows and columns at a time.
blur_in_r <- function(picture) {
  along_rows <- function(m) {
    n <- ncol(m)
    sum <- weights[1] * m
    for (k in 1:radius) {
      left <- m[, pmax(1:n - k, 1)]
      right <- m[, pmin(1:n + k, n)]
      sum <- sum + weights[k + 1] * (left + right)
    }
    sum
  }
  t(along_rows(t(along_rows(picture))))
}

# The picture: a volcano in New Zealand, its heights as grey values, 20 times as large.
large <- function(n) rep(seq_len(n), each = 20)
picture <- volcano[large(nrow(volcano)), large(ncol(volcano))] / max(volcano)
cat(sprintf("A picture of %d x %d points\n", nrow(picture), ncol(picture)))

seconds <- function(expr) system.time(expr)[["elapsed"]]
cores <- cpu_count()
time_r <- seconds(by_r <- blur_in_r(picture))
invisible(blur(picture, cores)) # the first call also starts the threads
time_one <- seconds(by_one <- blur(picture, 1))
time_all <- seconds(by_all <- blur(picture, cores))

cat(sprintf("R:              %.3f s\n", time_r))
cat(sprintf("one thread:     %.3f s\n", time_one))
cat(sprintf("%-15s %.3f s\n", paste0(cores, " threads:"), time_all))
cat("The same with one thread and with all:", identical(by_one, by_all), "\n")
cat("The same as R's, but for rounding:    ", isTRUE(all.equal(by_all, by_r)), "\n")
stopifnot(identical(by_one, by_all), all.equal(by_all, by_r))
