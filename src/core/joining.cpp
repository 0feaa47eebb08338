#include "joining.h"

#include "doorbell.h"
#include "guard.h"
#include "heap.h"
#include "participant.h"
#include "programs.h"
#include "reaper.h"

namespace mp {
namespace {

thread_local Token fork_reserved = 0;        // several threads may fork at once
std::string& fork_failed = *new std::string; // why it has no slot
ForkHook fork_hook = nullptr;

bool take(Token t) {
  if (!claim(t)) return false;
  ring_parent(); // it may watch our life from now on
  return true;
}

// May not throw: the code that forks does not know about us.
void before_fork() {
  fork_reserved = 0;
  if (self() == 0 || !heap_exists()) return;
  note_fork();
  fork_reserved = reserve_for_fork();
}

void in_child() {
  count_fork();
  Token t = fork_reserved;
  fork_reserved = 0;
  if (self() == 0) return;
  become(0);
  heap().forget_postponed();
  if (t) take(t);
  if (fork_hook) fork_hook();
}

} // namespace

void take_slot(Token t) {
  fork_reserved = t;
  in_child();
}

Token fork_slot() { return fork_reserved; }
const std::string& fork_problem() { return fork_failed; }
void on_fork_child(ForkHook hook) { fork_hook = hook; }

Token reserve_for_fork() noexcept {
  Token t = reserve_slot();
  if (!t) {
    fork_failed = no_slot_is_free();
  } else if (!heap().inherit(self(), t)) {
    abandon_slot(t);
    t = 0;
    fork_failed = stopped_holder(header().guard);
    if (fork_failed.empty()) fork_failed = "the session's shared memory is in use; try again";
  }
  return t;
}

void join_session(Token reserved) {
  check_lives(); // an error now, and not while a fork begins
  set_housekeeping([] { reap(); });
  if (!take(reserved ? reserved : require_slot()))
    throw Error{"ProcessError", "the place that was reserved for this process has expired: it "
                                "started too late, or its parent has ended; start it again"};
}

void install_fork_handlers() {
  static bool installed = false;
  if (installed) return;
  installed = true;
  platform::on_fork(before_fork, in_child);
}

} // namespace mp
