// R's jumps stop where C++ begins.
#pragma once

#include "codec/codec.h"

#include <exception>

namespace mp::codec {

// Runs `body` so that a longjmp of R ends here and becomes Unwind. The frames below `body` own
// nothing: what they build belongs to `data`, which the caller owns.
SEXP run_protected(SEXP (*body)(void*), void* data);

// Goes on with the jump that arrived as Unwind. (Not R_ContinueUnwind() itself: if the exception
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

} // namespace mp::codec
