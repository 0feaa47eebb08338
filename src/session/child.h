// What this process knows of its children, and of itself as one.
#pragma once

#include "core/layout.h"
#include "core/process.h"

#include <Rinternals.h>

#include <memory>

namespace mp::bind {

struct RChild {
  Child child;                    // its Process block is held while this exists
  std::string name;               // of a pool's worker, for active_children()
  std::string unshown[2];         // what was read of its output and not shown yet
  uint64_t shown_to[2] = {1, 1};  // where that begins
  int64_t line_since[2] = {0, 0}; // since when a line has waited for its end; 0: none does
  int64_t line_cpu[2] = {0, 0};   // the processor time that it had used then
  bool waits = false;             // some of it is to be shown later
  bool shown = false;             // everything it printed was shown
  bool expired = false;           // killed because its element took longer than task_timeout
  bool output_is_final = false;              // it prints nothing more, although the system may not have removed it yet
};
using ChildRef = std::shared_ptr<RChild>;

std::vector<ChildRef>& children(); // that run, or whose output was not shown yet
void forget_children();            // in a fork: they are its parent's
uint64_t own_process();            // the Process block of this process, 0 in a main process
void set_own_process(uint64_t process);
bool session_starts(); // this R was spawned and does not know its task yet

ProcessShared& process_shared(uint64_t process);
// An encoded value in a block that lives as long as the Process block.
uint64_t store_child_value(SEXP value, uint64_t process);
// What a spawned process was sent is needed until it is read, or the process has ended. A death
// between dropping it and the record of that leaves the block to the Process block, with which it is freed.
void drop_payload(uint64_t process);

} // namespace mp::bind
