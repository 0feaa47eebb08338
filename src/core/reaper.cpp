#include "reaper.h"

#include "doorbell.h"
#include "heap.h"
#include "participant.h"

namespace mp {

bool reap() {
  static thread_local bool reaping = false; // sweep() may wait, and a wait may reap
  if (reaping || !heap_exists() || self() == 0) return false;
  reaping = true;
  HeapHeader& h = header();
  uint32_t top = h.top_slot.load(std::memory_order_acquire);
  bool found = false;
  for (uint32_t slot = 0; slot < top; ++slot)
    if (note_death(slot)) found = true;
  if (found) ring_all(); // before the sweep, which waits until processes have ended
  for (uint32_t slot = 0; slot < top; ++slot) {
    Participant& p = h.participants[slot];
    SlotState s = p.look();
    if (s.life != Life::Dead) continue;
    // for a thread of the core's tests there is nothing to wait for
    bool other = s.pid != 0 && pid_t(s.pid) != platform::own_pid();
    if (other && !platform::process_gone(pid_t(s.pid), p.claimed_at) &&
        !platform::runs_without(pid_t(s.pid), heap().fd()))
      continue;
    note_reservations_of(make_token(slot, s.generation)); // after the sweep nothing tells whose they are
    if (!heap().sweep(make_token(slot, s.generation))) break; // the next tick tries again
  }
  heap().drop_later_ones();
  reaping = false;
  return found;
}

} // namespace mp
