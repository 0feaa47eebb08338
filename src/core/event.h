// Event, between processes.
#pragma once

#include "doorbell.h"

namespace mp {

// Blocks of BlockKind::Event; returned held by the caller.
uint64_t create_event();

void set_event(uint64_t block); // wakes all waiters
void clear_event(uint64_t block);
bool event_is_set(uint64_t block);
uint64_t times_set(uint64_t block);
// Ok: it is set, or was at some time since the call began. Timeout, Interrupted.
Status wait_for_event(uint64_t block, const Wait& wait);
WaiterMask& event_waiters(uint64_t block);

} // namespace mp
