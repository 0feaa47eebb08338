// Rcpp's names without Rcpp's run time.
//
// What R calls is marked with Rcpp's attributes, and `make exports` writes RcppExports.cpp and R/RcppExports.R. With Rcpp
// itself a session holds 4 MB more of its own, which each fork pays for, two workers start up to a tenth later, and a call from R
// takes a tenth longer (bench/rcpp.R). So the generated code is compiled with this header, which is found first (-I.) and
// defines the few names that it uses.
//
//     MULTIPROCESSING_RCPP=1 R CMD INSTALL .
//
// compiles the same sources with the real Rcpp; continuous integration tests both, and bench/rcpp.R measures them.
#pragma once

#include "core/platform/system.h"

#ifdef MULTIPROCESSING_RCPP
#include_next <Rcpp.h>
#endif

#include "r/call.h"

#ifndef MULTIPROCESSING_RCPP

#include <R_ext/Rdynload.h>

#define RcppExport extern "C" __attribute__((visibility("default")))

namespace Rcpp {

class RObject { // protects nothing: what it is given is returned at once
public:
  RObject& operator=(SEXP x) {
    x_ = x;
    return *this;
  }
  operator SEXP() const { return x_; }

private:
  SEXP x_ = R_NilValue;
};

inline SEXP wrap(SEXP x) { return x; }
template <class T> SEXP wrap(const T& x) {
  return mp::bind::protect([&] { return mp::bind::to_r(x); });
}

namespace traits {
template <class T> struct input_parameter {
  class type {
  public:
    explicit type(SEXP x) : x_(x) {}
    operator T() const { return mp::bind::from_r<T>(x_); }

  private:
    SEXP x_;
  };
};
} // namespace traits

} // namespace Rcpp

#endif

// With the real Rcpp, too: conditions keep our classes, and nothing of C++ is alive when R jumps.
#undef BEGIN_RCPP
#define BEGIN_RCPP                                                                                 \
  mp::bind::Failure failure;                                                                       \
  try {
#undef END_RCPP
#define END_RCPP                                                                                   \
  }                                                                                                \
  catch (...) {                                                                                    \
    failure = mp::bind::current_failure();                                                         \
  }                                                                                                \
  failure.leave();
