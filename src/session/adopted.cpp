#include "session/adopted.h"
#include "session/defer.h"
#include "session/handle.h"

#include "core/heap.h"
#include "core/platform/pages.h"

#include <cstring>
#include <unordered_map>

namespace mp::bind {
namespace {

struct Adopted {
  uint64_t block, serial, bytes;
};

// By the address of the data. Process-local; a fork copies it with the mappings and the holds. Never destroyed: R's
// finalizers may run after the destructors of static objects.
std::unordered_map<const void*, Adopted>& table = *new std::unordered_map<const void*, Adopted>;
bool collected = false; // R may have freed some since release_adopted() looked
bool armed = false;
uint64_t total = 0; // bytes of all

void note_collection(SEXP) {
  collected = true;
  armed = false;
}

// Makes an object that is garbage at once: its finalizer tells of the next collection. May jump.
void arm() {
  if (armed) return;
  armed = true; // a collection in the next line is one that is noted
  SEXP sign = PROTECT(R_MakeExternalPtr(nullptr, R_NilValue, R_NilValue));
  R_RegisterCFinalizerEx(sign, note_collection, FALSE);
  UNPROTECT(1);
}

// The hold on its block waits for the next entry, as this may run within a finalizer.
void release_one(const Adopted& a) {
  total -= a.bytes;
  defer([](void* block) { let_go(reinterpret_cast<uint64_t>(block)); },
                reinterpret_cast<void*>(a.block));
}

const uint8_t* block_data(const Adopted& a) { return heap().at(a.block + platform::kVectorLead); }

bool still_shown(const std::vector<platform::FilePages>& mappings, const void* data, const Adopted& a) {
  return platform::shows_file(mappings, data, a.bytes, a.block);
}

uint64_t first_part(const void* data, uint64_t bytes) { // of the data, in the first page
  uint64_t page = kPageBytes - reinterpret_cast<uintptr_t>(data) % kPageBytes;
  return page < bytes ? page : bytes;
}

bool is_untouched(const void* data, const Adopted& a) {
  return !std::memcmp(data, block_data(a), first_part(data, a.bytes)) && platform::replaced_untouched(data, a.bytes);
}

} // namespace

SEXP vector_to_adopt(SEXPTYPE type, R_xlen_t length) {
  uint64_t bytes = uint64_t(length) * codec::bytes_per_element(type);
  if (!platform::would_have_own_pages(bytes)) return Rf_allocVector(type, length);
  bool maps = false;
  auto allocate = [&] {
    return or_jump([&] {
      platform::TakenMemory taken(bytes);
      maps = taken.maps();
      return codec::protect([&] { return Rf_allocVector(type, length); });
    });
  };
  SEXP x = PROTECT(allocate());
  // R may have collected first, and given the vector what that freed. Protected, it is not what a second collection frees.
  if (maps && !platform::has_own_pages(codec::data_of(x), bytes)) x = allocate();
  UNPROTECT(1);
  return x;
}

bool adopt_pages(const codec::HandleId& id, void* data, uint64_t bytes) {
  if (self() == 0 || !platform::has_own_pages(data, bytes)) return false;
  arm();
  return or_jump([&] {
    if (!keep_block(id.block, id.serial)) return false;
    bool entered = false;
    try {
      auto place = table.try_emplace(data);
      entered = true;
      if (!place.second) release_one(place.first->second); // R freed the vector that stood here before
      place.first->second = {id.block, id.serial, bytes};
      total += bytes;
      if (platform::replace_pages(data, bytes, heap().fd(), id.block)) {
        std::memcpy(data, block_data(place.first->second), first_part(data, bytes));
        return true;
      }
    } catch (const std::bad_alloc&) { // the caller copies
    }
    if (entered) {
      total -= bytes;
      table.erase(data);
    }
    let_go(id.block);
    return false;
  });
}

bool is_adopted(const void* data) { return table.count(data) > 0; }

bool is_unchanged(const void* data, uint64_t bytes) {
  auto found = table.find(data);
  return found != table.end() && found->second.bytes == bytes && is_untouched(data, found->second);
}

bool adopted_block(const void* data, uint64_t bytes, codec::HandleId* id) {
  auto found = table.find(data);
  if (found == table.end()) return false;
  const Adopted& a = found->second;
  // R may have freed it, and put another vector there.
  std::vector<platform::FilePages> mappings;
  if (a.bytes != bytes || !platform::private_mappings(heap().fd(), &mappings) || !still_shown(mappings, data, a))
    return false;
  if (!is_untouched(data, a)) return false;
  *id = {uint32_t(BlockKind::Bytes), a.block, a.serial};
  return true;
}

void release_adopted() {
  if (!collected || table.empty()) return;
  std::vector<platform::FilePages> mappings;
  if (!platform::private_mappings(heap().fd(), &mappings)) return; // asked again at the next entry
  collected = false;
  for (auto entry = table.begin(); entry != table.end();) {
    if (still_shown(mappings, entry->first, entry->second)) {
      ++entry;
      continue;
    }
    uint64_t block = entry->second.block;
    total -= entry->second.bytes;
    entry = table.erase(entry);
    let_go(block);
  }
  if (!table.empty()) arm();
}

uint64_t adopted_count() { return table.size(); }
uint64_t adopted_bytes() { return total; }

void own_adopted() {
  std::vector<platform::FilePages> mappings;
  if (table.empty() || !platform::private_mappings(heap().fd(), &mappings)) return;
  for (auto& entry : table)
    if (still_shown(mappings, entry.first, entry.second))
      platform::touch_pages(const_cast<void*>(entry.first), entry.second.bytes);
  table.clear();
  total = 0;
}

} // namespace mp::bind
