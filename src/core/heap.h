// The session's shared memory: blocks of whole pages, and what keeps them alive.
#pragma once

#include "doorbell.h"
#include "layout.h"
#include "participant.h"

#include <functional>
#include <utility>
#include <vector>

namespace mp {

struct BlockInfo { // one used block
  uint64_t offset, serial, bytes, backed_bytes;
  BlockKind kind;
  Token creator;
  uint32_t referrers;
  bool is_child;
  std::vector<Token> holders;
};

struct HeapReport { // what Heap::check() found
  uint64_t used_blocks = 0;
  uint64_t used_bytes = 0;
  uint64_t backed_bytes = 0; // what the system has really given
  uint64_t total_bytes = 0;
  std::string problem; // empty: consistent
};

// What a kind of block does when it is freed (of sealed blocks alone), and how it forgets a participant that has ended. Called
// under the heap's guard: they ring doorbells and write their own block, nothing else. The file of the kind has one,
// which is known from the start of the program on.
struct KindActions {
  KindActions(BlockKind kind, void (*on_free)(uint64_t block), void (*forget)(uint64_t block, Token gone));
};

class Heap {
public:
  static void create(uint64_t bytes = 0); // 0: as much as the machine allows
  static void attach(int fd, uint64_t nonce);

  HeapHeader& header() { return *reinterpret_cast<HeapHeader*>(base_); }
  int fd() const { return fd_; }

  template <class T = uint8_t> T* at(uint64_t offset) {
    return reinterpret_cast<T*>(base_ + offset);
  }

  // A zeroed block (when `zero`), held by the caller; belongs to `parent` too when given. Throws
  // Error("HeapFullError") with the numbers.
  uint64_t allocate(uint64_t bytes, BlockKind kind, bool zero = true);
  // A block with a copy of the `bytes` (> 0) at `from`, held by the caller.
  // `lead` bytes of the block come before the copy.
  uint64_t allocate_copy(const void* from, uint64_t bytes, uint64_t lead = 0);
  // What is asked to free memory of this process before an allocation fails; then it is tried
  // again. Called without a guard, by the thread that allocates; may not throw.
  void set_reclaim(void (*reclaim)()) { reclaim_ = reclaim; }
  // Declares that the block refers to others (pairs of page and serial at `offset` in it). The
  // caller holds each of them. From now on they live as long as the block.
  void seal(uint64_t block, uint64_t offset, uint32_t count);

  void hold(uint64_t block);                  // the caller's bit
  bool hold(uint64_t block, uint64_t serial); // only if it is still that block
  void hold_for(uint64_t block, Token t);
  // Never throws or blocks. If the guard is busy, the drop is queued and done before this process's
  // next heap operation.
  void drop(uint64_t block) noexcept;
  void drop_later_ones() noexcept;                  // if there are any, and if it is possible now
  void forget_postponed();                          // in a fork's child: they were its parent's
  void set_parent(uint64_t child, uint64_t parent); // the caller keeps its own hold
  void clear_parent(uint64_t child);
  bool has_parent(uint64_t child, uint64_t parent);
  // Others than `but` that hold the block (their tokens), at most `room`.
  // None while the guard is busy.
  int holders(uint64_t block, Token but, Token* out, int room);
  Token guard_holder() { return header().guard.owner.load(std::memory_order_relaxed); }

  uint64_t serial_of(uint64_t block) { return record(page_of(block)).serial; }
  uint64_t bytes_of(uint64_t block) { return record(page_of(block)).bytes; }
  uint64_t bytes_of(uint64_t block, uint64_t serial); // 0: it is not that block
  BlockKind kind_of(uint64_t block) { return record(page_of(block)).kind; }
  BlockRecord& record(uint64_t page) { return records_[page]; }
  static uint64_t page_of(uint64_t offset) { return offset / kPageBytes; }

  bool inherit(Token parent, Token child) noexcept; // a fork copies what the parent holds
  // Of what the caller holds, keeps only blocks for which keep(block) is true; or all, if the guard
  // cannot be acquired.
  void keep_only(const std::function<bool(uint64_t)>& keep);
  bool sweep(Token gone) noexcept; // Dead -> Free; false: the guard was not acquired
  HeapReport check();
  std::vector<BlockInfo> blocks();
  // Gives free pages back to the system, except about `keep_pages` of them.
  void trim(uint64_t keep_pages) noexcept;

private:
  friend class HeapSection;
  struct Postponed { // a drop, and the participant whose hold it is
    uint64_t page;
    Token holder;
    Postponed* next;
  };
  void postpone(uint64_t page) noexcept;
  void drop_postponed(); // under the guard
  void map(int fd, uint64_t bytes);
  void rebuild(); // derives everything again from run[] and the records; after a takeover
  uint64_t find_room(uint64_t bytes, BlockKind kind, const void* from, uint64_t lead);
  uint64_t try_allocate(uint64_t bytes, BlockKind kind, const void* from, uint64_t lead,
                        std::string* why);
  int fill(uint64_t offset, const void* from, uint64_t bytes);
  uint64_t take_run(uint64_t pages, bool* backed);
  void make_block(uint64_t page, uint64_t pages, uint64_t bytes, BlockKind kind, bool backed); // held by the caller
  void give_run(uint64_t page, uint64_t pages, bool backed, uint64_t warm);
  void list_add(uint64_t page, uint64_t pages, bool backed, uint64_t warm);
  void list_remove(uint64_t page, uint64_t pages);
  void release(uint64_t page); // frees the block if nothing keeps it, and what it alone kept
  void unlink_child(uint64_t page);
  void link_child(uint64_t page, uint64_t parent);
  bool needed(const BlockRecord& r) const;
  bool is_block(uint64_t block, uint64_t serial); // under the guard
  template <class F> void each_used(F f);

  uint8_t* base_ = nullptr;
  uint64_t* runs_ = nullptr;
  BlockRecord* records_ = nullptr;
  int fd_ = -1;
  void (*reclaim_)() = nullptr;
  std::atomic<Postponed*> postponed_{nullptr}; // this process's, of any of its threads
};

Heap& heap();
bool heap_exists();

// A block from its making until something else keeps it: dropped at the end of the scope.
class NewBlock {
public:
  explicit NewBlock(uint64_t block = 0) : block_(block) {}
  NewBlock(const NewBlock&) = delete;
  NewBlock& operator=(const NewBlock&) = delete;
  NewBlock(NewBlock&& other) noexcept : block_(other.release()) {}
  NewBlock& operator=(NewBlock&& other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~NewBlock() {
    if (block_) heap().drop(block_);
  }
  uint64_t get() const { return block_; }
  uint64_t release() { return std::exchange(block_, 0); } // its caller's from here on

private:
  uint64_t block_;
};

} // namespace mp
