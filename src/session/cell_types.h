// The types of a Value's or an Array's cells: R's names and Python's codes, and numbers of R from and
// to them.
#pragma once

#include "r/call.h"

#include <cstdint>

namespace mp::bind {

struct CellType {
  const char* name;   // R's
  const char* code;   // Python's, or ""
  SEXPTYPE r;         // of what R gets
  uint32_t bytes;
  bool same;          // R's layout is the cell's: copied as it is
  double least, most; // of whole numbers
  bool whole;
};
const CellType& cell_type(uint32_t number);
uint32_t cell_type_of(const std::string& typecode); // throws ValueError

// `count` cells from `from` into the R vector `to`, from its element `at` on.
void read_cells(const CellType& type, const uint8_t* from, SEXP to, R_xlen_t at, R_xlen_t count);
// All elements of an R vector as cells. Throws ValueError, naming the element, for what does not fit.
std::vector<uint8_t> make_cells(const CellType& type, SEXP from);

} // namespace mp::bind
