// Programs that a process starts in process groups of their own, which a signal to its group does
// not reach. They are known by a mark, a variable of their environment. All but set_variable() are
// system calls only: handlers of signals use them.
#pragma once

#include <sys/types.h>

namespace mp::platform {

// The programs that this process starts from now on have NAME=value in their environment.
void set_variable(const char* name, const char* value);

// Sends a signal to the process `pid` if `is_meant` says so. The system is asked to keep the number
// for that process before, so it cannot become another one's between question and signal.
bool signal_if(pid_t pid, bool (*is_meant)(pid_t, const void*), const void* data, int signal);
// It has the caller's session. A daemon has one of its own (setsid).
bool in_own_session(pid_t pid);
// A signal to the processes of the caller's session, less the caller, that were started with the
// line `mark` (NAME=value) or are in this group. How many it found.
int signal_marked(const char* mark, pid_t group, int signal);

// A signal to the group that this process leads, if it leads one, and so to itself.
void signal_own_group(int signal);
// Called when the end of the parent ends this process, in the handler of that signal; see
// take_group_along().
void on_end(void (*work)());

} // namespace mp::platform
