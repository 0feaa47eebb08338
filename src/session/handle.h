// Handles: R's external pointers to blocks of the heap, and how long this process holds a block.
#pragma once

#include "codec/codec.h"
#include "core/heap.h"
#include "r/call.h"

namespace mp::bind {

struct Handle {
  BlockKind kind;
  uint64_t block;
  uint64_t serial;
  bool shut = false; // a queue that this process has closed
};

// An external pointer to nothing yet: the owner is made before what it will own. May jump.
SEXP new_pointer(SEXP tag, SEXP kept, R_CFinalizer_t finalize, Rboolean at_exit);
// Marks pointers to memory with a name: they are nil in another process, where R opens the name again.
SEXP named_memory_tag();
// The caller's hold on `block` passes to the new pointer. May jump.
SEXP make_handle(uint64_t block, BlockKind kind);
SEXP new_handle(uint64_t block, BlockKind kind);     // the same, but throws, and then has dropped the block
SEXP another_handle(uint64_t block, BlockKind kind); // takes a hold of its own of a block that others keep
uint64_t handles_made();                             // by this process so far
// The same for an owner that is no pointer of R's: a block is dropped with the last of both.
void keep_block(uint64_t block);
bool keep_block(uint64_t block, uint64_t serial); // takes a hold; false: it is not that block
void let_go(uint64_t block);
// Such an owner for the length of a scope. 0: no block.
class KeptBlock {
public:
  explicit KeptBlock(uint64_t block) : block_(block) {
    if (block_) keep_block(block_);
  }
  KeptBlock(KeptBlock&& other) noexcept : block_(std::exchange(other.block_, 0)) {}
  ~KeptBlock() {
    if (block_) let_go(block_);
  }

private:
  uint64_t block_;
};
// Gives up a hold that is not counted. Handles and views that this process has made meanwhile keep
// the block.
void drop_uncounted(uint64_t block);
void defer_drop(uint64_t block); // the same, for finalizers
Handle& handle_of(SEXP pointer, BlockKind kind);
// The pointer of a handle, or the pointer itself; NULL for anything else.
SEXP pointer_of(SEXP x);
// What R code gets for a block: a handle where there is one of that kind, or the pointer. The
// caller keeps its own hold. May signal R errors.
SEXP handle_object(uint64_t block, BlockKind kind);
inline uint64_t block_of(SEXP pointer, BlockKind kind) { return handle_of(pointer, kind).block; }
void close_handle(SEXP pointer);
// In a child: keeps what R's pointers and its own process block need.
void keep_held_blocks(uint64_t process);
bool is_open(SEXP pointer);
std::vector<Reference> references_of(const std::vector<codec::HandleId>& handles);
uint64_t store_value(SEXP value); // encoded, in a block of its own that the caller holds
uint64_t store_encoded(const codec::Encoding& e);

// The codec's hooks; `own_pointer` is one of them, of a file above this one.
void prepare_handles(SEXP (*own_pointer)(uint64_t address));

} // namespace mp::bind
