// Barrier, between processes and threads.
#pragma once

#include "doorbell.h"

namespace mp {

// What the creator of a barrier decides, besides its parties.
struct BarrierPlan {
  int64_t timeout_ns = platform::kForever; // of waits that give none
  uint64_t action = 0; // block with what the last party is to do before the others go on, 0: nothing
};

// Blocks of Kind::Barrier, which keep their action; returned held by the caller.
uint64_t create_barrier(uint32_t parties, const BarrierPlan& plan = {});
void register_barrier_kind();
WaiterMask& barrier_waiters(uint64_t block);
uint32_t barrier_parties(uint64_t block);
BarrierPlan barrier_plan(uint64_t block);
uint32_t barrier_waiting(uint64_t block); // parties that have come
bool barrier_broken(uint64_t block);
uint32_t barrier_lost(uint64_t block); // pid of a party that was killed, 0: none

// One party has come. The round it waits for the end of; the last one ends it and wakes the others,
// or, with an action, ends it by end_round().
struct Round {
  uint32_t number = 0;
  bool broken = false; // nobody waits here any more, until reset_barrier()
  bool full = false;   // it did not come: the last party of the round before acts still
  bool last = false;
  uint32_t index = 0; // how many had come before
};
Round arrive(uint64_t block);
bool end_round(uint64_t block, Round round); // false: it was broken, or reset, meanwhile
enum class RoundState { Open, Over, Broken };
RoundState look_at(uint64_t block, Round round);
// A party will not wait on: everybody's wait ends with Broken.
void break_barrier(uint64_t block, Round round);
void abort_barrier(uint64_t block);
// Whoever waits is told that it is broken; then it begins anew.
void reset_barrier(uint64_t block);

// arrive() and wait: Ok, Closed (it is broken), Timeout or Interrupted (then it is broken by us).
// With an action the last party has not ended its round when it comes back.
Status wait_at_barrier(uint64_t block, const Wait& wait, Round* round = nullptr);

// The caller, its owner, ends a participant that has nothing to do: a barrier's other parties do not miss it, as if it had
// left by itself.
void end_idle(Token t);

} // namespace mp
