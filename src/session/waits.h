// Waiting: how long, and what happens meanwhile.
#pragma once

#include "core/doorbell.h"
#include "r/call.h"

namespace mp::bind {

// NULL: without a limit; 0 or less: does not wait. Between sleeps the children's output is shown and
// Ctrl-C seen.
Wait wait_for(SEXP timeout);
Wait wait_for(SEXP block, SEXP timeout); // `block` FALSE: does not wait
bool interruptible_tick(void*);
// What R's waits do between sleeps besides: set once, by the pools.
void at_ticks(void (*attend)());
bool stopping_tick(void*); // the same for callers that take a status: no handler of R's is called
[[noreturn]] void interrupt();
void take_interrupt(); // one that is pending, if any: it was for something that is over
inline void check(Status s) {
  if (s == Status::Interrupted) interrupt();
}

// A wait for children. They publish their results however long that takes: if one of
// them waits for a stopped process that is at work in the heap, this ends after the thread's
// limit for guards, with an error that names it.
class ChildWait {
public:
  explicit ChildWait(const Wait& limit) : wait(limit), limit_(limit) {
    wait.data = this;
    wait.tick = [](void* self) { return static_cast<ChildWait*>(self)->tick(); };
  }
  ChildWait(const ChildWait&) = delete;
  ChildWait& operator=(const ChildWait&) = delete;
  Wait wait;                   // for a Waiter
  std::vector<Token> children; // that are waited for at the moment
  bool tick();

private:
  const Wait& limit_;
  int64_t since_ = platform::now_ns(); // they wait for a stopped process
};

} // namespace mp::bind
