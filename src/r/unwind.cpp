#include "r/unwind.h"

#include <csetjmp>

namespace mp::bind {

namespace {

// One token for the process. It hangs in a preserved cell, not in R's list of preserved objects
// itself: code that continues an unwinding may release the token (Rcpp does), and this keeps it.
// Beside it the value of a jump that is under way.
SEXP unwind_holder() {
  static SEXP holder = nullptr;
  if (!holder) {
    SEXP token = PROTECT(R_MakeUnwindCont());
    holder = Rf_cons(token, R_NilValue);
    R_PreserveObject(holder);
    UNPROTECT(1);
  }
  return holder;
}

void leave_r(void* jump, Rboolean jumping) {
  if (jumping) std::longjmp(*static_cast<std::jmp_buf*>(jump), 1);
}

} // namespace

SEXP run_protected(SEXP (*body)(void*), void* data) {
  SEXP holder = unwind_holder(), token = CAR(holder);
  std::jmp_buf jump;
  if (setjmp(jump)) {
    SETCDR(holder, CAR(token)); // where the next call that ends well writes
    throw Unwind{token};
  }
  SEXP value = R_UnwindProtect(body, data, leave_r, &jump, token);
  SETCAR(token, R_NilValue); // R put the value there, and the token would keep it alive
  return value;
}

void continue_unwind() {
  SEXP holder = unwind_holder(), token = CAR(holder);
  SETCAR(token, CDR(holder));
  SETCDR(holder, R_NilValue);
  R_ContinueUnwind(token);
}

} // namespace mp::bind
