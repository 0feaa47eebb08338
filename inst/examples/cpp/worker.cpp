// [[Rcpp::depends(RcppParallel, multiprocessing)]]
#include <multiprocessing/rcpp.h>

#include <RcppParallel.h>

struct SumOfRoots : public RcppParallel::Worker {
  const RcppParallel::RVector<double> x;
  double sum = 0;

  explicit SumOfRoots(const Rcpp::NumericVector& x) : x(x) {}
  SumOfRoots(const SumOfRoots& other, RcppParallel::Split) : x(other.x) {}

  void operator()(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      if (x[i] < 0) throw std::domain_error("element " + std::to_string(i + 1) + " is negative");
      sum += std::sqrt(x[i]);
    }
  }
  void join(const SumOfRoots& right) { sum += right.sum; }
};

// [[Rcpp::export]]
double sum_of_roots(Rcpp::NumericVector x, int threads = 2) {
  SumOfRoots worker(x);
  multiprocessing::parallelReduce(0, std::size_t(x.size()), worker, 1000, threads);
  return worker.sum;
}
