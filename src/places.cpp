#include "places.h"

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

void put_in_place(SEXP value, SEXPTYPE type, uint64_t width, uint8_t* place) {
  if (width == 0) return;
  Protected same(SEXPTYPE(TYPEOF(value)) == type ? value : codec::protect([&] {
    return Rf_coerceVector(value, type);
  }));
  std::memcpy(place, codec::data_of(same), width * element_bytes(type));
}

} // namespace mp::bind
