// Functions of other packages for thread_map() and thread_reduce().
//
//   double square(double x) { return x * x; }
//   SEXP square_pointer() { return multiprocessing::kernel<square>(); }   // call it from R
//
// and in R: thread_map(x, square_pointer()). The loop is compiled together with the function, so it
// is as fast as one written by hand. It runs in several threads: it may not call R. What it throws
// becomes an R error. The pointer is good as long as the package's library is loaded.
#pragma once

#include "api.h"

#include <climits>
#include <cstring>
#include <exception>
#include <type_traits>

extern "C" {

#define MULTIPROCESSING_WHAT 256 // room for the text of a failure

// One of the functions is set. Each returns 0, or writes a text to `what` and returns 1.
struct multiprocessing_kernel_v1 {
  int (*map_real)(const double* in, double* out, size_t n, char* what);
  int (*map_integer)(const int* in, int* out, size_t n, char* what); // NA goes through, too
  int (*fold)(double* value, const double* in, size_t n, char* what);
  int (*value_of_slice)(const double* in, size_t n, double* out, char* what);
  int (*map_slice)(const double* in, double* out, size_t n, char* what);
};
}

namespace multiprocessing {
namespace detail {

template <class Body> int guarded(char* what, Body body) {
  const char* text = "an exception that is no std::exception";
  try {
    body();
    return 0;
  } catch (const std::exception& e) {
    std::strncpy(what, e.what(), MULTIPROCESSING_WHAT - 1);
  } catch (...) {
    std::strncpy(what, text, MULTIPROCESSING_WHAT - 1);
  }
  what[MULTIPROCESSING_WHAT - 1] = '\0';
  return 1;
}

constexpr int kNaInteger = INT_MIN;

template <auto f> constexpr multiprocessing_kernel_v1 table() {
  using F = decltype(f);
  multiprocessing_kernel_v1 k{};
  if constexpr (std::is_convertible_v<F, double (*)(double)>) {
    k.map_real = [](const double* in, double* out, size_t n, char* what) {
      return guarded(what, [=] {
        for (size_t i = 0; i < n; ++i) out[i] = f(in[i]);
      });
    };
  } else if constexpr (std::is_convertible_v<F, int (*)(int)>) {
    k.map_integer = [](const int* in, int* out, size_t n, char* what) {
      return guarded(what, [=] {
        for (size_t i = 0; i < n; ++i) out[i] = in[i] == kNaInteger ? kNaInteger : f(in[i]);
      });
    };
  } else if constexpr (std::is_convertible_v<F, double (*)(double, double)>) {
    k.fold = [](double* value, const double* in, size_t n, char* what) {
      return guarded(what, [=] {
        for (size_t i = 0; i < n; ++i) *value = f(*value, in[i]);
      });
    };
  } else if constexpr (std::is_convertible_v<F, double (*)(const double*, size_t)>) {
    k.value_of_slice = [](const double* in, size_t n, double* out, char* what) {
      return guarded(what, [=] { *out = f(in, n); });
    };
  } else if constexpr (std::is_convertible_v<F, void (*)(const double*, double*, size_t)>) {
    k.map_slice = [](const double* in, double* out, size_t n, char* what) {
      return guarded(what, [=] { f(in, out, n); });
    };
  } else {
    static_assert(!sizeof(F*),
                  "the function must be one of: double f(double); int f(int); double f(double, "
                  "double); double f(const double* x, size_t n); void f(const double* in, double* "
                  "out, size_t n)");
  }
  return k;
}

} // namespace detail

// An external pointer for R. Main thread; to be protected.
template <auto f> SEXP kernel() {
  static const multiprocessing_kernel_v1 table = detail::table<f>();
  return R_MakeExternalPtr(const_cast<multiprocessing_kernel_v1*>(&table),
                           Rf_install("multiprocessing_kernel_v1"), R_NilValue);
}

} // namespace multiprocessing
