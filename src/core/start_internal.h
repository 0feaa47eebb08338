// What the start methods share.
#pragma once

#include "error.h"
#include "start.h"

namespace mp {

// In the child, between fork and anything else. No allocation.
bool begin_child(pid_t parent); // its group, which ends with the parent; false: it has ended
void child_files(const Child& child, Output output);

// In the parent.
void prepare_outputs(Child& child, Output output); // makes the files for what it prints
void note_start(Child& child);                     // its pid is known
void refuse(Child& child);     // it will never exist: as one that its sibling could not fork
[[noreturn]] void no_slot();  // for a child: throws
[[noreturn]] void cannot_start(Child& child, int e); // errno: throws

// Launches one after the other. one(child) returns true in the child. What it throws comes out only if no child was started;
// else the others are refused. A Ctrl-C that it saw is pending still: GuardLimit looks at it and does not take it.
template <class F> int launch_each(const std::vector<Child*>& children, F one) {
  size_t i = 0;
  try {
    for (; i < children.size(); ++i)
      if (one(*children[i])) return int(i);
  } catch (...) { // whatever it is: the children that exist work already, and the caller must learn of them
    if (i == 0) throw;
    for (; i < children.size(); ++i) refuse(*children[i]);
  }
  return -1;
}

// start_fork.cpp, for one child. Returns true in it.
bool fork_one(Child& child, const StartOrder& order);
// fork_tree.cpp. One by one, if there are few or the system forbids more.
int fork_tree(const std::vector<Child*>& children, const StartOrder& order);

} // namespace mp
