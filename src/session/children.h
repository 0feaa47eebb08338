// Starts children of this R, asks how they are, and waits until the system has removed dead ones.
#pragma once

#include "core/error.h"
#include "r/call.h"
#include "session/child.h"

namespace mp::bind {

// A child to come: all that its fork needs is made here, so that several can be forked at once.
ChildRef prepare_child(Output output);
// Forks them; each child evaluates `call` in the package's namespace and leaves. Its number in
// `lanes`, if there are any, is added to the call as its last argument. `busy`: see
// fork_children().
void fork_r(const std::vector<ChildRef>& children, SEXP call, Output output,
            const std::vector<int>& lanes = {}, bool busy = true);
// A fresh R that evaluates what `payload` (a list) says, see spawned_main().
ChildRef spawn_r(SEXP payload);
bool child_has_ended(RChild& c); // polls; the first time it is over shows what is left of its output
int exit_status(RChild& c);
// Waits until the system has removed dead children: until then they count against its limits on
// processes and descriptors, and take places. False: there was none.
bool await_dying();
// Calls what starts processes; if it is refused, once more after await_dying().
template <class F> auto with_room(F start) -> decltype(start()) {
  try {
    return start();
  } catch (const Error&) {
    if (!await_dying()) throw;
  }
  return start();
}
// Their entries from R, see src/process.cpp.
SEXP start_process(SEXP what, bool spawn, bool silent);
SEXP pool_workers();
SEXP result_of_process(SEXP process);
void publish_result(SEXP value, int status);
SEXP enter_spawned(const std::string& variable);
[[noreturn]] void leave_child(int status);
SEXP leave_for_parallel(SEXP status);
RChild& process_child(SEXP pointer); // of process_start()'s pointer; throws in another process

} // namespace mp::bind
