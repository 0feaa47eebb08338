// How the codec's blocks lie in the heap. R's collector knows nothing of what views keep alive, so
// it is counted here, and collected before it is too much.
#include "session/blocks.h"
#include "session/adopted.h"

#include "session/handle.h"

#include "core/participant.h"
#include "core/platform/pages.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <utility>

namespace mp::bind {
namespace {

double wanted_limit = -1; // see set_copy_limit()

constexpr uint64_t kMebi = uint64_t(1) << 20;
constexpr uint64_t kCopiedShare = 64;
constexpr uint64_t kLead = platform::kVectorLead; // data begin so many bytes into their block

// What views may keep in memory. Process-local; a fork copies it with the views that it counts.
struct Pressure {
  uint64_t bytes = 0;    // of blocks with a view, tables of mappings, pages that may be written
  uint64_t left = 0;     // of these, what the last full collection left
  uint64_t fresh = 0;    // added since the last collection of any kind
  uint64_t mappings = 0; // that exist
  uint64_t left_mappings = 0;
};
Pressure pressure;
uint64_t stored = 0; // process-local, see stored_bytes()

struct Viewed { // a block with views in this process
  uint64_t bytes = 0;
  uint64_t views = 0;
};
std::unordered_map<uint64_t, Viewed>& viewed = *new std::unordered_map<uint64_t, Viewed>;

// Blocks of views that were collected: held until the next entry. Never destroyed, see
// session/handle.cpp.
std::vector<uint64_t>& gone = *new std::vector<uint64_t>;

// A collection of young objects costs 1 ms, a full one 10 or 40. Most views die young; if collected early
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

// A Ctrl-C waits: the message that is being decoded would be lost. May jump where R is out of
// memory.
void collect_young() {
  static SEXP call = nullptr;
  if (!call) {
    SEXP full = PROTECT(Rf_ScalarLogical(FALSE));
    SEXP gc = PROTECT(Rf_lang2(Rf_install("gc"), full));
    SET_TAG(CDR(gc), Rf_install("full"));
    call = Rf_lang2(Rf_install("suspendInterrupts"), gc);
    R_PreserveObject(call);
    UNPROTECT(2);
  }
  pressure.fresh = 0;
  Rf_eval(call, R_BaseEnv);
  release_views();
}

void collect_all() {
  R_gc();
  release_views();
  pressure.left = pressure.bytes + adopted_bytes();
  pressure.left_mappings = pressure.mappings;
  pressure.fresh = 0;
}

void charge(uint64_t bytes) {
  pressure.bytes += bytes;
  pressure.fresh += bytes;
}

codec::HandleId store(const void* from, uint64_t bytes) {
  uint64_t block = heap().allocate_copy(from, bytes, kLead);
  stored += bytes;
  keep_block(block);
  return {uint32_t(BlockKind::Bytes), block, heap().serial_of(block)};
}

codec::HandleId reserve(uint64_t bytes, uint8_t** at) {
  uint64_t block = heap().allocate(kLead + bytes, BlockKind::Bytes, false);
  stored += bytes;
  keep_block(block);
  *at = heap().at(block + kLead);
  return {uint32_t(BlockKind::Bytes), block, heap().serial_of(block)};
}

uint64_t size(const codec::HandleId& id) {
  if (id.kind != uint32_t(BlockKind::Bytes)) return 0;
  uint64_t bytes = or_jump([&] { return heap().bytes_of(id.block, id.serial); });
  return bytes > kLead ? bytes - kLead : 0;
}

// `at` nullptr: there are enough mappings, or the system gives no more.
codec::Mapping try_map(const codec::HandleId& id, uint64_t first, uint64_t bytes) {
  codec::Mapping m = {nullptr, bytes, bytes / 64 + 16 * 1024};
  if (pressure.mappings >= mapping_limit()) return m;
  bool kept = false;
  try {
    if (gone.capacity() < gone.size() + pressure.mappings + 1) // unmap() must find room
      gone.reserve(2 * (gone.size() + pressure.mappings + 1));
    kept = keep_block(id.block, id.serial);
    Viewed& block = viewed[id.block];
    if (kept) m.at = platform::map_private(heap().fd(), id.block + kLead + first, bytes);
    if (m.at) {
      if (++block.views == 1) charge(block.bytes = heap().bytes_of(id.block));
      ++pressure.mappings;
      charge(m.charge);
      return m;
    }
    if (kept) let_go(id.block);
    if (block.views == 0) viewed.erase(id.block);
  } catch (const std::bad_alloc&) { // the caller copies, and may find that there is no memory
    if (kept) let_go(id.block);
  }
  return m;
}

codec::Mapping map(const codec::HandleId& id, uint64_t first, uint64_t bytes) {
  if (self() == 0) return {nullptr, bytes, 0}; // a fork without a slot can hold nothing: it copies
  if (pressure.fresh > young_limit()) collect_young();
  if (pressure.bytes > pressure.left + full_limit()) collect_all();
  auto attempt = [&] { return try_map(id, first, bytes); };
  codec::Mapping m = or_jump(attempt);
  if (m.at || pressure.mappings == pressure.left_mappings) return m;
  collect_all();
  return or_jump(attempt);
}

void read(const codec::HandleId& id, uint64_t first, uint64_t bytes, void* to) {
  std::memcpy(to, heap().at(id.block + kLead + first), bytes);
}

bool adopt(const codec::HandleId& id, void* data, uint64_t bytes) {
  if (wanted_limit >= 0) return false;
  // A vector's pages become two or three mappings.
  if (pressure.mappings + 3 * adopted_count() >= mapping_limit()) {
    if (adopted_count()) collect_all();
    if (pressure.mappings + 3 * adopted_count() >= mapping_limit()) return false;
  }
  if (!adopt_pages(id, data, bytes)) return false;
  pressure.fresh += bytes; // R counts such a vector itself; an idle worker looks here
  return true;
}

// What one process may copy of a block: memory must not fill up because all of them do so.
uint64_t copy_limit() {
  if (wanted_limit >= 0) return uint64_t(wanted_limit);
  return platform::total_memory() / kCopiedShare / (count_participants() + 1);
}

void may_write(codec::Mapping* m) { // but most only read through such a pointer
  m->charge += m->bytes / 8;
  charge(m->bytes / 8);
}

void unmap(const codec::HandleId& id, const codec::Mapping& m) {
  platform::unmap(m.at, m.bytes);
  --pressure.mappings;
  pressure.bytes -= m.charge;
  auto block = viewed.find(id.block);
  if (--block->second.views == 0) {
    pressure.bytes -= block->second.bytes;
    viewed.erase(block);
  }
  pressure.left = std::min(pressure.left, pressure.bytes);
  pressure.left_mappings = std::min(pressure.left_mappings, pressure.mappings);
  pressure.fresh = 0; // R has collected
  gone.push_back(id.block);
}

void release(const codec::HandleId& id) { let_go(id.block); }

std::vector<void (*)()>& spare = *new std::vector<void (*)()>;

void reclaim() {
  for (auto give_up : spare) give_up();
  collect_all();
}

} // namespace

void release_views() {
  while (!gone.empty()) {
    uint64_t block = gone.back();
    gone.pop_back();
    let_go(block);
  }
  release_adopted();
}

uint64_t stored_bytes() { return stored; }
void collect_dropped() { collect_young(); }

void collect_if_heavy() {
  if (pressure.bytes + adopted_bytes() > pressure.left + young_limit()) collect_all();
  else if (pressure.fresh > kMebi) R_ToplevelExec([](void*) { collect_young(); }, nullptr);
}

void collect_if_asked() {
  if (!shortage_is_new()) return;
  for (auto give_up : spare) give_up();
  if (pressure.mappings > 0 || adopted_count() > 0) collect_all();
}

void at_shortage(void (*give_up)()) { spare.push_back(give_up); }

void prepare_blocks() {
  codec::set_block_hooks(
      {store, reserve, size, map, read, platform::pages_untouched, vector_to_adopt, adopt, adopted_block, copy_limit, may_write, unmap, release});
  heap().set_reclaim(reclaim);
}

double set_copy_limit(double bytes) { return std::exchange(wanted_limit, bytes); }

} // namespace mp::bind
