// Calling R, and being called by it: values on both ways, R's jumps and C++'s exceptions.
#pragma once

#include "r/unwind.h"

#include <climits>
#include <cstdint>
#include <string>
#include <vector>

namespace mp::bind {

class Protected {
public:
  explicit Protected(SEXP x) : x_(PROTECT(x)) {}
  Protected(const Protected&) = delete;
  Protected& operator=(const Protected&) = delete;
  ~Protected() { UNPROTECT(1); }
  operator SEXP() const { return x_; }

private:
  SEXP x_;
};

// A value that outlives the call. (R's own list of preserved objects is searched at each release.)
class Preserved {
public:
  Preserved() = default;
  explicit Preserved(SEXP x);
  Preserved(Preserved&& other) noexcept : cell_(other.cell_) { other.cell_ = nullptr; }
  Preserved& operator=(Preserved&& other) noexcept {
    std::swap(cell_, other.cell_);
    return *this;
  }
  ~Preserved();
  operator SEXP() const { return cell_ ? TAG(cell_) : R_NilValue; }

private:
  SEXP cell_ = nullptr; // of a doubly linked list: CAR leads back, CDR on, TAG is the value
};

SEXP package_namespace();
SEXP evaluate(SEXP call, SEXP env); // throws Unwind

// Called under protect() alone: they may jump.
inline SEXP to_r(SEXP x) { return x; }
inline SEXP to_r(bool x) { return Rf_ScalarLogical(x); }
inline SEXP to_r(int x) { return Rf_ScalarInteger(x); }
inline SEXP to_r(double x) { return Rf_ScalarReal(x); }
inline SEXP to_r(const char* x) { return Rf_mkString(x); }
inline SEXP to_r(const std::string& x) { return Rf_mkString(x.c_str()); }
SEXP to_r(const std::vector<int>& x);
SEXP to_r(const std::vector<double>& x);
SEXP to_r(const std::vector<bool>& x);
SEXP to_r(const std::vector<std::string>& x);
SEXP to_r(const std::vector<uint8_t>& x);
SEXP strings_from(const std::vector<SEXP>& chars); // CHARSXPs that others keep

// list(...); values that the caller has protected, or plain ones
template <class... A> SEXP list_of(const A&... values) {
  return protect([&]() -> SEXP {
    SEXP r = PROTECT(Rf_allocVector(VECSXP, sizeof...(A)));
    [[maybe_unused]] R_xlen_t i = 0; // none given
    (SET_VECTOR_ELT(r, i++, to_r(values)), ...);
    UNPROTECT(1);
    return r;
  });
}

SEXP with_names(SEXP x, const std::vector<const char*>& names); // sets and returns

// Quotes what R would evaluate in a call: the function gets every value as it is.
// Called under protect() alone.
SEXP as_argument(SEXP x);
template <class T> SEXP as_argument(const T& x) { return to_r(x); }

// A call of a function of the package: function(...).
template <class... A> SEXP call_to(const char* function, const A&... arguments) {
  return protect([&]() -> SEXP {
    SEXP call = PROTECT(Rf_allocVector(LANGSXP, 1 + sizeof...(A)));
    SETCAR(call, Rf_install(function));
    [[maybe_unused]] SEXP at = call;
    ((at = CDR(at), SETCAR(at, as_argument(arguments))), ...);
    UNPROTECT(1);
    return call;
  });
}
template <class... A> SEXP call_r(const char* function, const A&... arguments) {
  Protected call(call_to(function, arguments...));
  return evaluate(call, package_namespace());
}

// A ValueError that says what an argument must be, and what it is: `must`, ", not ", `given` described
[[noreturn]] void refuse(SEXP given, const std::string& must);

std::vector<double> doubles_of(SEXP x);
std::vector<int> integers_of(SEXP x);
std::vector<std::string> strings_of(SEXP x);
SEXP element(SEXP list, const char* name); // R_NilValue if it has none

// --- being called ---

// Ends in R, by a jump, with what `failure` holds; nothing of C++ is alive any more.
struct Failure {
  enum { Signal, Jump, Interrupt } how = Signal;
  SEXP what = nullptr; // a call of abort(), or the token of the jump
  [[noreturn]] void leave() const;
};
Failure current_failure(); // of the exception that is being handled

// For what R's own code calls: an exception continues as R's jump.
template <class F> auto or_jump(F body) -> decltype(body()) {
  Failure failure;
  try {
    return body();
  } catch (...) {
    failure = current_failure();
  }
  failure.leave();
}

// NA for anything that is not a number; without R's warning, which may be an error and jump.
inline int integer_of(SEXP x) {
  if (TYPEOF(x) != REALSXP) return Rf_asInteger(x);
  double n = Rf_xlength(x) > 0 ? REAL_RO(x)[0] : NA_REAL;
  return n > INT_MIN && n <= INT_MAX ? int(n) : NA_INTEGER;
}

template <class T> T from_r(SEXP x) {
  if constexpr (std::is_same_v<T, SEXP>) return x;
  else if constexpr (std::is_same_v<T, bool>) return Rf_asLogical(x) == TRUE;
  else if constexpr (std::is_same_v<T, int>) return integer_of(x);
  else if constexpr (std::is_same_v<T, double>) return Rf_asReal(x);
  else return CHAR(Rf_asChar(x)); // std::string
}

} // namespace mp::bind
