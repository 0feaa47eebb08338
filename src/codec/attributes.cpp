#include "codec/internal.h"

#include <cstring>

namespace mp::codec {

namespace {

bool sound_dim(R_xlen_t length, SEXP dim) {
  if (TYPEOF(dim) != INTSXP || Rf_xlength(dim) == 0) return false;
  // A factor 0 anywhere makes the product 0, whatever came before it.
  uint64_t product = 1;
  bool empty = false, too_large = false;
  for (R_xlen_t i = 0; i < Rf_xlength(dim); i++) {
    int extent = INTEGER_ELT(dim, i);
    if (extent < 0) return false; // NA_INTEGER too
    if (extent == 0) empty = true;
    else if (!too_large)
      too_large = __builtin_mul_overflow(product, static_cast<uint64_t>(extent), &product);
  }
  return empty ? length == 0 : !too_large && product == static_cast<uint64_t>(length);
}

bool sound_dimnames(SEXP dim, SEXP names) {
  if (!dim || TYPEOF(dim) != INTSXP || TYPEOF(names) != VECSXP ||
      Rf_xlength(dim) != Rf_xlength(names))
    return false;
  for (R_xlen_t i = 0; i < Rf_xlength(names); i++) {
    SEXP side = VECTOR_ELT(names, i);
    if (side != R_NilValue && (TYPEOF(side) != STRSXP || Rf_xlength(side) != INTEGER_ELT(dim, i)))
      return false;
  }
  return true;
}

bool sound_class(SEXPTYPE type, SEXP classes) {
  if (TYPEOF(classes) != STRSXP || Rf_xlength(classes) == 0) return false;
  for (R_xlen_t i = 0; i < Rf_xlength(classes); i++)
    if (type != INTSXP && std::strcmp(CHAR(STRING_ELT(classes, i)), "factor") == 0) return false;
  return true;
}

} // namespace

SEXP find_attribute(SEXP attributes, SEXP name) {
  for (SEXP cell = attributes; cell != R_NilValue; cell = CDR(cell))
    if (TAG(cell) == name) return CAR(cell);
  return nullptr;
}

bool sound_attribute(SEXPTYPE type, R_xlen_t length, SEXP attributes, SEXP name, SEXP value) {
  if (name == R_NamesSymbol) return TYPEOF(value) == STRSXP && Rf_xlength(value) == length;
  if (name == R_ClassSymbol) return sound_class(type, value);
  if (name == R_DimSymbol) return sound_dim(length, value);
  if (name == R_DimNamesSymbol)
    return sound_dimnames(find_attribute(attributes, R_DimSymbol), value);
  if (name == R_RowNamesSymbol) return TYPEOF(value) == INTSXP || TYPEOF(value) == STRSXP;
  if (name == R_TspSymbol) return TYPEOF(value) == REALSXP && Rf_xlength(value) == 3;
  return true;
}

} // namespace mp::codec
