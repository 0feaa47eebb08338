// One word counts the permits, and a word for each slot the permits that it owns. README.md, "Permits
// that come back", says why no death loses or doubles one.
#include "semaphore.h"
#include "heap.h"

namespace mp {
namespace {

SemaphoreShared& shared(uint64_t block) { return *heap().at<SemaphoreShared>(block); }

uint32_t turn_of(uint64_t held) { return uint32_t(held >> 32); }
uint32_t count_of(uint64_t held) { return uint32_t(held); }
uint64_t held_word(uint32_t turn, uint32_t count) { return uint64_t(turn) << 32 | count; }

bool same_entry(const SemaphoreWord& a, const SemaphoreWord& b) {
  return a.slot == b.slot && a.turn == b.turn && a.giving == b.giving;
}

// Enters what `w` names into its slot's count, unless that was done, and takes the name away.
void enter_count(SemaphoreShared& s, SemaphoreWord w) {
  std::atomic<uint64_t>& held = s.held[w.slot - 1];
  // acquire: pairs with the CAS below, of another one
  uint64_t before = held.load(std::memory_order_acquire);
  uint64_t now = s.state.load(std::memory_order_acquire);
  // `w` is still named, so `before` is the count before it was entered, or after: its turn tells which.
  if (!same_entry(SemaphoreWord::unpack(now), w)) return;
  if (turn_of(before) != w.turn) {
    uint32_t count = w.giving ? count_of(before) - 1 : count_of(before) + 1;
    held.compare_exchange_strong(before, held_word(w.turn, count), std::memory_order_acq_rel);
  }
  for (;;) {
    SemaphoreWord at = SemaphoreWord::unpack(now); // its permits may change meanwhile
    if (!same_entry(at, w)) return;
    at.slot = 0;
    if (s.state.compare_exchange_weak(now, at.pack(), std::memory_order_acq_rel)) return;
  }
}

// One permit from the word to the slot's count, or back. False: there is none. For the dead, any
// process may give back: the second one finds the word changed, looks again, and sees the count.
bool move_owned(SemaphoreShared& s, uint32_t slot, bool giving) {
  uint64_t v = s.state.load(std::memory_order_acquire);
  for (;;) {
    SemaphoreWord w = SemaphoreWord::unpack(v);
    if (w.slot) {
      enter_count(s, w);
      v = s.state.load(std::memory_order_acquire);
      continue;
    }
    if (!giving && w.permits == 0) return false;
    uint64_t held = s.held[slot].load(std::memory_order_acquire);
    if (giving && count_of(held) == 0) return false;
    uint32_t last = turn_of(held);
    SemaphoreWord next = w;
    if (giving) next.permits = w.permits < s.most ? w.permits + 1 : w.permits;
    else --next.permits;
    next.giving = giving;
    next.slot = slot + 1;
    do next.turn = (next.turn + 1) & SemaphoreWord::kTurns;
    while (next.turn == last);
    // seq_cst: a process that begins to wait either sees it, or is seen
    if (!s.state.compare_exchange_weak(v, next.pack(), std::memory_order_seq_cst)) continue;
    enter_count(s, next);
    return true;
  }
}

bool try_acquire(SemaphoreShared& s, bool owned) {
  if (owned) return move_owned(s, slot_of(self()), false);
  uint64_t v = s.state.load(std::memory_order_relaxed);
  for (;;) {
    SemaphoreWord w = SemaphoreWord::unpack(v);
    if (w.permits == 0) return false;
    --w.permits;
    // acquire: pairs with the CAS of the process that released it
    if (s.state.compare_exchange_weak(v, w.pack(), std::memory_order_acquire)) return true;
  }
}

// Watches the owners: their permits come back when they die. True: some did; the system may need a while until the
// sweep can see that the process has ended.
bool watch_owners(SemaphoreShared& s, Waiter& waiter) {
  HeapHeader& h = heap().header();
  uint32_t top = h.top_slot.load(std::memory_order_relaxed);
  bool back = false;
  for (uint32_t slot = 0; slot < top; ++slot) {
    if (!count_of(s.held[slot].load(std::memory_order_relaxed))) continue;
    Token owner = make_token(slot, h.participants[slot].look().generation);
    if (is_alive(owner)) waiter.watch(owner);
    else
      while (move_owned(s, slot, true)) back = true;
  }
  return back;
}

void forget(uint64_t block, Token gone) {
  SemaphoreShared& s = shared(block);
  uint32_t slot = slot_of(gone);
  forget_waiter(s.waiters, slot);
  SemaphoreWord w = SemaphoreWord::unpack(s.state.load(std::memory_order_acquire));
  if (w.slot == slot + 1) enter_count(s, w);
  // If the sweeping process dies here, the sweep is done again: each permit is given back whole.
  while (count_of(s.held[slot].load(std::memory_order_acquire))) {
    move_owned(s, slot, true);
    wake_one(s.waiters);
  }
}

const KindActions actions(BlockKind::Semaphore, nullptr, forget);

} // namespace

uint64_t create_semaphore(uint32_t permits, bool bounded) {
  uint64_t block = heap().allocate(sizeof(SemaphoreShared), BlockKind::Semaphore);
  SemaphoreShared& s = shared(block);
  s.most = bounded ? permits : SemaphoreWord::kMost;
  s.state.store(SemaphoreWord{permits, false, 0, 0}.pack(), std::memory_order_release);
  return block;
}

Status acquire_semaphore(uint64_t block, const Wait& wait, bool owned) {
  SemaphoreShared& s = shared(block);
  if (try_acquire(s, owned)) return Status::Ok;
  if (wait.deadline <= 0) return Status::Timeout;
  Waiter waiter(wait);
  waiter.add(s.waiters);
  Status how = waiter.until([&] {
    if (try_acquire(s, owned)) return true;
    return watch_owners(s, waiter) && try_acquire(s, owned);
  });
  // More than one permit may have come back: each waiter that gets one wakes the next.
  if (how == Status::Ok && semaphore_value(block) && anybody_waits(s.waiters)) wake_one(s.waiters);
  return how;
}

bool release_semaphore(uint64_t block) {
  SemaphoreShared& s = shared(block);
  uint64_t v = s.state.load(std::memory_order_relaxed);
  SemaphoreWord w;
  do {
    w = SemaphoreWord::unpack(v);
    if (w.permits >= s.most) return false;
    ++w.permits;
    // Pairs with the acquire in try_acquire(). seq_cst: a process that begins to wait either sees it, or
    // is seen.
  } while (!s.state.compare_exchange_weak(v, w.pack(), std::memory_order_seq_cst));
  if (anybody_waits(s.waiters)) wake_one(s.waiters);
  return true;
}

void release_owned(uint64_t block) {
  SemaphoreShared& s = shared(block);
  if (owned_permits(block) == 0) return;
  move_owned(s, slot_of(self()), true);
  if (anybody_waits(s.waiters)) wake_one(s.waiters);
}

uint32_t owned_permits(uint64_t block) {
  return count_of(shared(block).held[slot_of(self())].load(std::memory_order_relaxed));
}

uint32_t semaphore_value(uint64_t block) {
  return SemaphoreWord::unpack(shared(block).state.load(std::memory_order_relaxed)).permits;
}

WaiterMask& semaphore_waiters(uint64_t block) { return shared(block).waiters; }
bool semaphore_bounded(uint64_t block) { return shared(block).most != SemaphoreWord::kMost; }

} // namespace mp
