// Internal locks of shared structures. Held for a few hundred nanoseconds, never over a system call
// that can block, never over R.
#pragma once

#include "doorbell.h"

namespace mp {

// Locks. Ok, OwnerDied (the caller must repair what the word guards), or Timeout/Interrupted.
Status lock_guard(GuardWord& g, const Wait& wait);
void unlock_guard(GuardWord& g);

} // namespace mp
