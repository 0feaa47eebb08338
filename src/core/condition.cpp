// A notice is for one participant, and is in its word. README.md, "Notices", has what a death leaves.
#include "condition.h"
#include "heap.h"
#include "lock.h"

namespace mp {
namespace {

ConditionShared& shared(uint64_t block) { return *heap().at<ConditionShared>(block); }

NoticeState state_in(uint64_t word) { return NoticeState(word & 3); }
uint64_t word_of(uint64_t ticket, NoticeState s) { return ticket << 2 | uint64_t(s); }

Token token_at(uint32_t slot) {
  return make_token(slot, heap().header().participants[slot].look().generation);
}

template <class F> void each_word(ConditionShared& c, F f) { // f(slot, word) of those in use
  uint32_t top = heap().header().top_slot.load(std::memory_order_relaxed);
  for (uint32_t slot = 0; slot < top; ++slot) {
    uint64_t word = c.notices[slot].load(std::memory_order_acquire);
    if (word) f(slot, word);
  }
}

// The one that has waited longest, of those alive. Allocates nothing: a sweep calls it.
bool notify_one(ConditionShared& c) {
  for (;;) {
    uint64_t first = 0;
    uint32_t at = 0;
    each_word(c, [&](uint32_t slot, uint64_t word) {
      if (state_in(word) != NoticeState::Waiting || (first && word > first)) return;
      if (!is_alive(token_at(slot))) return;
      first = word;
      at = slot;
    });
    if (!first) return false;
    // release: the participant that it wakes sees what the notifier did before; pairs with the acquire there.
    // Fails if that participant is just leaving: then the next one.
    uint64_t notified = word_of(first >> 2, NoticeState::Notified);
    if (!c.notices[at].compare_exchange_strong(first, notified, std::memory_order_acq_rel)) continue;
    ring(token_at(at)); // if it is dead by now, its sweep finds the notice
    return true;
  }
}

// The word of a participant, from the beginning to the end of its wait.
class ConditionWait {
public:
  explicit ConditionWait(ConditionShared& c) : c_(c), word_(c.notices[slot_of(self())]) {
    uint64_t ticket = c.tickets.fetch_add(1, std::memory_order_relaxed) + 1;
    waiting_ = word_of(ticket, NoticeState::Waiting);
    word_.store(waiting_, std::memory_order_release); // pairs with each_word()
  }
  ConditionWait(const ConditionWait&) = delete;
  ConditionWait& operator=(const ConditionWait&) = delete;
  bool notified() const { return word_.load(std::memory_order_acquire) != waiting_; }
  // From here on it cannot be notified; false: it was notified already.
  bool withdraw() {
    uint64_t expected = waiting_;
    return word_.compare_exchange_strong(expected, 0, std::memory_order_acq_rel);
  }
  void consume() { consumed_ = true; }
  ~ConditionWait() {
    if (!withdraw() && notified_here() && !consumed_) notify_one(c_); // not used: pass it on
    word_.store(0, std::memory_order_release);
  }

private:
  bool notified_here() const {
    return state_in(word_.load(std::memory_order_relaxed)) == NoticeState::Notified;
  }
  ConditionShared& c_;
  std::atomic<uint64_t>& word_;
  uint64_t waiting_;
  bool consumed_ = false;
};

// A notice for a dead participant is not taken: the sweep passes it on.
void watch_notified(ConditionShared& c, Waiter& waiter) {
  each_word(c, [&](uint32_t slot, uint64_t word) {
    if (state_in(word) == NoticeState::Notified) waiter.watch(token_at(slot));
  });
}

void forget(uint64_t block, Token gone) {
  ConditionShared& c = shared(block);
  std::atomic<uint64_t>& word = c.notices[slot_of(gone)];
  // If the sweeping process dies between the two, one participant more is woken than was notified.
  if (state_in(word.load(std::memory_order_acquire)) == NoticeState::Notified) notify_one(c);
  word.store(0, std::memory_order_release);
}

Status take_again(uint64_t lock, uint32_t depth, Wait wait) {
  wait.deadline = platform::kForever;
  Status s = acquire_lock(lock, wait);
  if (s == Status::Ok || s == Status::OwnerDied) set_lock_depth(lock, depth);
  return s;
}

const KindActions actions(BlockKind::Condition, nullptr, forget);

} // namespace

uint64_t condition_lock(uint64_t block) { return shared(block).lock.page * kPageBytes; }

uint64_t create_condition(uint64_t lock) {
  NewBlock block(heap().allocate(sizeof(ConditionShared), BlockKind::Condition));
  shared(block.get()).lock = {Heap::page_of(lock), heap().serial_of(lock)};
  heap().seal(block.get(), offsetof(ConditionShared, lock), 1);
  return block.release();
}

Status wait_for_notice(uint64_t block, const Wait& wait, bool* owner_died) {
  ConditionShared& c = shared(block);
  uint64_t lock = condition_lock(block);
  *owner_died = false;
  ConditionWait mine(c); // before the lock is free, so that no notice is missed
  uint32_t depth = release_lock_whole(lock);
  Status s;
  try {
    Waiter waiter(wait); // no mask: a notifier rings the doorbell of the participant that it has chosen
    s = waiter.until([&] {
      if (mine.notified()) return true;
      watch_notified(c, waiter);
      return false;
    });
  } catch (...) {
    take_again(lock, depth, wait);
    throw;
  }
  if (s == Status::Timeout && !mine.withdraw()) s = Status::Ok;
  Status how = take_again(lock, depth, wait);
  *owner_died = how == Status::OwnerDied;
  if (how == Status::Interrupted) return how;
  if (s == Status::Ok) mine.consume();
  return s;
}

uint32_t notify(uint64_t block, uint32_t n) {
  ConditionShared& c = shared(block);
  uint32_t woken = 0;
  while (woken < n && notify_one(c)) ++woken;
  return woken;
}

uint32_t condition_waiting(uint64_t block) {
  uint32_t n = 0;
  each_word(shared(block), [&](uint32_t, uint64_t word) {
    n += state_in(word) == NoticeState::Waiting;
  });
  return n;
}

} // namespace mp
