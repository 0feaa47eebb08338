#include "pool/function_call.h"

#include "session/survey.h"

#include "r/compat.h"

namespace mp::bind {

SEXP frame_enclosure(SEXP fun) {
  if (TYPEOF(fun) != CLOSXP) return R_BaseNamespace;
  SEXP env = r::closure_environment(fun), top = top_level_of(env);
  bool reaches_session = top == R_GlobalEnv || R_IsNamespaceEnv(top);
  return env != top && reaches_session ? env : R_BaseNamespace;
}

SEXP star_call(SEXP args, SEXP fun) {
  R_xlen_t n = Rf_xlength(args);
  SEXP names = PROTECT(Rf_getAttrib(args, R_NamesSymbol));
  SEXP call = PROTECT(Rf_allocVector(LANGSXP, n + 1));
  SETCAR(call, fun);
  SEXP at = CDR(call);
  for (R_xlen_t k = 0; k < n; ++k, at = CDR(at)) {
    SEXP index = PROTECT(Rf_ScalarInteger(int(k) + 1));
    SETCAR(at, Rf_lang3(R_Bracket2Symbol, Rf_install("args"), index));
    if (names != R_NilValue && LENGTH(STRING_ELT(names, k)) > 0)
      SET_TAG(at, Rf_installTrChar(STRING_ELT(names, k)));
    UNPROTECT(1);
  }
  UNPROTECT(2);
  return call;
}

} // namespace mp::bind
