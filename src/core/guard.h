// Internal locks of shared structures. Held for a few hundred nanoseconds, never over a system call
// that can block, never over R.
//
// A holder may be stopped, by a signal or a debugger. No wait for it is endless: it ends at
// the call's own deadline, at a Ctrl-C, and at the latest at the thread's own limit (GuardLimit). Then
// the caller gives up without having changed anything, see "Stopped holders" in README.md.
#pragma once

#include "doorbell.h"

namespace mp {

// How long this thread waits for guards; its scope ends with the object.
class GuardLimit {
public:
  struct Values {
    int64_t limit_ns = 10'000'000'000;     // a holder that runs is done much sooner
    int64_t deadline = platform::kForever; // of the call that is under way
    bool (*interrupted)() = nullptr;       // true: the user wants it to end. May not call R.
  };
  static Values& now(); // this thread's

  // A call that has a deadline.
  static GuardLimit until(int64_t deadline) { return {{now().limit_ns, deadline, now().interrupted}}; }
  // For work that would be lost if it ended half done: neither Ctrl-C nor the call's deadline ends its waits.
  static GuardLimit uninterruptible() { return {{now().limit_ns}}; }
  // For work that would not be done later, by a caller that can be killed: waits however long it takes.
  static GuardLimit none() { return {{INT64_MAX}}; }

  GuardLimit(const GuardLimit&) = delete;
  GuardLimit& operator=(const GuardLimit&) = delete;
  ~GuardLimit() { now() = before_; }

private:
  GuardLimit(Values values) : before_(now()) { now() = values; }
  Values before_;
};

constexpr int64_t kNoWait = -1; // for lock_guard(): a look and a short spin

// Locks. Ok, OwnerDied (the caller must repair what the word guards), or Timeout/Interrupted.
// `deadline`: another limit, if it is earlier. An owner that lost its core is soon done: it is given
// 20 ms whatever the deadline, and a second unless a process is stopped.
Status lock_guard(GuardWord& g, int64_t deadline = platform::kForever);
void unlock_guard(GuardWord& g);
// As if the owner had died: for an owner that took it over and cannot repair now. The next one does.
void unlock_torn_guard(GuardWord& g);

// Throws what lock_guard()'s Timeout or Interrupted means to the user.
[[noreturn]] void refuse_guard(Status s, const GuardWord& g);
// "process 123 is stopped ..., and what to do", or "" when its holder, if any, may continue by itself.
std::string stopped_holder(const GuardWord& g);

} // namespace mp
