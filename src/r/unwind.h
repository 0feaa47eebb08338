// R's jumps stop where C++ begins.
#pragma once

#ifndef R_NO_REMAP
#define R_NO_REMAP
#endif
#include <Rinternals.h>

#include <exception>
#include <stdexcept>
#include <string>

namespace mp::bind {

// An R error or another jump is under way, and stopped here.
struct Unwind {
  SEXP token;
};

// An exception that R code sees as a condition of a class of its own.
struct ClassedError : std::runtime_error {
  using std::runtime_error::runtime_error;
  virtual const char* kind() const = 0;
  virtual std::string message() const = 0;
};

// Runs `body` so that a longjmp of R ends here and becomes Unwind. The frames below `body` own
// nothing: what they build belongs to `data`, which the caller owns.
SEXP run_protected(SEXP (*body)(void*), void* data);

// Continues the jump that arrived as Unwind. (Not R_ContinueUnwind() itself: if the exception
// came out of another run_protected(), that has lost the value that the jump carries.)
[[noreturn]] void continue_unwind();

// The same for C++ code: an exception crosses no frame of R's, but waits in `failure`.
template <class F> SEXP protect(F&& work) {
  struct Call {
    F& work;
    std::exception_ptr failure;
  } call{work, nullptr};
  SEXP value = run_protected(
      [](void* data) -> SEXP {
        auto* c = static_cast<Call*>(data);
        try {
          return c->work();
        } catch (...) {
          c->failure = std::current_exception();
          return R_NilValue;
        }
      },
      &call);
  if (call.failure) std::rethrow_exception(call.failure);
  return value;
}

} // namespace mp::bind
