#include "session/session.h"
#include "session/blocks.h"

#include "core/barrier.h"
#include "core/guard.h"
#include "core/job_board.h"
#include "core/lock.h"
#include "core/pipe.h"

#include <R_ext/GraphicsEngine.h> // its headers declare the flags of R's interrupts
#include <algorithm>

namespace mp::bind {
namespace {

struct Later {
  void (*what)(void*);
  void* data;
};
// Process-local. Never destroyed: R's finalizers may run after the destructors of static objects.
std::vector<Later>& later = *new std::vector<Later>;

void forked() { later.clear(); } // the parent's; what they own stays the parent's

void check_interrupt(void*) { R_CheckUserInterrupt(); }

bool interrupt_is_pending() { return R_interrupts_pending && !R_interrupts_suspended; }

} // namespace

bool (*interrupt_wanted)() = nullptr;

void prepare_kinds() {
  static bool done = false;
  if (done) return;
  done = true;
  register_lock_kind();
  register_pipe_kind();
  register_pool_kind();
  register_barrier_kind();
  prepare_handles();
  guard_patience().interrupted = interrupt_is_pending;
  prepare_blocks();
  install_fork_handlers();
  on_fork_child(forked);
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
  while (!later.empty()) {
    Later l = later.back();
    later.pop_back();
    l.what(l.data);
  }
}

void at_next_entry(void (*what)(void*), void* data) noexcept {
  try {
    later.push_back({what, data});
  } catch (const std::bad_alloc&) { // what it owns stays as long as this process lives
  }
}

void drop_at_next_entry(uint64_t block) {
  at_next_entry([](void* data) { heap().drop(reinterpret_cast<uint64_t>(data)); },
                reinterpret_cast<void*>(block));
}

Wait wait_for(SEXP timeout) {
  Wait w;
  w.tick = interruptible_tick;
  if (Rf_isNull(timeout)) return w;
  double seconds =
      (Rf_isNumeric(timeout) && Rf_length(timeout) == 1) ? Rf_asReal(timeout) : NA_REAL;
  if (std::isnan(seconds))
    throw Error{"ValueError", "`timeout` must be NULL (wait for ever) or one number of seconds"};
  if (seconds <= 0) w.deadline = 0;
  else if (seconds < 9e9) w.deadline = platform::now_ns() + int64_t(seconds * 1e9);
  return w;
}

// R's handlers run here: a jump out of them leaves the wait as Unwind, and after their "resume" it
// goes on.
bool interruptible_tick(void*) {
  show_output();
  collect_if_asked();
  codec::protect([] {
    R_CheckUserInterrupt();
    return R_NilValue;
  });
  return false;
}

bool stopping_tick(void*) {
  show_output();
  collect_if_asked();
  return !R_ToplevelExec(check_interrupt, nullptr);
}

void interrupt() { throw Interrupted{}; }

bool ChildWait::tick() {
  if (limit_.tick(limit_.data)) return true;
  const GuardWord& guard = heap().header().guard;
  auto waits = [&](Token child) {
    uint32_t slot = slot_of(child);
    return bool(guard.waiters.word[slot / 64].load(std::memory_order_relaxed) & bit_of(slot));
  };
  int64_t now = platform::now_ns();
  if (std::none_of(children.begin(), children.end(), waits) || stopped_holder(guard).empty())
    since_ = now;
  else if (now - since_ >= guard_patience().limit_ns) refuse_guard(Status::Timeout, guard);
  return false;
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

// Takes a Ctrl-C that came for something that is over, before it hits something else.
void forget_interrupt() { R_ToplevelExec(check_interrupt, nullptr); }

// A fork copies the random state: without this all children draw the same numbers.
void forget_random_state() { R_removeVarFromFrame(Rf_install(".Random.seed"), R_GlobalEnv); }

bool session_exists() { return heap_exists(); }

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
