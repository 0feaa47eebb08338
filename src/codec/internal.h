// What the files of the codec share with each other and with nobody else.
#pragma once

#include "codec/codec.h"
#include "codec/format.h"

#include <exception>

namespace mp::codec {

extern HandleHooks hooks;

// Runs `body` so that a longjmp of R ends here and becomes Unwind. The frames below `body` own
// nothing: what they build belongs to `data`, which the caller owns.
SEXP run_protected(SEXP (*body)(void*), void* data);

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

// Would R itself have accepted this attribute? Compiled code in R trusts names, dim, dimnames and
// class, so a frame that lies about them must not become a value. `attributes` is the pairlist that
// holds it.
bool sound_attribute(SEXPTYPE type, R_xlen_t length, SEXP attributes, SEXP name, SEXP value);
SEXP find_attribute(SEXP attributes, SEXP name); // nullptr if there is none

// `x` without the source references of functions; `x` itself if there are none. Allocates.
SEXP without_source(SEXP x, int depth = 0);

// The way for everything that is not plain.
class Serializer {
public:
  // Throws Unwind; with `deep`, which costs 10 us, R's errors are caught and become EncodeError.
  static void encode(SEXP x, bool deep, Encoding* out);
  static SEXP decode(const uint8_t* bytes, uint64_t n);
};

void add_handle(std::vector<HandleId>& handles, const HandleId& id);

} // namespace mp::codec
