#include "lock.h"
#include "deadlock.h"
#include "heap.h"

#include <optional>

namespace mp {
namespace {

LockShared& shared(uint64_t block) { return *heap().at<LockShared>(block); }

void forget(uint64_t block, Token gone) { forget_waiter(shared(block).waiters, slot_of(gone)); }

const KindActions actions(BlockKind::Lock, nullptr, forget);

} // namespace

bool is_recursive(uint64_t block) { return shared(block).recursive; }
WaiterMask& lock_waiters(uint64_t block) { return shared(block).waiters; }

uint64_t create_lock(bool recursive) {
  uint64_t block = heap().allocate(sizeof(LockShared), BlockKind::Lock);
  shared(block).recursive = recursive;
  return block;
}

bool try_acquire_lock(uint64_t block, Token me, Status* how, Token* holder) {
  LockShared& l = shared(block);
  uint32_t v = 0;
  // acquire: pairs with the CAS in release_lock()
  if (l.owner.compare_exchange_strong(v, me, std::memory_order_acquire)) {
    l.depth = 1;
    *how = Status::Ok;
    return true;
  }
  if (v == me && l.recursive) {
    ++l.depth;
    *how = Status::Ok;
    return true;
  }
  *holder = v;
  if (v == me || is_alive(v)) return false;
  if (l.owner.compare_exchange_strong(v, me, std::memory_order_acquire)) {
    l.depth = 1;
    *how = v == 0 ? Status::Ok : Status::OwnerDied;
    return true;
  }
  return false;
}

Status acquire_lock(uint64_t block, const Wait& wait) {
  Token me = self(), holder = 0;
  Status how = Status::Ok;
  if (try_acquire_lock(block, me, &how, &holder)) return how;
  if (wait.deadline <= 0) return Status::Timeout;
  if (holder == me && wait.deadline == platform::kForever) return Status::Closed;
  std::optional<Blocked> blocked; // a wait with a limit ends by itself
  if (wait.deadline == platform::kForever) blocked.emplace(Blocked::kLock, block);
  Waiter waiter(wait);
  waiter.add(lock_waiters(block));
  Status s = waiter.until([&] {
    if (try_acquire_lock(block, me, &how, &holder)) return true;
    if (blocked) blocked->look();
    waiter.watch(holder);
    return false;
  });
  return s == Status::Ok ? how : s;
}

Released release_lock(uint64_t block) {
  LockShared& l = shared(block);
  Token owner = l.owner.load(std::memory_order_relaxed);
  if (owner == 0) return Released::NotLocked;
  if (l.recursive) {
    if (owner != self()) return Released::NotOwner;
    if (--l.depth > 0) return Released::Ok;
  } else if (owner != self()) {
    l.handed_over.store(1, std::memory_order_relaxed); // a hint for Blocked::look()
  }
  // Pairs with the acquire CAS in try_acquire_lock(). A CAS, since two may release at once;
  // seq_cst, since a process that begins to wait either sees it, or is seen.
  if (!l.owner.compare_exchange_strong(owner, 0, std::memory_order_seq_cst))
    return Released::NotLocked;
  if (anybody_waits(l.waiters)) wake_one(l.waiters);
  return Released::Ok;
}

bool is_locked(uint64_t block) { return lock_owner(block) != 0; }

uint32_t lock_depth(uint64_t block) {
  LockShared& l = shared(block);
  // If it is ours, no other process writes `depth`.
  return l.owner.load(std::memory_order_relaxed) == self() ? l.depth : 0;
}

uint32_t release_lock_whole(uint64_t block) {
  LockShared& l = shared(block);
  uint32_t depth = l.depth;
  l.depth = 1; // of an RLock: release_lock() then gives it back
  release_lock(block);
  return depth;
}

void set_lock_depth(uint64_t block, uint32_t depth) { shared(block).depth = depth; }

Token lock_owner(uint64_t block) {
  Token t = shared(block).owner.load(std::memory_order_relaxed);
  return is_alive(t) ? t : 0;
}

} // namespace mp
