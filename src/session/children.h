// Starts children of this R, asks how they are, and waits until the system has removed dead ones.
#pragma once

#include "session/start.h"

namespace mp::bind {

// Starts a child, or one for each of the task's workers, by a start method. If the system refuses, once
// more after await_dying(). Throws if none could be started; those that were not are `refused`.
std::vector<ChildRef> start_children(const RStartMethod& method, const ChildTask& task);
bool child_has_ended(RChild& c); // polls; the first time it is over shows what is left of its output
int exit_status(RChild& c);
// Waits until the system has removed dead children: until then they count against its limits on
// processes and descriptors, and take places. False: there was none.
bool await_dying();
// Their entries from R, see src/process.cpp.
SEXP start_process(SEXP what, const std::string& method, bool silent);
SEXP pool_workers();
SEXP result_of_process(SEXP process);
void publish_result(SEXP value, int status);
RChild& process_child(SEXP pointer); // of process_start()'s pointer; throws in another process

} // namespace mp::bind
