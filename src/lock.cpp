// Entry points from R for locks: R/sync-lock.R.
#include "session/handle.h"
#include "session/output.h"
#include "session/session.h"
#include "session/waits.h"

#include "core/lock.h"

using namespace mp;
using namespace mp::bind;

// [[Rcpp::export(rng = false)]]
SEXP lock_create(bool recursive) {
  return entry([&] { return new_handle(create_lock(recursive), BlockKind::Lock); });
}

// TRUE if its last owner died while it held it.
static bool enter_lock(SEXP lock, const Wait& wait, bool* got) {
  Status s = acquire_lock(block_of(lock, BlockKind::Lock), wait);
  check(s);
  if (s == Status::Closed)
    throw Error{"DeadlockError",
                "this process holds this lock already and would wait for itself without an end; "
                "release it first, give a `timeout`, or use an RLock()"};
  *got = s == Status::Ok || s == Status::OwnerDied;
  return s == Status::OwnerDied;
}

// Waits without a limit, and leaves the warning to the caller.
// [[Rcpp::export(rng = false)]]
bool lock_enter(SEXP lock) {
  return entry([&] {
    bool got;
    return enter_lock(lock, wait_for(R_NilValue), &got);
  });
}

// TRUE: acquired, FALSE: not in time. A warning if its last owner died while it held it.
// [[Rcpp::export(rng = false)]]
bool lock_acquire(SEXP lock, SEXP block, SEXP timeout) {
  return entry([&] {
    Wait wait = wait_for(block, timeout);
    bool got;
    if (enter_lock(lock, wait, &got)) {
      call_r("warn_owner_died");
    }
    return got;
  });
}

// [[Rcpp::export(rng = false)]]
void lock_release(SEXP lock) {
  entry([&] {
    mark_output();
    switch (release_lock(block_of(lock, BlockKind::Lock))) {
    case Released::Ok:
      return;
    case Released::NotLocked:
      throw Error{"ValueError",
                  "$release() of a lock that is not held; call $acquire() first, or use with(lock, ...)"};
    case Released::NotOwner:
      throw Error{"ValueError", "only the process that acquired an RLock() can release it"};
    }
  });
}

// How often this process holds it.
// [[Rcpp::export(rng = false)]]
int lock_depth(SEXP lock) {
  return entry([&] { return int(mp::lock_depth(block_of(lock, BlockKind::Lock))); });
}

// The pid of the process that holds it, 0: free.
// [[Rcpp::export(rng = false)]]
int lock_holder(SEXP lock) {
  return entry([&] {
    Token t = lock_owner(block_of(lock, BlockKind::Lock));
    return t ? int(pid_of(t)) : 0;
  });
}
