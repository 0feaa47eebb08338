// How the codec's blocks lie in the heap. R's collector knows nothing of what views keep alive, so
// it is counted here, and collected before it is too much.
#include "bind_blocks.h"

#include <algorithm>
#include <cstring>

namespace mp::bind {
namespace {

constexpr uint64_t kMebi = uint64_t(1) << 20;

// Process-local; a fork copies them with the views that they count.
struct Pressure {
  uint64_t bytes = 0;    // that views may keep in memory
  uint64_t base = 0;     // of these, what the last collection left
  uint64_t mappings = 0; // that exist
  uint64_t base_mappings = 0;
};
Pressure pressure;

// Blocks of views that were collected: held until the next entry. Never destroyed, see
// bind_session.cpp.
std::vector<uint64_t>& gone = *new std::vector<uint64_t>;

// Half of what the heap keeps warm: blocks of collected views are used again before they are cold.
uint64_t limit() {
  static const uint64_t bytes =
      std::max(std::min(512 * kMebi, platform::total_memory() / 32), 32 * kMebi);
  return bytes;
}

uint64_t mapping_limit() { // R needs some itself: large vectors, libraries
  static const uint64_t n = platform::max_mappings() / 2;
  return n;
}

void collect() {
  R_gc();
  release_views();
  pressure.base = pressure.bytes;
  pressure.base_mappings = pressure.mappings;
}

// What a view may keep in memory: all its bytes if it is the first one of its block, else the
// tables of its mapping; and pages that are written.
uint64_t charge_of(uint64_t bytes, bool first) { return first ? bytes : bytes / 64 + 16 * 1024; }

void reclaim() { collect(); }

codec::HandleId store(const void* from, uint64_t bytes) {
  uint64_t block = heap().allocate_copy(from, bytes);
  keep_block(block);
  return {uint32_t(Kind::Bytes), block, heap().serial_of(block)};
}

bool has(const codec::HandleId& id, uint64_t bytes) {
  return id.kind == uint32_t(Kind::Bytes) && heap().has(id.block, id.serial, bytes);
}

codec::Mapping map(const codec::HandleId& id, uint64_t first, uint64_t bytes) {
  if (pressure.bytes > pressure.base + limit() ||
      pressure.mappings > std::max(mapping_limit(), pressure.base_mappings + 1024))
    collect();
  codec::Mapping m = {nullptr, bytes, charge_of(bytes, !is_kept(id.block))};
  if (pressure.mappings >= mapping_limit() || !keep_block(id.block, id.serial)) return m;
  m.at = platform::map_private(heap().fd(), id.block + first, bytes);
  if (!m.at) {
    let_go(id.block);
    return m;
  }
  ++pressure.mappings;
  pressure.bytes += m.charge;
  return m;
}

void read(const codec::HandleId& id, uint64_t first, uint64_t bytes, void* to) {
  std::memcpy(to, heap().at(id.block + first), bytes);
}

void may_write(codec::Mapping* m) { // most only read through such a pointer
  uint64_t more = m->charge < m->bytes ? m->bytes / 8 : 0;
  m->charge += more;
  pressure.bytes += more;
}

void unmap(const codec::HandleId& id, const codec::Mapping& m) {
  platform::unmap(m.at, m.bytes);
  --pressure.mappings;
  pressure.bytes -= m.charge;
  pressure.base = std::min(pressure.base, pressure.bytes);
  pressure.base_mappings = std::min(pressure.base_mappings, pressure.mappings);
  gone.push_back(id.block);
}

void release(const codec::HandleId& id) { let_go(id.block); }

} // namespace

void release_views() {
  while (!gone.empty()) {
    uint64_t block = gone.back();
    gone.pop_back();
    let_go(block);
  }
}

void collect_if_heavy() {
  if (pressure.bytes > pressure.base + 64 * kMebi) collect();
}

void prepare_blocks() {
  codec::set_block_hooks(
      {store, has, map, read, platform::pages_untouched, may_write, unmap, release});
  heap().set_reclaim(reclaim);
}

} // namespace mp::bind
