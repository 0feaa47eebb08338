#include "session/cell_types.h"

#include "codec/codec.h"
#include "core/error.h"

#include <cmath>
#include <cstring>

namespace mp::bind {
namespace {

constexpr double kNone = 0;
// Whole numbers of 64 bits are doubles in R: exact up to 2^53.
const CellType types[] = {
    {"double", "d", REALSXP, 8, true, kNone, kNone, false},
    {"integer", "i", INTSXP, 4, true, -2147483647.0, 2147483647.0, true},
    {"logical", "", LGLSXP, 4, true, kNone, kNone, false},
    {"raw", "c", RAWSXP, 1, true, 0, 255, true},
    {"complex", "", CPLXSXP, 16, true, kNone, kNone, false},
    {"int8", "b", INTSXP, 1, false, -128, 127, true},
    {"uint8", "B", INTSXP, 1, false, 0, 255, true},
    {"int16", "h", INTSXP, 2, false, -32768, 32767, true},
    {"uint16", "H", INTSXP, 2, false, 0, 65535, true},
    {"uint32", "I", REALSXP, 4, false, 0, 4294967295.0, true},
    {"int64", "q", REALSXP, 8, false, -9223372036854775808.0, 9223372036854774784.0, true},
    {"uint64", "Q", REALSXP, 8, false, 0, 18446744073709549568.0, true},
    {"int64", "l", REALSXP, 8, false, -9223372036854775808.0, 9223372036854774784.0, true},
    {"uint64", "L", REALSXP, 8, false, 0, 18446744073709549568.0, true},
    {"float", "f", REALSXP, 4, false, kNone, kNone, false},
};

template <class C, class R> void convert_out(const uint8_t* from, R* to, R_xlen_t count) {
  for (R_xlen_t i = 0; i < count; ++i) {
    C cell;
    std::memcpy(&cell, from + size_t(i) * sizeof(C), sizeof(C));
    to[i] = R(cell);
  }
}

double number_at(SEXP x, R_xlen_t i) {
  switch (TYPEOF(x)) {
  case REALSXP:
    return REAL(x)[i];
  case INTSXP:
    return INTEGER(x)[i] == NA_INTEGER ? NA_REAL : INTEGER(x)[i];
  case LGLSXP:
    return LOGICAL(x)[i] == NA_LOGICAL ? NA_REAL : LOGICAL(x)[i];
  default:
    return RAW(x)[i];
  }
}

[[noreturn]] void refuse(const CellType& type, double value, R_xlen_t i) {
  char text[40];
  std::snprintf(text, sizeof text, "%.15g", value);
  std::string what = std::isnan(value) ? "NA or NaN" : text;
  std::string range;
  if (type.whole) {
    char limits[80];
    std::snprintf(limits, sizeof limits, "whole numbers from %.0f to %.0f", type.least, type.most);
    range = limits;
  }
  throw Error{"ValueError", "element " + std::to_string(i + 1) + " is " + what + ", but cells of type \"" +
                                type.name + "\" hold " + range};
}

template <class C> void put(uint8_t* to, double v) {
  C cell = C(v);
  std::memcpy(to, &cell, sizeof cell);
}

// Calls f with any value of the cells' type.
template <class F> void with_cell(const CellType& type, F f) {
  switch (type.code[0]) {
  case 'd':
    return f(double());
  case 'f':
    return f(float());
  case 'i':
    return f(int32_t());
  case 'b':
    return f(int8_t());
  case 'h':
    return f(int16_t());
  case 'H':
    return f(uint16_t());
  case 'I':
    return f(uint32_t());
  case 'l':
  case 'q':
    return f(int64_t());
  case 'L':
  case 'Q':
    return f(uint64_t());
  default: // c, B
    return f(uint8_t());
  }
}

void put_number(const CellType& type, uint8_t* to, double v, R_xlen_t i) {
  if (type.whole) {
    if (std::isnan(v) && type.r == INTSXP && type.same) return put<int>(to, NA_INTEGER);
    if (!(v >= type.least && v <= type.most) || v != std::trunc(v)) refuse(type, v, i);
  }
  with_cell(type, [&](auto cell) { put<decltype(cell)>(to, v); });
}

} // namespace

const CellType& cell_type(uint32_t number) { return types[number]; }

uint32_t cell_type_of(const std::string& typecode) {
  std::string known;
  for (uint32_t t = 0; t < sizeof types / sizeof *types; ++t) {
    if (typecode == types[t].name || (*types[t].code && typecode == types[t].code)) return t;
    if (types[t].same) known += std::string(t ? ", \"" : "\"") + types[t].name + "\"";
  }
  throw Error{"ValueError", "`typecode` must be one of " + known +
                                ", or one of Python's codes d f i b B h H I l L q Q c, not \"" +
                                typecode + "\""};
}

uint8_t* element_at(SEXP x, R_xlen_t i) {
  return static_cast<uint8_t*>(codec::data_of(x)) + uint64_t(i) * codec::bytes_per_element(SEXPTYPE(TYPEOF(x)));
}

void read_cells(const CellType& type, const uint8_t* from, SEXP to, R_xlen_t at, R_xlen_t count) {
  if (count == 0) return;
  if (type.same) {
    std::memcpy(element_at(to, at), from, size_t(count) * type.bytes);
    return;
  }
  with_cell(type, [&](auto cell) {
    if (type.r == INTSXP) convert_out<decltype(cell)>(from, INTEGER(to) + at, count);
    else convert_out<decltype(cell)>(from, REAL(to) + at, count);
  });
}

Cells::Cells(const CellType& type, SEXP from) {
  SEXPTYPE given = SEXPTYPE(TYPEOF(from));
  if (given != LGLSXP && given != INTSXP && given != REALSXP && given != RAWSXP && given != CPLXSXP)
    throw Error{"ValueError", std::string("cells of type \"") + type.name +
                                  "\" hold numbers, not a value of type \"" +
                                  Rf_type2char(given) + "\""};
  R_xlen_t n = Rf_xlength(from);
  size_ = size_t(n) * type.bytes;
  if (type.same && type.r == given && n && !ALTREP(from)) {
    data_ = element_at(from, 0);
    return;
  }
  made_.resize(size_);
  data_ = made_.data();
  if (type.same && type.r == given) {
    if (n) std::memcpy(made_.data(), element_at(from, 0), size_);
    return;
  }
  if (given == CPLXSXP)
    throw Error{"ValueError", std::string("cells of type \"") + type.name +
                                  "\" do not hold complex numbers"};
  for (R_xlen_t i = 0; i < n; ++i) {
    uint8_t* to = made_.data() + size_t(i) * type.bytes;
    double v = number_at(from, i);
    if (type.r == LGLSXP) put<int>(to, std::isnan(v) ? NA_LOGICAL : v != 0);
    else if (type.r == CPLXSXP) {
      Rcomplex c;
      c.r = v;
      c.i = 0;
      std::memcpy(to, &c, sizeof c);
    } else put_number(type, to, v, i);
  }
}

} // namespace mp::bind
