// A table of values by name, which several processes change, and which no death leaves half
// changed.
#pragma once

#include "heap.h"

#include <string>
#include <vector>

namespace mp {

// BlockKind::Dict; keeps `lock`, for callers that change several things as one.
uint64_t create_dict(uint64_t lock, uint64_t face);
uint64_t dict_lock(uint64_t dict);
uint64_t dict_face(uint64_t dict); // what the binding shows it as

// A value as it came out: small ones were copied, large ones are a block that this holds.
class DictValue {
public:
  const uint8_t* data() const;
  uint64_t size() const { return size_; }
  bool in_block() const { return at_ != 0; } // what it refers to lives as long as that
  uint64_t stamp() const { return stamp_; } // of the change that put it there
  // The block, 0: none. Its hold is the caller's from here on, data() stays valid with it.
  uint64_t release_block() { return block_.release(); }

private:
  friend class DictAccess;
  std::vector<uint8_t> copy_;
  NewBlock block_;
  uint64_t at_ = 0; // the block
  uint64_t size_ = 0;
  uint64_t stamp_ = 0;
};

// A value to be put: bytes that are copied, or a block that the caller holds and keeps holding.
struct DictInput {
  const uint8_t* bytes = nullptr;
  uint64_t size = 0; // of the value, in the block as well
  uint64_t block = 0;
};
constexpr uint64_t kInDict = 4096; // larger values get a block of their own
constexpr uint64_t kAnyStamp = UINT64_MAX;

// All of them wait for other processes' operations, at most as long as any guard is waited for, and
// then throw GuardTimeout, having changed nothing.
bool dict_get(uint64_t dict, const std::string& key, DictValue* value); // false: no such key
// `stamp`: only if the value there has this one (0: there is none). False: it has not.
bool dict_put(uint64_t dict, const std::string& key, const DictInput& in,
              uint64_t stamp = kAnyStamp);
bool dict_remove(uint64_t dict, const std::string& key, DictValue* value);
void dict_clear(uint64_t dict);
struct DictItem {
  std::string key;
  DictValue value;
};
// In the order in which the keys came. All as they are at one moment.
std::vector<DictItem> dict_items(uint64_t dict, bool with_values);
uint64_t dict_length(uint64_t dict);

} // namespace mp
