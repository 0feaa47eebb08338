// Numbers in shared memory that are written in place: what a Value and an Array are.
#pragma once

#include "layout.h"

#include <vector>

namespace mp {

struct CellsPlan {
  uint32_t type;
  uint32_t bytes; // of a cell
  uint64_t length;
  bool single;
  std::vector<uint32_t> dim; // at most kMostDims
  uint64_t lock;             // block, 0: none
};
// A block of BlockKind::Cells, all zero, which keeps its lock; returned held by the caller.
uint64_t create_cells(const CellsPlan& plan);
CellsShared& cells_shared(uint64_t block);
uint8_t* cells_data(uint64_t block);
uint64_t cells_lock(uint64_t block); // 0: none

} // namespace mp
