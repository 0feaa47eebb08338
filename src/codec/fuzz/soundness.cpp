// What R takes for granted of any vector, written independently of the codec's own rules, which
// its reader and its writer share.
#include "soundness.h"

#include "r/compat.h"

namespace fuzz {

namespace {

bool fits(SEXP x, SEXP name, SEXP value) {
  R_xlen_t n = Rf_xlength(x);
  if (name == R_NamesSymbol) return TYPEOF(value) == STRSXP && Rf_xlength(value) == n;
  if (name == R_TspSymbol) return TYPEOF(value) == REALSXP && Rf_xlength(value) == 3;
  if (name == R_DimSymbol) {
    if (TYPEOF(value) != INTSXP || Rf_xlength(value) < 1) return false;
    double product = 1;
    for (R_xlen_t i = 0; i < Rf_xlength(value); i++) {
      if (INTEGER_ELT(value, i) < 0) return false;
      product *= INTEGER_ELT(value, i);
    }
    return product == static_cast<double>(n);
  }
  if (name == R_DimNamesSymbol) {
    SEXP dim = Rf_getAttrib(x, R_DimSymbol);
    if (TYPEOF(value) != VECSXP || Rf_xlength(value) != Rf_xlength(dim)) return false;
    for (R_xlen_t i = 0; i < Rf_xlength(value); i++) {
      SEXP side = VECTOR_ELT(value, i);
      if (side != R_NilValue && (TYPEOF(side) != STRSXP || Rf_xlength(side) != INTEGER_ELT(dim, i)))
        return false;
    }
    return true;
  }
  if (name == R_ClassSymbol)
    return TYPEOF(value) == STRSXP && Rf_isObject(x) &&
           (!Rf_inherits(x, "factor") || TYPEOF(x) == INTSXP);
  return true;
}

} // namespace

bool is_sound(SEXP x) {
  if (!Rf_isVector(x)) return true;
  for (auto [name, value] : mp::r::Attributes(x))
    if (!fits(x, name, value) || !is_sound(value)) return false;
  if (TYPEOF(x) == VECSXP)
    for (R_xlen_t i = 0; i < Rf_xlength(x); i++)
      if (!is_sound(VECTOR_ELT(x, i))) return false;
  return true;
}

} // namespace fuzz
