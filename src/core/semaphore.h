// Semaphore and BoundedSemaphore, between processes.
#pragma once

#include "doorbell.h"

namespace mp {

// Blocks of BlockKind::Semaphore; returned held by the caller. `bounded`: it never has more permits than
// now.
uint64_t create_semaphore(uint32_t permits, bool bounded);

// Ok, Timeout or Interrupted. `owned`: the permit comes back when the caller dies, and is given
// back by release_owned(); otherwise it has no owner, and any process may release it.
Status acquire_semaphore(uint64_t block, const Wait& wait, bool owned);
// False: it has as many permits as it may have.
bool release_semaphore(uint64_t block);
void release_owned(uint64_t block);
uint32_t owned_permits(uint64_t block); // of the caller
uint32_t semaphore_value(uint64_t block);
bool semaphore_bounded(uint64_t block);
WaiterMask& semaphore_waiters(uint64_t block);

} // namespace mp
