// The loops of threads.R as they are written by hand: with RcppParallel, and with OpenMP.

// [[Rcpp::depends(RcppParallel)]]
// [[Rcpp::plugins(cpp17)]]
// [[Rcpp::plugins(openmp)]]
#include <Rcpp.h>
#include <RcppParallel.h>

#include <cmath>

namespace {

double root(double x) { return std::sqrt(x); }
double square(double x) { return x * x; }
double heavy(double x) {
  for (int i = 0; i < 10; ++i) x = std::sin(x) + x;
  return x;
}

template <double (*f)(double)> struct Map : public RcppParallel::Worker {
  RcppParallel::RVector<double> in, out;
  Map(Rcpp::NumericVector i, Rcpp::NumericVector o) : in(i), out(o) {}
  void operator()(std::size_t begin, std::size_t end) override {
    for (std::size_t i = begin; i < end; ++i) out[i] = f(in[i]);
  }
};

template <double (*f)(double)>
Rcpp::NumericVector by_rcpp_parallel(Rcpp::NumericVector x, int threads) {
  Rcpp::NumericVector out(Rcpp::no_init(x.size()));
  Map<f> map(x, out);
  RcppParallel::parallelFor(0, std::size_t(x.size()), map, 1, threads);
  return out;
}

template <double (*f)(double)> Rcpp::NumericVector by_openmp(Rcpp::NumericVector x, int threads) {
  Rcpp::NumericVector result(Rcpp::no_init(x.size()));
  const double* in = x.begin();
  double* out = result.begin();
  R_xlen_t n = x.size();
#pragma omp parallel for num_threads(threads) schedule(static)
  for (R_xlen_t i = 0; i < n; ++i) out[i] = f(in[i]);
  return result;
}

template <double (*f)(double)>
Rcpp::NumericVector by(bool tbb, Rcpp::NumericVector x, int threads) {
  return tbb ? by_rcpp_parallel<f>(x, threads) : by_openmp<f>(x, threads);
}

} // namespace

// [[Rcpp::export(rng = false)]]
Rcpp::NumericVector by_hand(std::string what, bool tbb, Rcpp::NumericVector x, int threads) {
  if (what == "sqrt") return by<root>(tbb, x, threads);
  if (what == "square") return by<square>(tbb, x, threads);
  return by<heavy>(tbb, x, threads);
}
