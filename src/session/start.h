// How children of R start: what R has to do around a start method of the core (core/start.h). Each is in
// a file of its own: start_NAME.cpp.
#pragma once

#include "core/start.h"
#include "r/call.h"
#include "session/child.h"

#include <string>
#include <vector>

namespace mp::bind {

// What children do that are started together.
struct ChildTask {
  SEXP what;                // what R's start method of the same name has prepared
  Output output = Output::Captured;
  std::vector<int> workers{}; // of a pool: the index of each, which its main function gets, too
  bool busy = true;         // see StartOrder
};

struct RStartMethod {
  const char* name; // as users call it
  bool copies;      // its children begin with all that this process has
  // Makes what the i-th child needs before it exists; its Process block exists already.
  void (*prepare)(const ChildRef& child, const ChildTask& task, size_t i);
  // Starts children that are prepared; returns in the parent alone. Throws if none could be started.
  void (*launch)(const std::vector<ChildRef>& children, const ChildTask& task);
};
extern const RStartMethod fork_of_r;  // `what`: a call, which each child evaluates in the package's namespace
extern const RStartMethod spawn_of_r; // `what`: a list, see spawned_main()
const RStartMethod& start_method(const std::string& name);

// Their children's entries from R, see src/process.cpp and src/session.cpp.
SEXP enter_spawned(const std::string& variable);
[[noreturn]] void leave_child(int status);
SEXP leave_for_parallel(SEXP status);

} // namespace mp::bind
