// The session's memory, where this process has mapped it, and the participant that the calling thread is. Layers
// above ask here and need not know the heap.
#pragma once

#include "layout.h"

namespace mp {

struct Mapped { // written once, by Heap::map()
  uint8_t* base = nullptr;
  int cores = 1; // that this process may run on
};
extern Mapped mapped;

inline HeapHeader& header() { return *reinterpret_cast<HeapHeader*>(mapped.base); }
inline Participant& participant(Token t) { return header().participants[slot_of(t)]; }

// This thread's participant. In R that is the main thread, and there is one per process; the core's
// own tests run many in one process.
Token self();
void become(Token t); // 0: none

// The calling thread acts as `t` until the end of the scope. Of the threads that act as one participant,
// only one at a time may be in the core: see native.h.
class ActAs {
public:
  explicit ActAs(Token t);
  ~ActAs();
  ActAs(const ActAs&) = delete;
  ActAs& operator=(const ActAs&) = delete;

private:
  Token before_;
};

// Counts the forks between the first process and this one: an entry that remembers another number
// runs in a copy of the process that it belongs to.
uint32_t fork_depth();
void count_fork(); // in a fork's child

// What every wait does on its ticks, and a process that finds the session full: see reap(). It may wait
// itself.
void housekeeping();
void set_housekeeping(void (*work)());

} // namespace mp
