// What the functions in these headers throw.
#pragma once

#include "api.h"

#include <stdexcept>
#include <string>

// Code built with Rcpp gets Rcpp's own exception for Ctrl-C, which Rcpp turns into R's interrupt.
// All files of a package must then include <multiprocessing/rcpp.h>, or <Rcpp.h> first.
#if defined(Rcpp_hpp) && !defined(MULTIPROCESSING_WITH_RCPP)
#define MULTIPROCESSING_WITH_RCPP
#endif
#if defined(MULTIPROCESSING_WITH_RCPP)
#define MULTIPROCESSING_FLAVOUR with_rcpp
#else
#define MULTIPROCESSING_FLAVOUR plain
#endif

namespace multiprocessing {
inline namespace MULTIPROCESSING_FLAVOUR {

// With <multiprocessing/rcpp.h> R code sees it as a condition of its class.
class Error : public std::runtime_error {
public:
  Error(const std::string& kind, const std::string& message)
      : std::runtime_error(message), kind_(kind) {}
  // As the classes of the package's R conditions: "ValueError", "BrokenBarrierError" ...
  const std::string& kind() const { return kind_; }

private:
  std::string kind_;
};

// The user pressed Ctrl-C, or another thread of the same loop has failed.
class Interrupted : public std::runtime_error {
public:
  Interrupted() : std::runtime_error("interrupted") {}
};

[[noreturn]] inline void throw_last_error() { throw Error(api().failure_class(), api().failure()); }

[[noreturn]] inline void throw_user_interrupt() {
#if defined(MULTIPROCESSING_WITH_RCPP)
  throw Rcpp::internal::InterruptedException();
#else
  throw Interrupted();
#endif
}

// True: done. False: not in time.
inline bool done_in_time(int status) {
  switch (status) {
  case MULTIPROCESSING_OK:
  case MULTIPROCESSING_OWNER_DIED:
    return true;
  case MULTIPROCESSING_TIMEOUT:
    return false;
  case MULTIPROCESSING_INTERRUPTED:
    throw_user_interrupt();
  default:
    throw_last_error();
  }
}

} // namespace MULTIPROCESSING_FLAVOUR
} // namespace multiprocessing
