// Barrier, between processes and threads.
#pragma once

#include "doorbell.h"

namespace mp {

// What the creator of a barrier decides, besides its parties.
struct BarrierPlan {
  int64_t timeout_ns = platform::kForever; // of waits that give none
  uint64_t action = 0; // block with the last party's action, which runs before the others continue; 0: none
};

// Blocks of BlockKind::Barrier, which keep their action; returned held by the caller.
uint64_t create_barrier(uint32_t parties, const BarrierPlan& plan = {});
WaiterMask& barrier_waiters(uint64_t block);
uint32_t barrier_parties(uint64_t block);
BarrierPlan barrier_plan(uint64_t block);
uint32_t barrier_waiting(uint64_t block); // parties that have arrived
bool barrier_broken(uint64_t block);
uint32_t barrier_lost(uint64_t block); // pid of a party that was killed, 0: none

// The result of an arrival: the round whose end this party waits for. The last party ends it and wakes the others,
// or, with an action, ends it by end_round().
struct Round {
  uint32_t number = 0;
  bool broken = false; // no party waits here until reset_barrier()
  bool full = false;   // it did not arrive: the previous round's last party still runs the action
  bool last = false;
  uint32_t index = 0; // how many had arrived before
};
Round arrive(uint64_t block);
bool end_round(uint64_t block, Round round); // false: it was broken, or reset, meanwhile
enum class RoundState { Open, Over, Broken };
RoundState look_at(uint64_t block, Round round);
// A party stops waiting: every party's wait ends with Broken.
void break_barrier(uint64_t block, Round round);
void abort_barrier(uint64_t block);
// All parties that wait get Broken; then the barrier starts anew.
void reset_barrier(uint64_t block);

// arrive() and wait: Ok, Closed (it is broken), Timeout or Interrupted (then it is broken by us).
// With an action, the last party has not ended its round when this returns.
Status wait_at_barrier(uint64_t block, const Wait& wait, Round* round = nullptr);

// Called by the owner of a participant that has nothing to do, to end it: a barrier's other parties do not miss
// it, as if it had left by itself.
void end_idle(Token t);

} // namespace mp
