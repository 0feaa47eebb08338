// A dict has one table: an index of words, and the records that they lead to. A change writes a
// record that no word leads to yet, then stores one word: that is the commit. A table that is full
// is copied, without what was replaced, and the store of `table` is the commit. Large values are
// children of the dict; `arriving` and `leaving` name a block that is to become one, or to be none
// any more: repair() finds out whether anything leads to it.
#include "dict.h"
#include "guard.h"
#include "heap_internal.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <unordered_set>

namespace mp {

const uint8_t* DictValue::data() const {
  return at_ ? heap().at(at_) : copy_.data();
}

namespace {

constexpr uint64_t kEmpty = 0, kRemoved = 1; // otherwise the offset of a record in the table
constexpr uint64_t kFewSlots = 64;

DictShared& shared(uint64_t dict) { return *heap().at<DictShared>(dict); }

uint64_t hash_of(const std::string& key) { // FNV-1a, and mixed
  uint64_t h = 14695981039346656037u;
  for (unsigned char c : key) h = (h ^ c) * 1099511628211u;
  return h ^ h >> 29;
}

uint64_t record_bytes(uint64_t key_bytes, uint64_t inline_bytes) {
  return sizeof(RecordShared) + padded(key_bytes) + padded(inline_bytes);
}

// A table, as this process maps it.
struct Table {
  explicit Table(uint64_t b) : block(b), t(heap().at<TableShared>(b)) {}
  uint64_t block;
  TableShared* t;
  uint64_t* index() const { return reinterpret_cast<uint64_t*>(t + 1); }
  RecordShared& record(uint64_t offset) const { return *heap().at<RecordShared>(block + offset); }
  const char* key(const RecordShared& r) const { return reinterpret_cast<const char*>(&r + 1); }
  uint8_t* value(RecordShared& r) const {
    return reinterpret_cast<uint8_t*>(&r + 1) + padded(r.key_bytes);
  }
  template <class F> void each(F f) const { // f(record)
    for (uint64_t s = 0; s < t->slots; ++s)
      if (index()[s] > kRemoved) f(record(index()[s]));
  }
  // The slot of the key, or where it would be put.
  uint64_t find(uint64_t hash, const std::string& k, bool* found) const {
    uint64_t mask = t->slots - 1, free = UINT64_MAX;
    for (uint64_t s = hash & mask;; s = (s + 1) & mask) {
      uint64_t word = index()[s];
      if (word == kRemoved) {
        if (free == UINT64_MAX) free = s;
        continue;
      }
      if (word == kEmpty) {
        *found = false;
        return free == UINT64_MAX ? s : free;
      }
      const RecordShared& r = record(word);
      if (r.hash == hash && r.key_bytes == k.size() && !std::memcmp(key(r), k.data(), k.size())) {
        *found = true;
        return s;
      }
    }
  }
};

// What a table for so much needs: half of the index is empty, half of the records' room is free.
struct Room {
  uint64_t slots = kFewSlots;
  uint64_t capacity = 0;
  uint64_t bytes() const { return sizeof(TableShared) + slots * 8 + capacity; }
};
Room room_for(uint64_t items, uint64_t live_bytes) {
  Room r;
  while (r.slots < 2 * items) r.slots *= 2;
  r.capacity = std::max<uint64_t>(4 * kPageBytes, 2 * live_bytes);
  return r;
}

NewBlock new_table(const Room& room) {
  NewBlock block(heap().allocate(room.bytes(), BlockKind::Bytes));
  auto* t = heap().at<TableShared>(block.get());
  t->slots = room.slots;
  t->capacity = room.capacity;
  return block;
}

uint64_t live_bytes(const Table& t) {
  uint64_t n = 0;
  t.each([&](const RecordShared& r) {
    n += record_bytes(r.key_bytes, r.block ? 0 : r.value_bytes);
  });
  return n;
}

// Appends a record that nothing leads to; its offset.
uint64_t append(const Table& t, const RecordShared& head, const char* key, const uint8_t* value) {
  uint64_t at = sizeof(TableShared) + t.t->slots * 8 + t.t->used;
  RecordShared& r = t.record(at);
  r = head;
  std::memcpy(reinterpret_cast<char*>(&r + 1), key, head.key_bytes);
  if (!head.block && head.value_bytes) std::memcpy(t.value(r), value, head.value_bytes);
  t.t->used += record_bytes(head.key_bytes, head.block ? 0 : head.value_bytes);
  return at;
}

void put_word(uint64_t& word, uint64_t v) { __atomic_store_n(&word, v, __ATOMIC_RELEASE); }

void let_child_go(uint64_t dict, uint64_t child) {
  if (heap().has_parent(child, dict)) heap().clear_parent(child);
}

// After an owner of the guard died. In a section of the heap.
void repair(uint64_t dict, DictShared& d) {
  std::unordered_set<uint64_t> in_use;
  uint64_t items = 0;
  if (d.table) {
    in_use.insert(d.table);
    Table(d.table).each([&](const RecordShared& r) {
      ++items;
      if (r.block) in_use.insert(r.block);
    });
  }
  if (d.arriving && !in_use.count(d.arriving)) let_child_go(dict, d.arriving);
  d.arriving = 0;
  if (d.leaving_table && d.leaving_table != d.table && heap().has_parent(d.leaving_table, dict)) {
    // of a table that was cleared, the large values too
    Table(d.leaving_table).each([&](const RecordShared& r) {
      if (r.block && !in_use.count(r.block)) let_child_go(dict, r.block);
    });
    heap().clear_parent(d.leaving_table);
  }
  d.leaving_table = 0;
  if (d.leaving && !in_use.count(d.leaving)) let_child_go(dict, d.leaving);
  d.leaving = 0;
  d.items.store(items, std::memory_order_release);
}

void forget(uint64_t dict, Token gone) { forget_waiter(shared(dict).guard.waiters, slot_of(gone)); }

const KindActions actions(BlockKind::Dict, nullptr, forget);

} // namespace

// The dict's guard for the length of a scope, and the heap's within it when blocks change.
class DictAccess {
public:
  explicit DictAccess(uint64_t dict) : dict_(dict), d_(shared(dict)) {
    Status s = lock_guard(d_.guard);
    if (s == Status::OwnerDied) {
      HeapSection section(heap(), platform::kForever);
      if (!section.held()) {
        unlock_torn_guard(d_.guard);
        refuse_guard(section.status(), heap().header().guard);
      }
      repair(dict_, d_);
    } else if (s != Status::Ok) refuse_guard(s, d_.guard);
  }
  DictAccess(const DictAccess&) = delete;
  DictAccess& operator=(const DictAccess&) = delete;
  ~DictAccess() {
    heap_.reset();
    unlock_guard(d_.guard);
  }

  bool empty() const { return d_.table == 0; }
  Table table() const { return Table(d_.table); }
  DictShared& shared_part() { return d_; }
  // Before the first store: it may throw.
  void open_heap() {
    if (!heap_) heap_.emplace(heap());
  }

  bool get(const std::string& key, DictValue* out) {
    if (empty()) return false;
    bool found;
    Table t = table();
    uint64_t slot = t.find(hash_of(key), key, &found);
    if (found) copy_out(t, t.record(t.index()[slot]), out);
    return found;
  }

  void copy_out(const Table& t, RecordShared& r, DictValue* out) {
    out->size_ = r.value_bytes;
    out->stamp_ = r.stamp;
    if (r.block) {
      open_heap();
      heap().hold(r.block);
      out->block_ = NewBlock(out->at_ = r.block);
    } else {
      const uint8_t* from = t.value(r);
      out->copy_.assign(from, from + r.value_bytes);
    }
  }

  // False: `*wanted` is the table that it needs first.
  bool put(const std::string& key, uint64_t hash, const DictInput& in, uint64_t stamp,
           NewBlock* fresh, Room* wanted, bool* matches) {
    uint64_t need = record_bytes(key.size(), in.block ? 0 : in.size);
    bool found = false;
    uint64_t now = 0, old_block = 0;
    if (!empty()) {
      Table t = table();
      uint64_t slot = t.find(hash, key, &found);
      if (found) {
        now = t.record(t.index()[slot]).stamp;
        old_block = t.record(t.index()[slot]).block;
      }
    }
    *matches = stamp == kAnyStamp || stamp == now;
    if (!*matches) return true;
    if (!has_room(need)) {
      uint64_t items = d_.items.load(std::memory_order_relaxed);
      *wanted = room_for(items + 1, (empty() ? 0 : live_bytes(table())) + need);
      if (!fresh->get() || heap().bytes_of(fresh->get()) < wanted->bytes()) return false;
      open_heap();
      move_to(fresh);
    }
    if (in.block || old_block) open_heap();
    Table t = table();
    uint64_t slot = t.find(hash, key, &found);
    RecordShared head{};
    head.hash = hash;
    head.stamp = ++d_.changes;
    head.order = found ? t.record(t.index()[slot]).order : head.stamp;
    head.key_bytes = uint32_t(key.size());
    head.value_bytes = in.size;
    head.block = in.block;
    if (in.block) {
      d_.arriving = in.block;
      std::atomic_signal_fence(std::memory_order_seq_cst); // a death sees these in this order
      heap().set_parent(in.block, dict_);
    }
    if (old_block) d_.leaving = old_block;
    bool reused = t.index()[slot] != kEmpty;
    uint64_t at = append(t, head, key.data(), in.bytes);
    if (!reused) ++t.t->occupied;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    put_word(t.index()[slot], at); // the commit
    std::atomic_signal_fence(std::memory_order_seq_cst);
    d_.arriving = 0;
    if (!found) d_.items.store(d_.items.load(std::memory_order_relaxed) + 1,
                               std::memory_order_release);
    drop_leaving();
    return true;
  }

  bool remove(const std::string& key, DictValue* out) {
    if (empty()) return false;
    bool found;
    Table t = table();
    uint64_t slot = t.find(hash_of(key), key, &found);
    if (!found) return false;
    RecordShared& r = t.record(t.index()[slot]);
    if (out) copy_out(t, r, out);
    if (r.block) {
      open_heap();
      d_.leaving = r.block;
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    put_word(t.index()[slot], kRemoved); // the commit
    std::atomic_signal_fence(std::memory_order_seq_cst);
    d_.items.store(d_.items.load(std::memory_order_relaxed) - 1, std::memory_order_release);
    drop_leaving();
    return true;
  }

  void clear() {
    if (empty()) return;
    open_heap();
    Table old = table();
    d_.leaving_table = old.block;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    put_word(d_.table, 0); // the commit
    std::atomic_signal_fence(std::memory_order_seq_cst);
    d_.items.store(0, std::memory_order_release);
    old.each([&](const RecordShared& r) {
      if (r.block) let_child_go(dict_, r.block);
    });
    heap().clear_parent(old.block);
    d_.leaving_table = 0;
  }

private:
  bool has_room(uint64_t need) const {
    if (empty()) return false;
    const TableShared& t = *table().t;
    return t.used + need <= t.capacity && 4 * (t.occupied + 1) <= 3 * t.slots;
  }

  // In a section of the heap.
  void move_to(NewBlock* fresh) {
    Table to(fresh->get());
    if (!empty()) {
      Table from = table();
      from.each([&](RecordShared& r) {
        std::string key(from.key(r), r.key_bytes);
        bool found;
        uint64_t slot = to.find(r.hash, key, &found);
        to.index()[slot] = append(to, r, key.data(), from.value(r));
        ++to.t->occupied;
      });
    }
    d_.arriving = to.block;
    d_.leaving_table = d_.table;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    heap().set_parent(to.block, dict_);
    put_word(d_.table, to.block); // the commit
    std::atomic_signal_fence(std::memory_order_seq_cst);
    d_.arriving = 0;
    if (d_.leaving_table) heap().clear_parent(d_.leaving_table);
    d_.leaving_table = 0; // `fresh` still belongs to the caller, which drops it outside the guard
  }

  void drop_leaving() {
    if (!d_.leaving) return;
    let_child_go(dict_, d_.leaving);
    d_.leaving = 0;
  }

  uint64_t dict_;
  DictShared& d_;
  std::optional<HeapSection> heap_;
};

uint64_t create_dict(uint64_t lock, uint64_t face) {
  NewBlock block(heap().allocate(sizeof(DictShared), BlockKind::Dict));
  shared(block.get()).face = face;
  shared(block.get()).lock = {Heap::page_of(lock), heap().serial_of(lock)};
  heap().seal(block.get(), offsetof(DictShared, lock), 1);
  return block.release();
}

uint64_t dict_face(uint64_t dict) { return shared(dict).face; }
uint64_t dict_lock(uint64_t dict) { return shared(dict).lock.page * kPageBytes; }

bool dict_get(uint64_t dict, const std::string& key, DictValue* value) {
  DictAccess access(dict);
  return access.get(key, value);
}

bool dict_put(uint64_t dict, const std::string& key, const DictInput& in, uint64_t stamp) {
  uint64_t hash = hash_of(key);
  NewBlock fresh; // a larger table, made outside the guard: that may fail, and may take time
  Room wanted;
  for (;;) {
    {
      DictAccess access(dict);
      bool matches;
      if (access.put(key, hash, in, stamp, &fresh, &wanted, &matches)) return matches;
    }
    fresh = new_table(wanted);
  }
}

bool dict_remove(uint64_t dict, const std::string& key, DictValue* value) {
  DictAccess access(dict);
  return access.remove(key, value);
}

void dict_clear(uint64_t dict) {
  DictAccess access(dict);
  access.clear();
}

std::vector<DictItem> dict_items(uint64_t dict, bool with_values) {
  std::vector<std::pair<uint64_t, DictItem>> found;
  {
    DictAccess access(dict);
    if (access.empty()) return {};
    if (with_values) access.open_heap();
    Table t = access.table();
    t.each([&](RecordShared& r) {
      DictItem item;
      item.key.assign(t.key(r), r.key_bytes);
      if (with_values) access.copy_out(t, r, &item.value);
      found.emplace_back(r.order, std::move(item));
    });
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<DictItem> items;
  for (auto& f : found) items.push_back(std::move(f.second));
  return items;
}

uint64_t dict_length(uint64_t dict) {
  DictShared& d = shared(dict);
  Token owner = d.guard.owner.load(std::memory_order_relaxed);
  if (owner && !is_alive(owner)) DictAccess repaired(dict);
  return d.items.load(std::memory_order_acquire);
}

} // namespace mp
