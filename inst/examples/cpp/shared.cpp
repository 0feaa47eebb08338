// [[Rcpp::depends(multiprocessing)]]
#include <multiprocessing/rcpp.h>

namespace mp = multiprocessing;

// How often each byte is in a text, counted by several threads, and by other processes at the same time.
// [[Rcpp::export]]
void count_bytes(Rcpp::RawVector text, mp::Array<std::atomic<int>> counts, int threads = 2) {
  const Rbyte* in = text.begin(); // threads must not use R's objects, only their data
  mp::parallel_for(0, std::size_t(text.size()), [&](std::size_t i) { ++counts[in[i]]; }, {unsigned(threads)});
}

// Two numbers that belong together. A lock keeps others from seeing one changed and the other not yet.
// [[Rcpp::export]]
void record(mp::Lock lock, mp::Array<double> totals, double value) {
  std::lock_guard<mp::Lock> hold(lock);
  totals[0] += 1;
  totals[1] += value;
}

// Sends square roots while it computes them.
// [[Rcpp::export]]
void send_roots(mp::Queue<double> queue, Rcpp::NumericVector x) {
  for (double v : x) queue.put(std::sqrt(v));
}
