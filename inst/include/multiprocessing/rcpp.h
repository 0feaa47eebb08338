// All of multiprocessing.h for code that uses Rcpp: locks, queues, arrays, values, barriers, semaphores and events
// can be arguments and results of functions that R calls.
//
//   // [[Rcpp::depends(multiprocessing)]]
//   #include <multiprocessing/rcpp.h>
//   namespace mp = multiprocessing;
//
//   // [[Rcpp::export]]
//   void add(mp::Lock lock, mp::Array<double> total, double x) {
//     std::lock_guard<mp::Lock> hold(lock);
//     total[0] += x;
//   }
//
// In R: add(Lock(), Array("double", 1), 2). An argument of another kind is a ValueError that says
// what was given. Ctrl-C is R's interrupt. An Error that leaves a function of yours is an R condition
// of its class, as if R code had failed: tryCatch(..., BrokenBarrierError = ...). In an RCPP_MODULE, too, if this header comes
// before <Rcpp.h> in all files of a package; only the setters of its properties give Rcpp's conditions. <RcppArmadillo.h> must
// come before <Rcpp.h>: include it first, then this header. Functions of modules then give Rcpp's conditions.
#pragma once

#if defined(MULTIPROCESSING_FLAVOUR) && !defined(MULTIPROCESSING_WITH_RCPP)
#error "include <multiprocessing/rcpp.h> before <multiprocessing.h>"
#endif
#if !defined(MULTIPROCESSING_WITH_RCPP)
#define MULTIPROCESSING_WITH_RCPP
#endif

#include <RcppCommon.h> // what extends Rcpp comes between this and <Rcpp.h>

#include "../multiprocessing.h"

#include <mutex>

namespace multiprocessing {
namespace detail {

SEXP condition_of(const Error& e); // main thread; unprotected

} // namespace detail
} // namespace multiprocessing

// The end of a function that R calls: of what Rcpp makes of an exported one, and of those in its headers that call the
// functions and methods of a module. Rcpp's own macro begins with the brace that closes the function's body; here that brace
// closes one more handler, before Rcpp's. (The condition needs no PROTECT(): nothing allocates before Rf_lang2() has it.)
#if defined(END_RCPP) && defined(VOID_END_RCPP)
#undef END_RCPP
#define END_RCPP                                                                                   \
  }                                                                                                \
  catch (const ::multiprocessing::Error& failure_of_multiprocessing) {                             \
    rcpp_output_type = 2;                                                                          \
    rcpp_output_condition = ::multiprocessing::detail::condition_of(failure_of_multiprocessing);   \
    VOID_END_RCPP return R_NilValue;
#endif

#include <Rcpp.h>

namespace multiprocessing {
namespace detail {

// What Rcpp::as<T>() uses. An argument that cannot be opened is an R error of our classes.
template <class T> class Opened {
public:
  explicit Opened(SEXP given) : object_(open(given)) {}
  T get() { return object_; }

private:
  static T open(SEXP given) {
    SEXP condition = R_NilValue;
    try {
      return T(given);
    } catch (const Error& e) {
      condition = api().condition(e.kind().c_str(), e.what());
    }
    Rcpp::Shield<SEXP> kept(condition);
    Rcpp::Shield<SEXP> call(Rf_lang2(Rf_install("stop"), kept));
    Rcpp::Rcpp_fast_eval(call, R_BaseEnv); // throws what END_RCPP makes R's jump of
    throw Interrupted();                   // never reached
  }
  T object_;
};

inline SEXP condition_of(const Error& e) {
  SEXP made = api().condition(e.kind().c_str(), e.what());
  return made == R_NilValue ? exception_to_r_condition(e) : made; // a Ctrl-C came in between
}

} // namespace detail
} // namespace multiprocessing

namespace Rcpp {
namespace traits {

template <>
class Exporter<multiprocessing::Lock>
    : public multiprocessing::detail::Opened<multiprocessing::Lock> {
  using Opened::Opened;
};
template <>
class Exporter<multiprocessing::Barrier>
    : public multiprocessing::detail::Opened<multiprocessing::Barrier> {
  using Opened::Opened;
};
template <>
class Exporter<multiprocessing::Semaphore>
    : public multiprocessing::detail::Opened<multiprocessing::Semaphore> {
  using Opened::Opened;
};
template <>
class Exporter<multiprocessing::Event>
    : public multiprocessing::detail::Opened<multiprocessing::Event> {
  using Opened::Opened;
};
template <class T>
class Exporter<multiprocessing::Queue<T>>
    : public multiprocessing::detail::Opened<multiprocessing::Queue<T>> {
  using multiprocessing::detail::Opened<multiprocessing::Queue<T>>::Opened;
};
template <class T>
class Exporter<multiprocessing::Array<T>>
    : public multiprocessing::detail::Opened<multiprocessing::Array<T>> {
  using multiprocessing::detail::Opened<multiprocessing::Array<T>>::Opened;
};
template <class T>
class Exporter<multiprocessing::Value<T>>
    : public multiprocessing::detail::Opened<multiprocessing::Value<T>> {
  using multiprocessing::detail::Opened<multiprocessing::Value<T>>::Opened;
};

} // namespace traits
} // namespace Rcpp
