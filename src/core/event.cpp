#include "event.h"
#include "heap.h"

namespace mp {
namespace {

EventShared& shared(uint64_t block) { return *heap().at<EventShared>(block); }

void forget(uint64_t block, Token gone) { forget_waiter(shared(block).waiters, slot_of(gone)); }

const KindActions actions(BlockKind::Event, nullptr, forget);

} // namespace

WaiterMask& event_waiters(uint64_t block) { return shared(block).waiters; }

uint64_t create_event() {
  return heap().allocate(sizeof(EventShared), BlockKind::Event);
}

void set_event(uint64_t block) {
  EventShared& e = shared(block);
  uint64_t v = e.state.load(std::memory_order_relaxed);
  do {
    if (v & 1) break; // the process that set it wakes them, or they look at their next tick
    // Pairs with the acquire in event_is_set() and wait_for_event(). seq_cst: a process that begins to
    // wait either sees it, or is seen.
  } while (!e.state.compare_exchange_weak(v, v + 3, std::memory_order_seq_cst));
  if (anybody_waits(e.waiters)) wake_all(e.waiters);
}

void clear_event(uint64_t block) {
  shared(block).state.fetch_and(~uint64_t(1), std::memory_order_acq_rel);
}

bool event_is_set(uint64_t block) {
  return shared(block).state.load(std::memory_order_acquire) & 1;
}

uint64_t times_set(uint64_t block) { return shared(block).state.load(std::memory_order_acquire) >> 1; }

Status wait_for_event(uint64_t block, const Wait& wait) {
  EventShared& e = shared(block);
  uint64_t first = e.state.load(std::memory_order_acquire);
  if (first & 1) return Status::Ok;
  if (wait.deadline <= 0) return Status::Timeout;
  Waiter waiter(wait);
  waiter.add(e.waiters);
  // Set and cleared while we slept is set all the same: its count of settings has changed.
  return waiter.until([&] { return e.state.load(std::memory_order_acquire) != first; });
}

} // namespace mp
