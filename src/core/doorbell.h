// The one way to block. README.md has the protocol and the proof that no wake-up is lost.
#pragma once

#include "session.h"

#include <vector>

namespace mp {

enum class Status { Ok, OwnerDied, Timeout, Interrupted, Closed, Ended };

// How long to wait, and what to do meanwhile. `tick` is called between sleeps, with nothing held,
// at least every kTickNs and after a signal; true ends the wait with Interrupted. It may throw.
struct Wait {
  int64_t deadline = platform::kForever;
  bool (*tick)(void* data) = nullptr;
  void* data = nullptr;
  int64_t tick_ns = 50'000'000;
  bool frees = false; // the tick asks shortage_is_new(), and then frees what it can

  static Wait until(int64_t deadline_ns) {
    Wait w;
    w.deadline = deadline_ns;
    return w;
  }
};

void ring(Token t);
void ring_all();
// Wakes the process that reserved this one's slot, if it waits for what this one has just done.
void ring_parent();

// A process that finds no room in the heap counts a shortage, and waits for all that sleep in a wait that `frees`.
bool shortage_is_new(); // there was one since this thread asked last
bool answers_are_due(uint32_t shortage); // a living participant sleeps, and has not freed what it can since then

// Wakes waiters of a mask. Call after the change that they wait for (both fence by themselves).
// wake_one returns false if no living participant waited.
bool wake_one(WaiterMask& mask);
void wake_all(WaiterMask& mask);
// After a change that was itself a seq_cst read-modify-write: needs no fence, costs little
// without waiters.
bool anybody_waits(const WaiterMask& mask);
void forget_waiter(WaiterMask& mask, uint32_t slot);

// Waits until look() is true. `masks` are the objects whose wakers must ring us; `watched` are
// participants whose death ends a sleep at once (a lock's owner, a process that is joined).
class Waiter {
public:
  explicit Waiter(const Wait& wait) : wait_(wait) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() { leave(); }

  void add(WaiterMask& mask);
  void watch(Token t);

  template <class Look> Status until(Look look) {
    for (;;) {
      uint32_t bell = begin(); // (1) read the doorbell, (2) set our bits
      if (look()) {            // (3) look again
        leave();
        return Status::Ok;
      }
      Status s = sleep(bell); // (4) spin, sleep, tick
      if (s != Status::Ok) {
        if (s == Status::Timeout && look()) s = Status::Ok; // the last look wins over the deadline
        leave();
        return s;
      }
    }
  }

private:
  uint32_t begin();
  Status sleep(uint32_t bell);
  void sleep_watching(std::atomic<uint32_t>& door, uint32_t bell);
  void leave();

  const Wait& wait_;
  std::vector<WaiterMask*> masks_;
  std::vector<Token> watched_; // set anew by every look
  int64_t next_tick_ = 0;
  bool registered_ = false;
};

} // namespace mp
