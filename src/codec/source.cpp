// A function parsed with keep.source = TRUE drags the text of its whole file along, and more. What
// is sent has no source: functions at the top and in lists; those in environments keep theirs.
#include "codec/internal.h"

namespace mp::codec {

namespace {

constexpr int kMaxListDepth = 16;

struct Symbols {
  SEXP source[3];
  SEXP function;
};

const Symbols& symbols() {
  static Symbols all = {{nullptr, nullptr, nullptr}, nullptr};
  if (!all.function) // no initializer of the static itself, as R may jump out of Rf_install()
    all = {{Rf_install("srcref"), Rf_install("srcfile"), Rf_install("wholeSrcref")},
           Rf_install("function")};
  return all;
}

bool is_function_expression(SEXP x) {
  return TYPEOF(x) == LANGSXP && CAR(x) == symbols().function && Rf_xlength(x) == 4;
}

bool has_source_attribute(SEXP x) {
  if (!r::has_attributes(x)) return false;
  for (SEXP name : symbols().source)
    if (r::find_attribute(x, name)) return true;
  return false;
}

// In language: a body, or the default values of arguments.
bool has_source(SEXP x) {
  for (; TYPEOF(x) == LANGSXP || TYPEOF(x) == LISTSXP; x = CDR(x))
    if (has_source_attribute(x) || (is_function_expression(x) && CADDDR(x) != R_NilValue) ||
        has_source(CAR(x)))
      return true;
  return false;
}

void remove_attributes(SEXP x) {
  for (SEXP name : symbols().source)
    if (r::find_attribute(x, name)) Rf_setAttrib(x, name, R_NilValue);
}

void remove_source(SEXP x) { // x is our own copy
  for (; TYPEOF(x) == LANGSXP || TYPEOF(x) == LISTSXP; x = CDR(x)) {
    remove_attributes(x);
    if (is_function_expression(x)) SETCADDDR(x, R_NilValue);
    remove_source(CAR(x));
  }
}

SEXP copy_without_source(SEXP language) {
  SEXP copy = PROTECT(Rf_duplicate(language));
  remove_source(copy);
  UNPROTECT(1);
  return copy;
}

SEXP closure_without_source(SEXP f) {
  SEXP formals = r::closure_formals(f), environment = r::closure_environment(f);
  SEXP body = PROTECT(R_ClosureExpr(f));
  if (Rf_isS4(f) || !(has_source_attribute(f) || has_source(body) || has_source(formals))) {
    UNPROTECT(1);
    return f;
  }
  formals = PROTECT(has_source(formals) ? copy_without_source(formals) : formals);
  body = PROTECT(has_source(body) ? copy_without_source(body) : body);
  SEXP copy = PROTECT(r::make_closure(formals, body, environment));
  DUPLICATE_ATTRIB(copy, f);
  remove_attributes(copy);
  UNPROTECT(4);
  return copy;
}

} // namespace

SEXP without_source(SEXP x, int depth) {
  if (TYPEOF(x) == CLOSXP) return closure_without_source(x);
  if (TYPEOF(x) != VECSXP || ALTREP(x) || depth == kMaxListDepth) return x;
  SEXP copy = x;
  PROTECT_INDEX index;
  PROTECT_WITH_INDEX(copy, &index);
  for (R_xlen_t i = 0; i < Rf_xlength(x); i++) {
    SEXP element = without_source(VECTOR_ELT(x, i), depth + 1);
    if (element == VECTOR_ELT(x, i)) continue;
    PROTECT(element);
    if (copy == x) REPROTECT(copy = Rf_shallow_duplicate(x), index);
    SET_VECTOR_ELT(copy, i, element);
    UNPROTECT(1);
  }
  UNPROTECT(1);
  return copy;
}

} // namespace mp::codec
