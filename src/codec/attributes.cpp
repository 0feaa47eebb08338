#include "codec/internal.h"

#include <climits>
#include <cmath>
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
    SEXP side = VECTOR_ELT(names, i); // R would store NULL for an empty one
    if (side != R_NilValue && (TYPEOF(side) != STRSXP || Rf_xlength(side) == 0 ||
                               Rf_xlength(side) != INTEGER_ELT(dim, i)))
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

// The check of R's `tsp<-`.
bool sound_tsp(R_xlen_t rows, SEXP tsp) {
  if (TYPEOF(tsp) != REALSXP || Rf_xlength(tsp) != 3 || r::has_attributes(tsp)) return false;
  double start = REAL_ELT(tsp, 0), end = REAL_ELT(tsp, 1), frequency = REAL_ELT(tsp, 2);
  return rows > 0 && rows <= INT_MAX && frequency > 0 &&
         std::fabs(end - start - static_cast<double>(rows - 1) / frequency) <= 1e-5;
}

SEXP comment_symbol() {
  static SEXP symbol = nullptr;
  if (!symbol) symbol = Rf_install("comment");
  return symbol;
}

} // namespace

bool AttributeCheck::accepts(SEXP name, SEXP value) {
  R_xlen_t length = Rf_xlength(x_);
  if (name == R_NamesSymbol) // R stores those of a one-dimensional array as dimnames
    return TYPEOF(value) == STRSXP && Rf_xlength(value) == length &&
           !(dim_seen_ && Rf_xlength(dim_) == 1);
  if (name == R_ClassSymbol) return sound_class(TYPEOF(x_), value);
  if (name == R_DimSymbol) {
    dim_seen_ = value == dim_;
    return dim_seen_ && sound_dim(length, value);
  }
  if (name == R_DimNamesSymbol) return dim_seen_ && sound_dimnames(dim_, value);
  if (name == R_RowNamesSymbol) return Rf_isInteger(value) || TYPEOF(value) == STRSXP; // no factor
  if (name == R_TspSymbol)
    return (!dim_ || sound_dim(length, dim_)) &&
           sound_tsp(dim_ ? INTEGER_ELT(dim_, 0) : length, value);
  if (name == comment_symbol()) return TYPEOF(value) == STRSXP && Rf_xlength(value) > 0;
  return value != R_NilValue;
}

} // namespace mp::codec
