#include "session/waits.h"

#include "session/blocks.h"
#include "session/output.h"

#include "core/guard.h"
#include "core/heap.h"

#include <algorithm>
#include <cmath>

namespace mp::bind {
namespace {
void check_interrupt(void*) { R_CheckUserInterrupt(); }
void (*attend)() = nullptr; // see at_ticks()
} // namespace

void at_ticks(void (*what)()) { attend = what; }

Wait wait_for(SEXP timeout) {
  Wait w;
  w.tick = interruptible_tick;
  w.frees = true;
  if (Rf_isNull(timeout)) return w;
  double seconds =
      (Rf_isNumeric(timeout) && Rf_length(timeout) == 1) ? Rf_asReal(timeout) : NA_REAL;
  if (std::isnan(seconds))
    refuse(timeout, "`timeout` must be NULL (no limit) or one number of seconds");
  if (seconds <= 0) w.deadline = 0;
  else if (seconds < 9e9) w.deadline = platform::now_ns() + int64_t(seconds * 1e9);
  return w;
}

Wait wait_for(SEXP block, SEXP timeout) {
  if (!Rf_isLogical(block) || Rf_length(block) != 1 || LOGICAL(block)[0] == NA_LOGICAL)
    refuse(block, "`block` must be TRUE or FALSE");
  Wait w = wait_for(timeout);
  if (!LOGICAL(block)[0]) w.deadline = 0;
  return w;
}

// R's handlers run here: a jump out of them leaves the wait as Unwind, and after their "resume" it
// continues.
bool interruptible_tick(void*) {
  show_output();
  collect_if_asked();
  protect([] {
    R_CheckUserInterrupt();
    return R_NilValue;
  });
  if (attend) attend();
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
  else if (now - since_ >= GuardLimit::now().limit_ns) refuse_guard(Status::Timeout, guard);
  return false;
}

void take_interrupt() { R_ToplevelExec(check_interrupt, nullptr); }

} // namespace mp::bind
