// Barrier, between processes and threads.
#pragma once

#include "doorbell.h"

namespace mp {

// Blocks of Kind::Barrier; returned held by the caller.
uint64_t create_barrier(uint32_t parties);
void register_barrier_kind();
WaiterMask& barrier_waiters(uint64_t block);

// One party has come. The round it waits for the end of; the last one ends it and wakes the others.
struct Round {
  uint32_t number = 0;
  bool broken = false; // nobody waits here any more, until reset_barrier()
};
Round arrive(uint64_t block);
enum class RoundState { Open, Over, Broken };
RoundState look_at(uint64_t block, Round round);
// A party will not wait on: everybody's wait ends with Broken.
void break_barrier(uint64_t block, Round round);
void reset_barrier(uint64_t block);

// arrive() and wait: Ok, Closed (it is broken), Timeout or Interrupted (then it is broken by us).
Status wait_at_barrier(uint64_t block, const Wait& wait);

} // namespace mp
