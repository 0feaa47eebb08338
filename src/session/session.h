// What the binding files share: the session of this process, waiting and interrupts, children.
// The binding is the only place that knows both R and the core.
#pragma once

#include "session/handle.h"
#include "core/process.h"

#include <cmath>
#include <memory>

namespace mp::bind {

// Every entry from R starts here: makes the session on first use, refuses to run in a fork that
// found no place in it, and lets go of what R's collector has found dead.
void enter();
void prepare_kinds();
// An entry's body. What is thrown in it becomes a classed condition, see Routine.
template <class F> auto entry(F body) -> decltype(body()) {
  enter();
  return body();
}

// Takes note of something to be done at the next entry: finalizers may run inside any allocation.
void at_next_entry(void (*what)(void*), void* data) noexcept;
void drop_at_next_entry(uint64_t block);

// --- waiting ---

// NULL: for ever; 0 or less: does not wait. Between sleeps the children's output is shown and
// Ctrl-C seen.
Wait wait_for(SEXP timeout);
bool interruptible_tick(void*);
bool stopping_tick(void*); // the same for callers who take a status: no handler of R's is called
[[noreturn]] void interrupt();
inline void check(Status s) {
  if (s == Status::Interrupted) interrupt();
}

// A wait for children. What they publish they publish even if that takes for ever: should one of
// them wait for a stopped process that is at work in the heap, this ends after the thread's
// patience, with an error that names it.
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

// --- children ---

struct RChild {
  Child child;
  uint64_t process = 0;          // the Process block, held while this exists
  std::string unshown[2];        // what was read of its output and not shown yet
  uint64_t shown_to[2] = {1, 1}; // where that begins
  bool shown = false;            // everything it printed was shown
  bool expired = false;          // killed because its element took longer than task_timeout
  bool mute = false;             // it prints nothing more, although it may not be gone yet
};
using ChildRef = std::shared_ptr<RChild>;

// A child to come: all that its fork needs is made here, so that several can be forked at once.
ChildRef prepare_child(Output output);
// Forks them; each child evaluates `call` in the package's namespace and leaves. Its number in
// `lanes`, if there are any, is added to the call as its last argument. `busy`: see
// fork_children().
void fork_r(const std::vector<ChildRef>& children, SEXP call, Output output,
            const std::vector<int>& lanes = {}, bool busy = true);
// A fresh R that evaluates what `payload` (a list) says, see spawned_main().
ChildRef spawn_r(SEXP payload);
bool is_over(RChild& c); // polls; the first time it is over shows what is left of its output
int exit_status(RChild& c);
void show_output(); // of all children, whole lines, causes first; forgets those that are over
// Waits until children that are dead are gone: until then they take places, descriptors and
// processes from what the system allows. False: there was none.
bool await_dying();
// What starts processes; if it is refused, once more when those are gone.
template <class F> auto with_room(F start) -> decltype(start()) {
  try {
    return start();
  } catch (const Error&) {
    if (!await_dying()) throw;
  }
  return start();
}
void mark_output();                  // before this process does what others can see
std::vector<ChildRef>& children();   // that run, or whose output was not shown yet
uint64_t own_process();              // the Process block of this process, 0 in a main process
RChild& process_child(SEXP pointer); // of process_start()'s pointer; throws in another process

// A worker's interrupt handler asks this; set by the worker's loop.
extern bool (*interrupt_wanted)();

} // namespace mp::bind
