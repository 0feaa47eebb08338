#include "cells.h"
#include "heap.h"

#include <algorithm>

namespace mp {

uint64_t create_cells(const CellsPlan& plan) {
  constexpr uint64_t kStart = 128; // a cache line behind what describes them
  static_assert(sizeof(CellsShared) <= kStart);
  NewBlock block(heap().allocate(kStart + plan.length * plan.bytes, BlockKind::Cells));
  CellsShared& c = cells_shared(block.get());
  c.length = plan.length;
  c.data = kStart;
  c.type = plan.type;
  c.single = plan.single;
  c.dims = uint32_t(plan.dim.size());
  std::copy(plan.dim.begin(), plan.dim.end(), c.dim);
  if (plan.lock) {
    c.lock = {Heap::page_of(plan.lock), heap().serial_of(plan.lock)};
    heap().seal(block.get(), offsetof(CellsShared, lock), 1);
  }
  return block.release();
}

CellsShared& cells_shared(uint64_t block) { return *heap().at<CellsShared>(block); }
uint8_t* cells_data(uint64_t block) { return heap().at(block + cells_shared(block).data); }
uint64_t cells_lock(uint64_t block) { return cells_shared(block).lock.page * kPageBytes; }

} // namespace mp
