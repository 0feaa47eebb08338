#include "session/session.h"

#include "session/adopted.h"
#include "session/blocks.h"
#include "session/child.h"
#include "session/defer.h"
#include "session/handle.h"
#include "session/inherited.h"

#include "core/guard.h"
#include "core/joining.h"

#include <R_ext/GraphicsEngine.h> // its headers declare the flags of R's interrupts

namespace mp::bind {
namespace {

bool interrupt_is_pending() { return R_interrupts_pending && !R_interrupts_suspended; }

} // namespace

void install_hooks() {
  static bool done = false;
  if (done) return;
  done = true;
  prepare_handles(own_pointer);
  GuardLimit::now().interrupted = interrupt_is_pending;
  prepare_blocks();
  install_fork_handlers();
  on_fork_child([] { // of any fork, ours or another package's
    forget_deferred();
    forget_children();
    if (self() == 0) { // all places are taken: it can hold no block
      codec::own_views();
      own_adopted();
    }
  });
}

void enter() {
  if (!heap_exists()) {
    install_hooks();
    Heap::create();
    join_session();
  }
  if (self() == 0)
    throw Error{"ProcessError",
                "this process was forked when the session had no free place for it: it cannot use "
                "locks, queues or pools (at most " +
                    std::to_string(kSlots) + " processes at a time)"};
  release_views();
  do_deferred();
}

} // namespace mp::bind
