// What a child has started, forks and programs, and how it ends with the child. See README.md,
// "Groups: what a child has started".
#pragma once

#include "layout.h"

#include <string>

namespace mp {

// A program that a child starts has a variable of this name in its environment, which says whose it is.
std::string mark_name();

// In a child of ours that has its slot: what it starts ends with it.
void answer_for_programs();
// Before each fork of this process, whatever code forks.
void note_fork();

// A signal to all that a child has started, and to its group. Only for one that was not reaped yet.
void signal_started(pid_t child, Token t, int signal);
// The same to all that this process has started. For handlers of signals, too.
void signal_own_programs(int signal);

} // namespace mp
