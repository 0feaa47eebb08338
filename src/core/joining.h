// How a process gets its slot in the session: by itself, or as the child of a fork.
#pragma once

#include "layout.h"

#include <string>

namespace mp {

// Joins as a new participant of the heap, or claims a slot that was reserved for this process.
// Throws Error("ProcessError") when all slots are taken.
void join_session(Token reserved = 0);

// For every fork(), by us, by parallel or by a system library: reserves a slot in the parent, claims
// it in the child. Installed once per process.
void install_fork_handlers();
// What the fork handlers do in a child, for one that they have not seen: `t` was reserved for it.
void take_slot(Token t);

// A slot for a fork of this process, which will hold what this one holds. 0: there is none, see
// fork_problem().
Token reserve_for_fork() noexcept;
const std::string& fork_problem();

// The slot that the last fork of this process reserved for its child; 0: there was none.
Token fork_slot();

// Called in the child of a fork, which then has its slot, if one was free.
using ForkHook = void (*)();
void on_fork_child(ForkHook hook);

} // namespace mp
