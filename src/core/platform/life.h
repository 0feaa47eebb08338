// Lives: slots in shared memory, each held by one thread for its life, and marked by the system
// when that thread ends.
#pragma once

#include "platform.h"

namespace mp::platform {

// Zeroed memory is a life that has not begun. Begun once, it is used again by the slot's next
// participant: others may still look at it. The system alone writes it at the holder's death.
struct Life {
  alignas(8) unsigned char state[56];
};

// Whether deaths are noticed here; asked before the first begin_life(), and inherited by forks.
bool lives_are_told();
void begin_life(Life& life); // of the calling thread
void end_life(Life& life);   // by the thread that began it
bool life_over(const Life& life);
// What to sleep on beside a doorbell; false if it is over. The system wakes one sleeper at the
// death, and only if a process has asked for it by this call.
bool watch_life(Life& life, Watch* out);

} // namespace mp::platform
