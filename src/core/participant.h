// Who takes part in the session, and who is still alive.
#pragma once

#include "error.h"
#include "layout.h"
#include "platform/platform.h"

#include <string>

namespace mp {

// This thread's participant. In R that is the main thread, and there is one per process; the core's
// own tests run many in one process.
Token self();
Participant& participant(Token t);

// Joins as a new participant of the heap, or claims a slot that was reserved for this process.
// Throws Error("ProcessError") when all slots are taken.
void join_session(Token reserved = 0);
void leave_session();
// The process ends by itself now: to those who ask, it was not killed.
void end_participant();

// The calling thread acts as `t` until the end of the scope. Of those who act as one participant
// only one at a time may be in the core: see native.h.
class ActAs {
public:
  explicit ActAs(Token t);
  ~ActAs();
  ActAs(const ActAs&) = delete;
  ActAs& operator=(const ActAs&) = delete;

private:
  Token before_;
};

// Wakes the process that reserved this one's slot, if it waits for what this one has just done.
void ring_parent();

// A slot for a child that is about to start; it must claim it soon (kReservationNs). 0 when none is
// free.
Token reserve_slot();
Token require_slot(); // the same, but throws Error("ProcessError") then
// The reservation lasts as long as process `pid` lives, no longer as long as `before` (0: a while).
// True if it is `pid` on whom it depends now.
bool expect_from(Token t, pid_t before, pid_t pid);
void abandon_slot(Token t); // nobody will claim it any more

// False from the moment the participant's main thread is gone, zombie or not.
bool is_alive(Token t);
// Fills a watch on a participant's life; false if it is over. The kernel wakes one sleeper at the
// death, and only if the waiters bit is set, which this does.
bool watch_life(Token t, platform::Watch* out);
// Nothing of it is left: its process is gone with all its threads, and what it held was let go.
bool is_swept(Token t);
// The participant may still claim its reservation or lives.
bool is_expected(Token t);
pid_t pid_of(Token t);

// Marks the dead as dead, rings everybody if there was one, and takes back what they held as soon
// as their processes are really gone. Cheap when nobody died. Returns true if somebody was found
// dead.
bool reap();

constexpr int64_t kReservationNs = 20'000'000'000;

// fork() by anybody (ours, parallel's, a system library's): reserves a slot in the parent, claims
// it in the child. Installed once per process.
void install_fork_handlers();
// Counts the forks between the first process and this one: an entry that remembers another number
// runs in a copy of the process that it belongs to.
uint32_t fork_depth();

// What the fork handlers do in a child, for one that they have not seen: `t` was reserved for it.
void take_place(Token t);

// A slot for a fork of this process, which will hold what this one holds. 0: there is none, see
// fork_problem().
Token reserve_for_fork() noexcept;
const std::string& fork_problem();

// The place that the last fork of this process reserved for its child; 0: there was none.
Token fork_place();

// Called in the child of a fork, which then has its place, if one was free.
using ForkHook = void (*)();
void on_fork_child(ForkHook hook);

} // namespace mp
