// Conditions.
#include "session/handle.h"
#include "session/output.h"
#include "session/session.h"
#include "session/waits.h"

#include "core/condition.h"
#include "core/lock.h"

using namespace mp;
using namespace mp::bind;

namespace {

uint64_t condition_of(SEXP x) { return block_of(x, BlockKind::Condition); }

uint64_t condition_held(SEXP x, const char* what) {
  uint64_t block = condition_of(x);
  if (mp::lock_depth(condition_lock(block)) == 0)
    throw Error{"ValueError", std::string(what) + " needs the condition's lock: call it within "
                                                  "with(condition, ...) or after $acquire()"};
  return block;
}

} // namespace

// `lock`: of a Lock, or NULL for an RLock of its own.
// [[Rcpp::export(rng = false)]]
SEXP condition_create(SEXP lock) {
  return entry([&] {
    NewBlock own(Rf_isNull(lock) ? create_lock(true) : 0);
    uint64_t block = own.get() ? own.get() : block_of(lock, BlockKind::Lock);
    return new_handle(create_condition(block), BlockKind::Condition);
  });
}

// A handle of its lock.
// [[Rcpp::export(rng = false)]]
SEXP condition_lock_pointer(SEXP condition) {
  return entry([&] { return another_handle(condition_lock(condition_of(condition)), BlockKind::Lock); });
}

// TRUE: notified, FALSE: not in time. A warning if the lock's last owner died while it held it.
// [[Rcpp::export(rng = false)]]
bool condition_wait(SEXP condition, SEXP timeout) {
  return entry([&] {
    uint64_t block = condition_held(condition, "$wait()");
    Wait wait = wait_for(timeout);
    if (wait.deadline <= 0) wait.deadline = 1; // the lock is free for a moment, as with any timeout
    mark_output();
    bool owner_died;
    Status s = wait_for_notice(block, wait, &owner_died);
    check(s);
    if (owner_died) call_r("warn_owner_died");
    return s == Status::Ok;
  });
}

// How many it woke.
// [[Rcpp::export(rng = false)]]
int condition_notify(SEXP condition, double n) {
  return entry([&] {
    uint64_t block = condition_held(condition, "$notify()");
    mark_output();
    return int(notify(block, n >= kSlots ? kSlots : uint32_t(n)));
  });
}

// [[Rcpp::export(rng = false)]]
int condition_waiters(SEXP condition) {
  return entry([&] { return int(condition_waiting(condition_of(condition))); });
}
