// What queue.cpp and joinable.cpp share.
#pragma once

#include "guard.h"
#include "queue.h"

namespace mp {

// Also repairs what an owner of the guard left undone when it died.
Status lock_queue(uint64_t block, QueueShared& q, const Wait& wait);
bool is_torn(const QueueShared& q);

struct GuardScope {
  GuardWord& guard;
  ~GuardScope() { unlock_guard(guard); }
};

// For a joinable queue; does nothing for others. Called under the guard when a message is taken: before and after
// the commit.
void begin_taking(QueueShared& q, uint64_t head, uint64_t window);
void end_taking(QueueShared& q);
void repair_taking(QueueShared& q); // in a section of the heap
void forget_taker(QueueShared& q, Token gone);

} // namespace mp
