// Internal locks of shared structures. Held for a few hundred nanoseconds, never over a system call
// that can block, never over R.
//
// A holder may be stopped, by a signal or a debugger. Nobody waits for it without an end: as long
// as the call's own deadline allows, until Ctrl-C, and at most until the thread's patience is at
// its end. Then the caller goes without having changed anything, see "Stopped holders" in
// README.md.
#pragma once

#include "doorbell.h"

namespace mp {

// How long a thread waits for guards.
struct GuardPatience {
  int64_t limit_ns = 10'000'000'000;     // a holder that runs is done long before
  int64_t deadline = platform::kForever; // of the call that is under way
  bool (*interrupted)() = nullptr;       // true: the user wants it to end. May not call R.
};
GuardPatience& guard_patience(); // this thread's

// A call of this thread that has a deadline.
class GuardDeadline {
public:
  explicit GuardDeadline(int64_t deadline) : before_(guard_patience().deadline) {
    guard_patience().deadline = deadline;
  }
  GuardDeadline(const GuardDeadline&) = delete;
  GuardDeadline& operator=(const GuardDeadline&) = delete;
  ~GuardDeadline() { guard_patience().deadline = before_; }

private:
  int64_t before_;
};

// What must be done, however long it takes: nobody would do it later, and its caller can be killed.
class EndlessPatience {
public:
  EndlessPatience() : before_(guard_patience()) { guard_patience() = {INT64_MAX}; }
  EndlessPatience(const EndlessPatience&) = delete;
  EndlessPatience& operator=(const EndlessPatience&) = delete;
  ~EndlessPatience() { guard_patience() = before_; }

private:
  GuardPatience before_;
};

// What would be lost if it ended half done: neither Ctrl-C nor the call's deadline ends its waits.
class SteadyPatience {
public:
  SteadyPatience() : before_(guard_patience()) { guard_patience() = {before_.limit_ns}; }
  SteadyPatience(const SteadyPatience&) = delete;
  SteadyPatience& operator=(const SteadyPatience&) = delete;
  ~SteadyPatience() { guard_patience() = before_; }

private:
  GuardPatience before_;
};

constexpr int64_t kNoWait = -1; // for lock_guard(): a look and a short spin

// Locks. Ok, OwnerDied (the caller must repair what the word guards), or Timeout/Interrupted.
// `deadline`: another one, if it is earlier. An owner who lost his core is soon done: he is given
// 20 ms whatever the deadline, and a second as long as nobody is stopped.
Status lock_guard(GuardWord& g, int64_t deadline = platform::kForever);
void unlock_guard(GuardWord& g);
// As if the owner had died: for one who took it over and cannot repair now. The next one does.
void unlock_torn_guard(GuardWord& g);

// Throws what lock_guard()'s Timeout or Interrupted means to the user.
[[noreturn]] void refuse_guard(Status s, const GuardWord& g);
// "process 123 is stopped ..., and what to do", or "" when its holder, if any, may go on by itself.
std::string stopped_holder(const GuardWord& g);

} // namespace mp
