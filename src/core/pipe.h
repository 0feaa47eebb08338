// A pair of connections. Each end may be held by several processes; when the last of them has
// closed it, or died, the other end reads end-of-file.
#pragma once

#include "queue.h"

namespace mp {

// Two blocks of BlockKind::Connection, held by the caller. Not duplex: ends[0] receives, ends[1] sends.
void create_pipe(bool duplex, uint64_t ends[2]);

// Closed: the other end has no holder.
Status send_message(uint64_t connection, const Outgoing& message, const Wait& wait);
// Ended: the other end has no holder, and no message is left.
Status receive_message(uint64_t connection, Incoming& message, const Wait& wait);
// A message is available, or the end is reached: receive_message() will not wait.
bool is_readable(uint64_t connection);
uint64_t messages_waiting(uint64_t connection);
bool other_end_is_closed(uint64_t connection);
bool can_send(uint64_t connection);
bool can_receive(uint64_t connection);
WaiterMask& connection_waiters(uint64_t connection);
// Names the processes whose death may end a wait for this connection.
void watch_other_end(Waiter& waiter, uint64_t connection);

} // namespace mp
