// What R offers under other names in its newer versions.
#pragma once

#include <Rinternals.h>
#include <Rversion.h>

namespace mp::bind {

inline SEXP closure_environment(SEXP f) {
#if R_VERSION >= R_Version(4, 5, 0)
  return R_ClosureEnv(f);
#else
  return CLOENV(f);
#endif
}

inline SEXP parent_environment(SEXP env) {
#if R_VERSION >= R_Version(4, 5, 0)
  return R_ParentEnv(env);
#else
  return ENCLOS(env);
#endif
}

inline SEXP closure_formals(SEXP f) {
#if R_VERSION >= R_Version(4, 5, 0)
  return R_ClosureFormals(f);
#else
  return FORMALS(f);
#endif
}

inline bool has_bytecode(SEXP f) { // a closure
#if R_VERSION >= R_Version(4, 5, 0)
  return TYPEOF(R_ClosureBody(f)) == BCODESXP;
#else
  return TYPEOF(BODY(f)) == BCODESXP;
#endif
}

// Source references count as fixed.
inline bool only_fixed_attributes(SEXP x, bool (*fixed)(SEXP)) {
  for (SEXP a = ATTRIB(x); a != R_NilValue; a = CDR(a)) {
    SEXP name = TAG(a);
    if (name == Rf_install("srcref") || name == Rf_install("srcfile") ||
        name == Rf_install("wholeSrcref"))
      continue;
    if (!fixed(CAR(a))) return false;
  }
  return true;
}

inline SEXP frame_variable(SEXP env, SEXP symbol) { // R_NilValue: not there
#if R_VERSION >= R_Version(4, 5, 0)
  return R_getVarEx(symbol, env, FALSE, R_NilValue);
#else
  SEXP v = Rf_findVarInFrame(env, symbol);
  return v == R_UnboundValue ? R_NilValue : v;
#endif
}

} // namespace mp::bind
