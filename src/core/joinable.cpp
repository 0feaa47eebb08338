// Unfinished messages are those in the queue and those that `taken` counts. So a put needs no second step, and a
// take moves a message from one to the other: `taking` says that one is under way, until it is
// known whether the message has left the queue.
#include "joinable.h"
#include "heap_internal.h"
#include "queue_internal.h"

namespace mp {
namespace {

JoinableShared* joinable(QueueShared& q) {
  return q.simple == kJoinableQueue ? reinterpret_cast<JoinableShared*>(&q) : nullptr;
}
JoinableShared& joinable_at(uint64_t queue) { return *heap().at<JoinableShared>(queue); }

uint32_t top_slot() { return heap().header().top_slot.load(std::memory_order_acquire); }

bool nothing_taken(JoinableShared& j) {
  for (uint32_t s = 0, top = top_slot(); s < top; ++s)
    if (j.taken[s].load(std::memory_order_acquire)) return false;
  return true;
}

bool is_finished(JoinableShared& j) { // exact under the guard
  return j.queue.items.load(std::memory_order_acquire) == 0 && nothing_taken(j);
}

bool take_one(std::atomic<uint32_t>& count) { // a sweep may set it to 0 at any time
  uint32_t n = count.load(std::memory_order_relaxed);
  while (n)
    if (count.compare_exchange_weak(n, n - 1, std::memory_order_acq_rel)) return true;
  return false;
}

} // namespace

void begin_taking(QueueShared& q, uint64_t head, uint64_t window) {
  JoinableShared* j = joinable(q);
  if (!j) return;
  uint32_t slot = slot_of(self());
  j->taking_head = head;
  j->taking_window = window;
  j->taking_count = j->taken[slot].load(std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst); // a death sees these stores in this order
  j->taking = slot + 1;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  j->taken[slot].store(uint32_t(j->taking_count) + 1, std::memory_order_release);
}

void end_taking(QueueShared& q) {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (JoinableShared* j = joinable(q)) j->taking = 0;
}

void repair_taking(QueueShared& q) {
  JoinableShared* j = joinable(q);
  if (!j || !j->taking) return;
  bool taken = q.head != j->taking_head || heap().at<SegmentShared>(q.head)->window.load(
                                               std::memory_order_relaxed) != j->taking_window;
  j->taken[j->taking - 1].store(uint32_t(j->taking_count) + taken, std::memory_order_release);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  j->taking = 0;
}

void forget_taker(QueueShared& q, Token gone) {
  JoinableShared* j = joinable(q);
  if (!j) return;
  uint32_t slot = slot_of(gone);
  forget_waiter(j->joiners, slot);
  if (j->taking == slot + 1) repair_taking(q);
  uint32_t n = j->taken[slot].load(std::memory_order_acquire);
  if (!n) return;
  uint64_t v = j->lost.load(std::memory_order_relaxed);
  // If the sweeping process dies after this, the sweep is done again: then more are reported lost than were.
  while (!j->lost.compare_exchange_weak(v, ((v >> 32) + n) << 32 | participant(gone).look().pid,
                                        std::memory_order_acq_rel)) {
  }
  j->taken[slot].store(0, std::memory_order_release);
  wake_all(j->joiners);
}

uint64_t create_joinable_queue(uint64_t max_items) {
  uint64_t block = heap().allocate(sizeof(JoinableShared), BlockKind::Queue);
  queue_shared(block).max_items = max_items;
  queue_shared(block).simple = kJoinableQueue;
  return block;
}

bool mark_done(uint64_t queue) {
  JoinableShared& j = joinable_at(queue);
  Wait wait;
  lock_queue(queue, j.queue, wait); // or throws
  bool finished, done;
  {
    GuardScope scope{j.queue.guard};
    done = take_one(j.taken[slot_of(self())]);
    for (uint32_t s = 0, top = top_slot(); s < top && !done; ++s) done = take_one(j.taken[s]);
    finished = is_finished(j);
  }
  if (done && finished) wake_all(j.joiners);
  return done;
}

Status join_queue(uint64_t queue, const Wait& wait, LostTasks* lost) {
  JoinableShared& j = joinable_at(queue);
  Waiter waiter(wait);
  waiter.add(j.joiners);
  for (;;) {
    Status s = waiter.until([&] {
      if (j.lost.load(std::memory_order_acquire) || is_torn(j.queue) || is_finished(j)) return true;
      HeapHeader& h = heap().header();
      for (uint32_t slot = 0, top = top_slot(); slot < top; ++slot)
        if (j.taken[slot].load(std::memory_order_relaxed))
          waiter.watch(make_token(slot, h.participants[slot].look().generation));
      return false;
    });
    if (s != Status::Ok) return s;
    if (uint64_t v = j.lost.exchange(0, std::memory_order_acq_rel)) {
      *lost = {uint32_t(v >> 32), uint32_t(v)};
      return Status::OwnerDied;
    }
    s = lock_queue(queue, j.queue, wait);
    if (s != Status::Ok) return s;
    GuardScope scope{j.queue.guard};
    if (is_finished(j) && !j.lost.load(std::memory_order_acquire)) return Status::Ok;
  }
}

uint64_t unfinished_tasks(uint64_t queue) {
  JoinableShared& j = joinable_at(queue);
  uint64_t n = j.queue.items.load(std::memory_order_acquire);
  for (uint32_t s = 0, top = top_slot(); s < top; ++s)
    n += j.taken[s].load(std::memory_order_relaxed);
  return n;
}

} // namespace mp
