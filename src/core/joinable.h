// JoinableQueue: a queue that knows which messages are not done yet.
#pragma once

#include "doorbell.h"
#include "layout.h"

namespace mp {

// BlockKind::Queue; everything in queue.h is for it, too.
uint64_t create_joinable_queue(uint64_t max_items);

// A message that this process has taken is done; or, if it has none, one that another has taken.
// False: there is none.
bool mark_done(uint64_t queue);

struct LostTasks {
  uint32_t count = 0;
  uint32_t pid = 0; // of the last process that ended with some
};
// Ok: there are no messages, and all that were taken are done. OwnerDied: `lost` were taken by
// processes that have ended since; these are reported once, and not waited for any more. Interrupted.
Status join_queue(uint64_t queue, const Wait& wait, LostTasks* lost);
uint64_t unfinished_tasks(uint64_t queue); // a hint

} // namespace mp
