// How the codec's blocks lie in the heap. R's collector knows nothing of what views keep alive, so
// it is counted here, and collected before it is too much.
#include "bind_blocks.h"

#include <algorithm>
#include <cstring>

namespace mp::bind {
namespace {

constexpr uint64_t kMebi = uint64_t(1) << 20;

// What views may keep in memory. Process-local; a fork copies it with the views that it counts.
struct Pressure {
  uint64_t bytes = 0;
  uint64_t left = 0;     // of these, what the last full collection left
  uint64_t fresh = 0;    // added since the last collection of any kind
  uint64_t mappings = 0; // that exist
  uint64_t left_mappings = 0;
};
Pressure pressure;

// Blocks of views that were collected: held until the next entry. Never destroyed, see
// bind_session.cpp.
std::vector<uint64_t>& gone = *new std::vector<uint64_t>;

// A collection of young objects costs 1 ms, a full one 10 or 40. Most views die young; early
// enough, their blocks are used again while they are in the processor's cache.
uint64_t young_limit() { return 64 * kMebi; }
uint64_t full_limit() {
  static const uint64_t bytes =
      std::max(std::min(1024 * kMebi, platform::total_memory() / 16), 64 * kMebi);
  return bytes;
}
uint64_t mapping_limit() { // R needs some itself: large vectors, libraries
  static const uint64_t n = platform::max_mappings() / 2;
  return n;
}

void collect_young() { // may jump
  static SEXP call = nullptr;
  if (!call) {
    SEXP full = PROTECT(Rf_ScalarLogical(FALSE));
    call = Rf_lang2(Rf_install("gc"), full);
    R_PreserveObject(call);
    SET_TAG(CDR(call), Rf_install("full"));
    UNPROTECT(1);
  }
  pressure.fresh = 0;
  Rf_eval(call, R_BaseEnv);
  release_views();
}

void collect_all() {
  R_gc();
  release_views();
  pressure.left = pressure.bytes;
  pressure.left_mappings = pressure.mappings;
  pressure.fresh = 0;
}

// Before one more view is made. May jump.
void relieve() {
  if (pressure.fresh > young_limit()) collect_young();
  if (pressure.bytes > pressure.left + full_limit() ||
      pressure.mappings > std::max(mapping_limit(), pressure.left_mappings + 1024))
    collect_all();
}

void charge(uint64_t bytes) {
  pressure.bytes += bytes;
  pressure.fresh += bytes;
}

// What a view may keep in memory: all its bytes if it is the first one of its block, else the
// tables of its mapping; and pages that are written.
uint64_t charge_of(uint64_t bytes, bool first) { return first ? bytes : bytes / 64 + 16 * 1024; }

codec::HandleId store(const void* from, uint64_t bytes) {
  uint64_t block = heap().allocate_copy(from, bytes);
  keep_block(block);
  return {uint32_t(Kind::Bytes), block, heap().serial_of(block)};
}

bool has(const codec::HandleId& id, uint64_t bytes) {
  return id.kind == uint32_t(Kind::Bytes) && heap().has(id.block, id.serial, bytes);
}

codec::Mapping map(const codec::HandleId& id, uint64_t first, uint64_t bytes) {
  relieve();
  codec::Mapping m = {nullptr, bytes, charge_of(bytes, !is_kept(id.block))};
  if (pressure.mappings >= mapping_limit() || !keep_block(id.block, id.serial)) return m;
  m.at = platform::map_private(heap().fd(), id.block + first, bytes);
  if (!m.at) {
    let_go(id.block);
    return m;
  }
  ++pressure.mappings;
  charge(m.charge);
  return m;
}

void read(const codec::HandleId& id, uint64_t first, uint64_t bytes, void* to) {
  std::memcpy(to, heap().at(id.block + first), bytes);
}

void may_write(codec::Mapping* m) { // most only read through such a pointer
  uint64_t more = m->charge < m->bytes ? m->bytes / 8 : 0;
  m->charge += more;
  charge(more);
}

void unmap(const codec::HandleId& id, const codec::Mapping& m) {
  platform::unmap(m.at, m.bytes);
  --pressure.mappings;
  pressure.bytes -= m.charge;
  pressure.left = std::min(pressure.left, pressure.bytes);
  pressure.left_mappings = std::min(pressure.left_mappings, pressure.mappings);
  pressure.fresh = 0; // R has collected
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
  if (pressure.bytes > pressure.left + young_limit()) collect_all();
}

void collect_if_asked() {
  static uint32_t seen = 0;
  uint32_t now = heap().shortages();
  if (now == seen) return;
  seen = now;
  if (pressure.mappings > 0) collect_all();
}

void prepare_blocks() {
  codec::set_block_hooks(
      {store, has, map, read, platform::pages_untouched, may_write, unmap, release});
  heap().set_reclaim(collect_all);
}

} // namespace mp::bind
