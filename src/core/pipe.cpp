#include "pipe.h"
#include "heap.h"

namespace mp {
namespace {

ConnectionShared& end_at(uint64_t c) { return *heap().at<ConnectionShared>(c); }
PipeShared& pipe_of(uint64_t c) { return *heap().at<PipeShared>(end_at(c).pipe.page * kPageBytes); }
uint64_t outbox(uint64_t c) { return pipe_of(c).queue[end_at(c).side]; }
uint64_t inbox(uint64_t c) { return pipe_of(c).queue[1 - end_at(c).side]; }

// The last holder of an end is gone. Under the heap's guard.
void end_freed(uint64_t c) {
  PipeShared& p = pipe_of(c);
  // release: pairs with the acquire in put_message() and get_message()
  p.closed[end_at(c).side].store(1, std::memory_order_release);
  for (uint64_t q : p.queue) {
    wake_all(queue_shared(q).getters);
    wake_all(queue_shared(q).putters);
  }
}

} // namespace

void register_pipe_kind() {
  register_queue_kind();
  heap().set_actions(Kind::Connection, {end_freed, nullptr});
}

void create_pipe(bool duplex, uint64_t ends[2]) {
  register_pipe_kind();
  Heap& h = heap();
  uint64_t pipe = h.allocate(sizeof(PipeShared), Kind::Pipe);
  auto* p = h.at<PipeShared>(pipe);
  for (int i = 0; i < 2; ++i) {
    p->queue[i] = create_queue(0);
    h.set_parent(p->queue[i], pipe);
    h.drop(p->queue[i]);
  }
  for (uint32_t i = 0; i < 2; ++i) {
    ends[i] = p->end[i] = h.allocate(sizeof(ConnectionShared), Kind::Connection);
    ConnectionShared& e = end_at(ends[i]);
    e.pipe = {Heap::page_of(pipe), h.serial_of(pipe)};
    e.side = i;
    e.can_read = duplex || i == 0;
    e.can_write = duplex || i == 1;
    h.seal(ends[i], offsetof(ConnectionShared, pipe), 1);
  }
  h.drop(pipe);
}

Status send_message(uint64_t c, const Outgoing& message, const Wait& wait) {
  return put_message(outbox(c), message, wait, &pipe_of(c).closed[1 - end_at(c).side]);
}

Status receive_message(uint64_t c, Incoming& message, const Wait& wait) {
  return get_message(inbox(c), message, wait, &pipe_of(c).closed[1 - end_at(c).side],
                     watch_other_end, c);
}

bool is_readable(uint64_t c) {
  return queue_length(inbox(c)) > 0 ||
         pipe_of(c).closed[1 - end_at(c).side].load(std::memory_order_acquire);
}

bool can_send(uint64_t c) { return end_at(c).can_write; }
bool can_receive(uint64_t c) { return end_at(c).can_read; }
WaiterMask& connection_waiters(uint64_t c) { return queue_shared(inbox(c)).getters; }

void watch_other_end(Waiter& waiter, uint64_t c) {
  Token others[16];
  // A freed end has set `closed`; if that happens right now, its ring wakes us.
  int n = heap().holders(pipe_of(c).end[1 - end_at(c).side], self(), others, 16);
  for (int i = 0; i < n; ++i) waiter.watch(others[i]);
}

} // namespace mp
