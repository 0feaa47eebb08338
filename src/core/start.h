// How children start. Each way is a StartMethod, in a file of its own: start_NAME.cpp.
#pragma once

#include "process.h"

#include <string>
#include <vector>

namespace mp {

// What children that are started together have in common.
struct StartOrder {
  Output output = Output::Captured;
  // Of a fork: a parent that is `busy` keeps its core, and the child moves to another core at once.
  // Otherwise the parent is about to wait, and the child may use its core.
  bool busy = true;
  // Of a fresh program: its command, and lines NAME=value that are added to the environment. It must
  // join the session with join_spawned().
  std::vector<std::string> arguments{}, environment{};
};

struct StartMethod {
  // Makes what a child needs before it exists, so that launch() is quick. What it made is the child's:
  // close_child() closes it.
  void (*prepare)(Child& child, const StartOrder& order);
  // Starts children that are prepared. Returns -1 in the parent. In a child that is a copy of this
  // process it returns as well: which of the children it is. That one has its group, its files and its
  // slot in the session, and must end with leave_process(). Throws Error("ProcessError"), or Interrupted,
  // if none was started; if some were, those that were not are `refused`.
  int (*launch)(const std::vector<Child*>& children, const StartOrder& order);
};

// A copy of this process. Several fork each other, so that many start as fast as the cores allow, while
// the parent continues: all are its children, and copies of it as it is now. Such children need their
// Process block, or `born`.
extern const StartMethod fork_method;
// A fresh program, with nothing of this process but its slot in the session. Its Process block is held
// for it from the start.
extern const StartMethod spawn_method;

// In the started program: what the spawn method put into the variable `kSpawnVariable`. Returns its
// Process block.
constexpr const char* kSpawnVariable = "MULTIPROCESSING_SPAWN";
uint64_t join_spawned(const std::string& value);

} // namespace mp
