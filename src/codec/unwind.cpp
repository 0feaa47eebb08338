#include "codec/internal.h"

#include <csetjmp>

namespace mp::codec {

namespace {

// One token for the process. It hangs in a preserved cell, not in R's list of preserved objects
// itself: whoever continues an unwinding may release the token (Rcpp does), and this keeps it.
SEXP unwind_token() {
  static SEXP holder = nullptr;
  if (!holder) {
    SEXP token = PROTECT(R_MakeUnwindCont());
    holder = Rf_cons(token, R_NilValue);
    R_PreserveObject(holder);
    UNPROTECT(1);
  }
  return CAR(holder);
}

void leave_r(void* jump, Rboolean jumping) {
  if (jumping) std::longjmp(*static_cast<std::jmp_buf*>(jump), 1);
}

} // namespace

SEXP run_protected(SEXP (*body)(void*), void* data) {
  SEXP token = unwind_token();
  std::jmp_buf jump;
  if (setjmp(jump)) throw Unwind{token};
  SEXP value = R_UnwindProtect(body, data, leave_r, &jump, token);
  SETCAR(token, R_NilValue); // R put the value there, and the token would keep it alive
  return value;
}

} // namespace mp::codec
