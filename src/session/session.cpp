#include "session/session.h"

#include "session/blocks.h"
#include "session/defer.h"
#include "session/handle.h"

#include "core/barrier.h"
#include "core/condition.h"
#include "core/event.h"
#include "core/guard.h"
#include "core/job_board.h"
#include "core/lock.h"
#include "core/pipe.h"
#include "core/semaphore.h"

#include <R_ext/GraphicsEngine.h> // its headers declare the flags of R's interrupts

namespace mp::bind {
namespace {

bool interrupt_is_pending() { return R_interrupts_pending && !R_interrupts_suspended; }

} // namespace

void prepare_kinds() {
  static bool done = false;
  if (done) return;
  done = true;
  register_lock_kind();
  register_pipe_kind();
  register_pool_kind();
  register_barrier_kind();
  register_semaphore_kind();
  register_event_kind();
  register_condition_kind();
  prepare_handles();
  guard_patience().interrupted = interrupt_is_pending;
  prepare_blocks();
  install_fork_handlers();
  on_fork_child(forget_deferred);
}

void enter() {
  if (!heap_exists()) {
    prepare_kinds();
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

using namespace mp;
using namespace mp::bind;

// Blocks, bytes and a problem found in the heap ("" when it is consistent).
SEXP heap_check() {
  return entry([&] {
    reap();
    HeapReport r = heap().check();
    return with_names(list_of(double(r.used_blocks), double(r.used_bytes), double(r.backed_bytes),
                              double(r.total_bytes), r.problem),
                      {"blocks", "bytes", "backed", "total", "problem"});
  });
}

// The process that is at work in the heap right now, 0: nobody.
int heap_holder() {
  return entry([&] {
    Token t = heap().guard_holder();
    return is_alive(t) ? int(pid_of(t)) : 0;
  });
}

// For how many seconds this process waits for another one that is at work in the heap.
double guard_limit(double seconds) {
  double before = double(guard_patience().limit_ns) / 1e9;
  guard_patience().limit_ns = int64_t(seconds * 1e9);
  return before;
}

// A fork copies the random state: without this all children draw the same numbers.
void forget_random_state() { R_removeVarFromFrame(Rf_install(".Random.seed"), R_GlobalEnv); }

bool session_exists() { return heap_exists(); }

// Of the clock that every deadline is a value of.
double monotonic_seconds() { return double(platform::now_ns()) / 1e9; }

SEXP codec_encode(SEXP x) {
  return entry([&]() -> SEXP {
    codec::Encoding e = codec::encode(x, codec::kNoBlocks);
    Protected raw(codec::protect([&] { return Rf_allocVector(RAWSXP, R_xlen_t(e.size())); }));
    e.write(RAW(raw));
    return raw;
  });
}

SEXP codec_decode(SEXP raw) {
  return entry([&] { return codec::decode(RAW(raw), uint64_t(Rf_xlength(raw))); });
}
