#include "pipe.h"
#include "heap.h"

namespace mp {
namespace {

ConnectionShared& end_at(uint64_t c) { return *heap().at<ConnectionShared>(c); }
PipeShared& pipe_of(uint64_t c) { return *heap().at<PipeShared>(end_at(c).pipe.page * kPageBytes); }
uint64_t outbox(uint64_t c) { return pipe_of(c).queue[end_at(c).side]; }
uint64_t inbox(uint64_t c) { return pipe_of(c).queue[1 - end_at(c).side]; }

// The last holder of an end has closed it or died. Under the heap's guard.
void end_freed(uint64_t c) {
  PipeShared& p = pipe_of(c);
  // release: pairs with the acquire in put_message() and get_message()
  p.closed[end_at(c).side].store(1, std::memory_order_release);
  for (uint64_t q : p.queue) {
    wake_all(queue_shared(q).getters);
    wake_all(queue_shared(q).putters);
  }
}

const KindActions actions(BlockKind::Connection, end_freed, nullptr);

} // namespace

void create_pipe(bool duplex, uint64_t ends[2]) {
  Heap& h = heap();
  NewBlock pipe(h.allocate(sizeof(PipeShared), BlockKind::Pipe));
  auto* p = h.at<PipeShared>(pipe.get());
  for (uint64_t& queue : p->queue) {
    NewBlock q(create_queue(0));
    h.set_parent(q.get(), pipe.get());
    queue = q.get();
  }
  auto new_end = [&](uint32_t side) {
    uint64_t block = p->end[side] = h.allocate(sizeof(ConnectionShared), BlockKind::Connection);
    ConnectionShared& e = end_at(block);
    e.pipe = {Heap::page_of(pipe.get()), h.serial_of(pipe.get())};
    e.side = side;
    e.can_read = duplex || side == 0;
    e.can_write = duplex || side == 1;
    return block;
  };
  NewBlock first(new_end(0)), second(new_end(1));
  for (uint64_t end : p->end) h.seal(end, offsetof(ConnectionShared, pipe), 1);
  ends[0] = first.release();
  ends[1] = second.release();
}

Status send_message(uint64_t c, const Outgoing& message, const Wait& wait) {
  return put_message(outbox(c), message, wait, &pipe_of(c).closed[1 - end_at(c).side]);
}

Status receive_message(uint64_t c, Incoming& message, const Wait& wait) {
  return get_message(inbox(c), message, wait, &pipe_of(c).closed[1 - end_at(c).side],
                     watch_other_end, c);
}

uint64_t messages_waiting(uint64_t c) { return queue_length(inbox(c)); }

bool other_end_is_closed(uint64_t c) {
  // acquire: pairs with the release in end_freed()
  return pipe_of(c).closed[1 - end_at(c).side].load(std::memory_order_acquire);
}

bool is_readable(uint64_t c) { return messages_waiting(c) > 0 || other_end_is_closed(c); }

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
