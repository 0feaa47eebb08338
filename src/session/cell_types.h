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
// Where element `i` of an R vector is that has the layout of its cells.
uint8_t* element_at(SEXP x, R_xlen_t i);

// All elements of an R vector as cells: its own bytes, which it must outlive, or others. Throws ValueError, naming the
// element, for what does not fit.
class Cells {
public:
  Cells(const CellType& type, SEXP from);
  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }

private:
  size_t size_;
  std::vector<uint8_t> made_;
  const uint8_t* data_;
};

} // namespace mp::bind
