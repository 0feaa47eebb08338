#include "pool/slots.h"

#include "codec/codec.h"
#include "r/call.h"
#include "r/compat.h"

#include <cstring>

namespace mp::bind {

uint64_t element_bytes(SEXPTYPE type) {
  switch (type) {
  case LGLSXP:
  case INTSXP:
  case REALSXP:
  case CPLXSXP:
  case RAWSXP:
    return codec::bytes_per_element(type);
  default:
    return 0;
  }
}

bool fits(SEXP value, SEXPTYPE type, uint64_t width) {
  SEXPTYPE given = TYPEOF(value);
  bool promoted = (given == LGLSXP && (type == INTSXP || type == REALSXP || type == CPLXSXP)) ||
                  (given == INTSXP && (type == REALSXP || type == CPLXSXP)) ||
                  (given == REALSXP && type == CPLXSXP);
  return (given == type || promoted) && uint64_t(Rf_xlength(value)) == width;
}

void put_in_slot(SEXP value, SEXPTYPE type, uint64_t width, uint8_t* slot) {
  if (width == 0) return;
  Protected same(SEXPTYPE(TYPEOF(value)) == type ? value : codec::protect([&] {
    return Rf_coerceVector(value, type);
  }));
  auto copy = [&] { std::memcpy(slot, codec::data_of(same), width * element_bytes(type)); };
  if (!ALTREP(same)) return copy();
  codec::protect([&] { // a vector of another package's may run R code to be all there, and fail
    copy();
    return R_NilValue;
  });
}

namespace {
enum Small : uint8_t { kNone = 0, kNull, kLogical, kInteger, kReal };
}

uint8_t put_small(SEXP value, uint8_t* slot) {
  int type = TYPEOF(value);
  if (type == NILSXP) return kNull;
  if (type != INTSXP && type != REALSXP && type != LGLSXP) return kNone;
  if (ALTREP(value) || r::has_attributes(value) || Rf_isObject(value) || Rf_isS4(value) ||
      Rf_xlength(value) != 1)
    return kNone;
  if (type == REALSXP) {
    std::memcpy(slot, REAL_RO(value), sizeof(double));
    return kReal;
  }
  int number = type == INTSXP ? *INTEGER_RO(value) : *LOGICAL_RO(value);
  std::memcpy(slot, &number, sizeof number);
  if (type == INTSXP) return kInteger;
  return number == 0 || number == 1 || number == NA_LOGICAL ? kLogical : kNone;
}

SEXPTYPE small_type(uint8_t mark) {
  return mark == kReal ? REALSXP : mark == kInteger ? INTSXP : mark == kLogical ? LGLSXP : NILSXP;
}

SEXP from_small(uint8_t mark, const uint8_t* slot) {
  auto number = [&](auto n) { return std::memcpy(&n, slot, sizeof n), n; };
  switch (mark) {
  case kInteger:
    return Rf_ScalarInteger(number(int()));
  case kReal:
    return Rf_ScalarReal(number(double()));
  case kLogical:
    return Rf_ScalarLogical(number(int())); // R's constants
  default:
    return R_NilValue;
  }
}

} // namespace mp::bind
