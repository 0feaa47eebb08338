#include "queue.h"
#include "heap_internal.h"
#include "queue_internal.h"

#include <cstring>
#include <optional>

namespace mp {
namespace {

constexpr uint64_t kCommonBytes = 64 * 1024 - kSegmentHeaderBytes;

SegmentShared& segment_at(uint64_t block) { return *heap().at<SegmentShared>(block); }
uint32_t read_of(uint64_t window) { return uint32_t(window); }
uint32_t write_of(uint64_t window) { return uint32_t(window >> 32); }
uint64_t window(uint32_t read, uint32_t write) { return uint64_t(write) << 32 | read; }

bool is_empty(const SegmentShared& s) {
  uint64_t w = s.window.load(std::memory_order_relaxed); // under the guard
  return s.single ? read_of(w) != 0 : read_of(w) == write_of(w);
}

// All of it was taken, and there is another one behind it.
bool is_passed(uint64_t segment) {
  return is_empty(segment_at(segment)) && segment_at(segment).next;
}

// After an owner of the guard died. Every step below was ordered so that one word was the commit;
// here the step that it was in is finished or forgotten. In a section of the heap.
void repair_queue(uint64_t block, QueueShared& q) {
  auto reachable = [&](uint64_t segment) {
    for (uint64_t s = q.head; s; s = segment_at(s).next)
      if (s == segment) return true;
    return false;
  };
  if (uint64_t s = q.leaving) { // head was to advance over it
    if (!reachable(s) && heap().has_parent(s, block)) heap().clear_parent(s);
    q.leaving = 0;
  }
  if (uint64_t s = q.arriving) { // it was to be linked at the tail
    if (!reachable(s) && heap().has_parent(s, block)) heap().clear_parent(s);
    q.arriving = 0;
  }
  repair_taking(q);
  q.tail = 0;
  uint64_t items = 0;
  for (uint64_t s = q.head; s; s = segment_at(s).next) {
    q.tail = s;
    SegmentShared& seg = segment_at(s);
    if (seg.single) {
      ++items;
      continue;
    }
    uint64_t w = seg.window.load(std::memory_order_relaxed);
    for (uint32_t at = read_of(w); at < write_of(w);) {
      const auto* m = reinterpret_cast<const MessageHeader*>(segment_data(s) + at);
      at += uint32_t(sizeof(MessageHeader) + padded(m->bytes));
      ++items;
    }
  }
  q.items.store(items, std::memory_order_release);
  wake_all(q.getters); // the owner died before it could wake them
  wake_all(q.putters);
}

// A wait in vain without a deadline of the caller's is an error, not a status.
Status refused(Status s, const GuardWord& g, const Wait& wait) {
  if (s == Status::Timeout && wait.deadline == platform::kForever) refuse_guard(s, g);
  return s;
}

// Links a segment of ours at the tail. Under the guard, in a section of the heap.
void link_segment(uint64_t block, QueueShared& q, uint64_t segment) {
  q.arriving = segment;
  std::atomic_signal_fence(std::memory_order_seq_cst); // a death sees these stores in this order
  heap().set_parent(segment, block);                   // still held by us as well
  segment_at(segment).next = 0;
  if (q.tail) __atomic_store_n(&segment_at(q.tail).next, segment, __ATOMIC_RELEASE); // the commit
  else __atomic_store_n(&q.head, segment, __ATOMIC_RELEASE);                         // the commit
  q.tail = segment;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  q.arriving = 0;
}

// Advances head over its first segment; it then has no parent, and no holder but those it had. In a
// section of the heap.
void unlink_head(QueueShared& q) {
  uint64_t segment = q.head;
  q.leaving = segment;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  uint64_t next = segment_at(segment).next;
  // Derived: repair_queue() finds it again if the next store is not reached.
  if (next == 0) q.tail = 0;
  __atomic_store_n(&q.head, next, __ATOMIC_RELEASE); // the commit
  heap().clear_parent(segment);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  q.leaving = 0;
}

// A common segment with room for `bytes` at the tail, or 0 if memory for a new one must be allocated
// first.
uint64_t tail_with_room(QueueShared& q, uint64_t bytes) {
  if (!q.tail) return 0;
  SegmentShared& t = segment_at(q.tail);
  if (t.single) return 0;
  uint64_t w = t.window.load(std::memory_order_relaxed);
  if (read_of(w) == write_of(w) && read_of(w) != 0)
    t.window.store(w = 0, std::memory_order_relaxed);
  return t.capacity - write_of(w) >= bytes ? q.tail : 0;
}

bool has_work(const QueueShared& q) {
  return q.items.load(std::memory_order_acquire) > 0 || is_torn(q);
}
bool has_room(const QueueShared& q) {
  return !q.max_items || q.items.load(std::memory_order_acquire) < q.max_items || is_torn(q);
}

uint64_t new_segment(uint64_t capacity, bool single) {
  uint64_t block = heap().allocate(kSegmentHeaderBytes + capacity, BlockKind::Bytes, false);
  auto* s = new (heap().at(block)) SegmentShared();
  s->capacity = capacity;
  s->single = single;
  return block;
}

void forget(uint64_t block, Token gone) {
  QueueShared& q = queue_shared(block);
  forget_waiter(q.guard.waiters, slot_of(gone));
  forget_waiter(q.getters, slot_of(gone));
  forget_waiter(q.putters, slot_of(gone));
  forget_taker(q, gone);
}

const KindActions actions(BlockKind::Queue, nullptr, forget);

// A process that was woken and leaves without having taken anything wakes the next.
struct WakeUp {
  WaiterMask& mask;
  bool owed = false;
  ~WakeUp() {
    if (owed) wake_one(mask);
  }
};

} // namespace

Status lock_queue(uint64_t block, QueueShared& q, const Wait& wait) {
  Status s = lock_guard(q.guard, wait.deadline);
  if (s != Status::OwnerDied) return s == Status::Ok ? s : refused(s, q.guard, wait);
  HeapSection section(heap(), wait.deadline);
  if (!section.held()) {
    unlock_torn_guard(q.guard);
    return refused(section.status(), heap().header().guard, wait);
  }
  repair_queue(block, q);
  return Status::Ok;
}

// An owner of the guard died at work: the count of items is wrong until the next owner repairs it.
bool is_torn(const QueueShared& q) {
  Token owner = q.guard.owner.load(std::memory_order_relaxed);
  return owner != 0 && !is_alive(owner);
}

QueueShared& queue_shared(uint64_t queue) { return *heap().at<QueueShared>(queue); }

uint64_t create_queue(uint64_t max_items, bool simple) {
  uint64_t block = heap().allocate(sizeof(QueueShared), BlockKind::Queue);
  queue_shared(block).max_items = max_items;
  queue_shared(block).simple = simple ? kSimpleQueue : kPlainQueue;
  return block;
}

uint64_t create_segment(uint64_t bytes) { return new_segment(bytes, true); }
uint8_t* segment_data(uint64_t segment) { return heap().at(segment) + kSegmentHeaderBytes; }
void seal_segment(uint64_t segment, uint64_t offset, uint32_t count) {
  heap().seal(segment, kSegmentHeaderBytes + offset, count);
}

uint64_t queue_length(uint64_t queue) {
  QueueShared& q = queue_shared(queue);
  // A producer may have died between its commit and the count. Without that repair a process that only
  // looks would not see the message.
  if (is_torn(q) && lock_queue(queue, q, Wait::until(0)) == Status::Ok) unlock_guard(q.guard);
  return q.items.load(std::memory_order_acquire);
}
uint64_t queue_capacity(uint64_t queue) { return queue_shared(queue).max_items; }
bool queue_simple(uint64_t queue) { return queue_shared(queue).simple == kSimpleQueue; }
bool queue_joinable(uint64_t queue) { return queue_shared(queue).simple == kJoinableQueue; }
bool queue_full(uint64_t queue) {
  uint64_t most = queue_capacity(queue);
  return most && queue_length(queue) >= most;
}

std::string queue_obstacle(uint64_t queue) {
  std::string why = stopped_holder(queue_shared(queue).guard);
  return why.empty() ? stopped_holder(heap().header().guard) : why;
}

Status put_message(uint64_t block, const Outgoing& message, const Wait& wait,
                   const std::atomic<uint32_t>* closed) {
  QueueShared& q = queue_shared(block);
  uint64_t need = sizeof(MessageHeader) + padded(message.size);
  NewBlock fresh; // a common segment, made outside the guard
  WakeUp wake_up{q.putters};
  Waiter waiter(wait);
  waiter.add(q.putters);
  for (;;) {
    if (closed && closed->load(std::memory_order_acquire)) return Status::Closed;
    if (!has_room(q)) {
      if (wait.deadline <= 0) return Status::Timeout;
      Status s = waiter.until(
          [&] { return has_room(q) || (closed && closed->load(std::memory_order_acquire)); });
      if (s != Status::Ok) return s;
      wake_up.owed = true;
      continue;
    }
    Status s = lock_queue(block, q, wait);
    if (s != Status::Ok) return s;
    {
      GuardScope scope{q.guard};
      uint64_t items = q.items.load(std::memory_order_relaxed);
      if (q.max_items && items >= q.max_items) continue;
      uint64_t tail = message.segment ? 0 : tail_with_room(q, need);
      if (uint64_t added = message.segment ? message.segment : fresh.get(); !tail && added) {
        HeapSection section(heap(), wait.deadline); // before anything is changed
        if (!section.held()) return refused(section.status(), heap().header().guard, wait);
        link_segment(block, q, tail = added);
      }
      if (message.segment) {
        q.items.store(items + 1, std::memory_order_release);
        break;
      }
      if (tail) {
        SegmentShared& t = segment_at(tail);
        uint64_t w = t.window.load(std::memory_order_relaxed);
        uint8_t* at = segment_data(tail) + write_of(w);
        reinterpret_cast<MessageHeader*>(at)->bytes = message.size;
        std::memcpy(at + sizeof(MessageHeader), message.bytes, message.size);
        // release: the commit; the guard's next owner sees the message whole or not at all
        t.window.store(window(read_of(w), write_of(w) + uint32_t(need)), std::memory_order_release);
        q.items.store(items + 1, std::memory_order_release); // pairs with queue_length()
        break;
      }
    }
    fresh =
        NewBlock(new_segment(kCommonBytes, false)); // may fail, may take time: outside the guard
  }
  wake_up.owed = false;
  // No longer ours: the queue keeps its segments.
  if (message.segment) heap().drop(message.segment);
  wake_one(q.getters);
  return Status::Ok;
}

void Incoming::clear() {
  if (segment_) heap().drop(segment_);
  segment_ = 0;
  data_ = nullptr;
  size_ = 0;
}

// One attempt under the guard; false if the queue is empty.
bool Incoming::take(uint64_t block, const Wait& wait, Status* status) {
  QueueShared& q = queue_shared(block);
  *status = lock_queue(block, q, wait);
  if (*status != Status::Ok) return false;
  GuardScope scope{q.guard};
  auto in_heap = [&] { return q.head && (segment_at(q.head).single || is_passed(q.head)); };
  std::optional<HeapSection> section; // before anything is changed
  if (in_heap() && !section.emplace(heap(), wait.deadline).held()) {
    *status = refused(section->status(), heap().header().guard, wait);
    return false;
  }
  while (q.head && is_passed(q.head)) unlink_head(q);
  if (!q.head || is_empty(segment_at(q.head))) return false;
  uint64_t head = q.head;
  SegmentShared& s = segment_at(head);
  begin_taking(q, head, s.window.load(std::memory_order_relaxed));
  if (s.single) {
    heap().hold(head); // ours before it leaves the queue
    unlink_head(q);
    segment_ = head;
    data_ = segment_data(head);
    size_ = s.capacity;
  } else {
    uint64_t w = s.window.load(std::memory_order_relaxed);
    const uint8_t* at = segment_data(head) + read_of(w);
    uint64_t bytes = reinterpret_cast<const MessageHeader*>(at)->bytes;
    if (copy_.size() < bytes) copy_.resize(bytes);
    std::memcpy(copy_.data(), at + sizeof(MessageHeader), bytes);
    data_ = copy_.data();
    size_ = bytes;
    // the commit: from here on the message is this process's
    s.window.store(
        window(read_of(w) + uint32_t(sizeof(MessageHeader) + padded(bytes)), write_of(w)),
        std::memory_order_release);
  }
  end_taking(q);
  q.items.store(q.items.load(std::memory_order_relaxed) - 1, std::memory_order_release);
  return true;
}

Status get_message(uint64_t block, Incoming& message, const Wait& wait,
                   const std::atomic<uint32_t>* closed, void (*watch)(Waiter&, uint64_t),
                   uint64_t data) {
  QueueShared& q = queue_shared(block);
  message.clear();
  WakeUp wake_up{q.getters};
  Waiter waiter(wait);
  waiter.add(q.getters);
  for (;;) {
    // Read before the look: what was sent before the end was closed is still delivered.
    bool over = closed && closed->load(std::memory_order_acquire);
    Status s = Status::Ok;
    if (has_work(q)) {
      bool taken = message.take(block, wait, &s);
      if (s != Status::Ok) return s;
      if (taken) break;
    }
    if (over) return Status::Ended;
    if (wait.deadline <= 0) return Status::Timeout;
    s = waiter.until([&] {
      if (has_work(q) || (closed && closed->load(std::memory_order_acquire))) return true;
      if (watch) watch(waiter, data);
      return false;
    });
    if (s != Status::Ok) return s;
    wake_up.owed = true;
  }
  wake_up.owed = false;
  if (q.max_items) wake_one(q.putters);
  return Status::Ok;
}

} // namespace mp
