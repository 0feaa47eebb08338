// Entry points from R for threads: R/thread-map.R, R/thread-cpp-fun.R.
#include "threads/call.h"

// [[Rcpp::export(rng = false)]]
SEXP thread_map_run(SEXP x, SEXP fun, SEXP threads, SEXP margin) {
  return mp::bind::map_in_threads(x, fun, threads, margin);
}

// `init` NULL: none.
// [[Rcpp::export(rng = false)]]
SEXP thread_reduce_run(SEXP x, SEXP fun, SEXP init, SEXP threads, SEXP margin) {
  return mp::bind::reduce_in_threads(x, fun, init, threads, margin);
}

// What the function at that address, compiled by cpp_fun(), makes: a pointer to its kernel.
// [[Rcpp::export(rng = false)]]
SEXP made_kernel(SEXP maker) {
  auto make = reinterpret_cast<SEXP (*)()>(R_ExternalPtrAddrFn(maker));
  return mp::bind::protect([&] { return make(); });
}
