// The blocks that frames name, in place of the package's heap: ordinary memory, so that a view that
// reads beside its block is noticed.
#include "blocks.h"

#include "codec/codec.h"
#include "memory.h"

#include <R_ext/Rdynload.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

using namespace mp::codec;

namespace fuzz {

size_t bytes_named = 0;

namespace {

constexpr uint32_t kKind = 21;

struct Block {
  std::unique_ptr<uint8_t[]> data;
  uint64_t bytes;
  uint64_t serial;
  int kept;
  uint64_t before = 0; // the first number, while it is replaced by another
  bool is_renumbered = false;
};
std::map<uint64_t, Block>& table = *new std::map<uint64_t, Block>;
uint64_t last = 0;
unsigned asked = 0;

void drop(const HandleId& id) {
  Unmetered pause;
  auto found = table.find(id.block);
  if (found == table.end() || found->second.kept == 0) std::abort();
  if (--found->second.kept == 0) table.erase(found);
}

HandleId store(const void* from, uint64_t bytes) {
  Unmetered pause;
  uint64_t at = ++last * 4096, serial = last % 3 + 1;
  Block block = {std::make_unique<uint8_t[]>(bytes), bytes, serial, 1};
  std::memcpy(block.data.get(), from, bytes);
  table.emplace(at, std::move(block));
  return {kKind, at, serial};
}

HandleId reserve(uint64_t bytes, uint8_t** at) {
  std::unique_ptr<uint8_t[]> nothing(new uint8_t[bytes]());
  HandleId id = store(nothing.get(), bytes);
  *at = table.at(id.block).data.get();
  return id;
}

uint64_t size(const HandleId& id) {
  auto found = table.find(id.block);
  if (id.kind != kKind || found == table.end() || found->second.serial != id.serial) return 0;
  bytes_named += found->second.bytes;
  return found->second.bytes;
}

Mapping map(const HandleId& id, uint64_t first, uint64_t bytes) {
  Unmetered pause;
  Block& block = table.at(id.block);
  if (bytes == 0 || first > block.bytes || bytes > block.bytes - first) std::abort();
  if (++asked % 5 == 0) return {nullptr, bytes, 0}; // no room for one more
  auto* at = static_cast<uint8_t*>(std::malloc(bytes));
  std::memcpy(at, block.data.get() + first, bytes);
  block.kept++;
  return {at, bytes, 0};
}

void read(const HandleId& id, uint64_t first, uint64_t bytes, void* to) {
  Block& block = table.at(id.block);
  if (first > block.bytes || bytes > block.bytes - first) std::abort();
  std::memcpy(to, block.data.get() + first, bytes);
}

bool untouched(const uint8_t*, uint64_t) { return false; } // asked once there was a writer

// Each way is taken that a block has to become a vector: as a view, and as a copy.
uint64_t copy_limit() { return asked++ % 2 ? kCopyBytes : 0; }

void may_write(Mapping*) {}

void unmap(const HandleId& id, const Mapping& mapping) {
  std::free(mapping.at);
  drop(id);
}

} // namespace

void damage_blocks(uint64_t choice, uint64_t count) {
  auto change = static_cast<uint8_t>(1u << (choice >> 8 & 7)); // one bit, or all of them
  if (choice >> 11 & 1) change = 0xff;
  for (auto& [at, block] : table) {
    uint64_t reach = choice >> 12 & 1 && block.bytes > 40 ? 40 : block.bytes; // a table is in front
    block.data[(choice >> 16) % reach] ^= change;
    if ((choice >> 13 & 1) != 0 || block.bytes < sizeof count) continue;
    // A block of strings begins with their number: one that agrees with the frame's.
    std::memcpy(&block.before, block.data.get(), sizeof count);
    std::memcpy(block.data.get(), &count, sizeof count);
    block.is_renumbered = true;
  }
}

void restore_blocks(uint64_t choice) {
  for (auto& [at, block] : table) {
    if (!block.is_renumbered) continue;
    std::memcpy(block.data.get(), &block.before, sizeof block.before);
    block.is_renumbered = false;
  }
  damage_blocks(choice | 1u << 13, 0);
}

void set_up_blocks() {
  set_block_hooks({store, reserve, size, map, read, untouched, nullptr, nullptr, nullptr, copy_limit, may_write, unmap, drop});
  register_views(R_getEmbeddingDllInfo());
}

} // namespace fuzz
