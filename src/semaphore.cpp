// Semaphores and events.
#include "session/handle.h"
#include "session/output.h"
#include "session/session.h"
#include "session/waits.h"

#include "core/semaphore.h"
#include "core/event.h"

using namespace mp;
using namespace mp::bind;

namespace {
uint64_t semaphore_of(SEXP x) { return block_of(x, BlockKind::Semaphore); }
uint64_t event_of(SEXP x) { return block_of(x, BlockKind::Event); }
} // namespace

// [[Rcpp::export(rng = false)]]
SEXP semaphore_create(double value, bool bounded) {
  return entry(
      [&] { return new_handle(create_semaphore(uint32_t(value), bounded), BlockKind::Semaphore); });
}

// TRUE: acquired, FALSE: not in time.
// [[Rcpp::export(rng = false)]]
bool semaphore_acquire(SEXP semaphore, SEXP block, SEXP timeout) {
  return entry([&] {
    Status s = acquire_semaphore(semaphore_of(semaphore), wait_for(block, timeout), false);
    check(s);
    return s == Status::Ok;
  });
}

// [[Rcpp::export(rng = false)]]
void semaphore_release(SEXP semaphore) {
  entry([&] {
    mark_output();
    uint64_t block = semaphore_of(semaphore);
    if (release_semaphore(block)) return;
    std::string most = std::to_string(semaphore_value(block));
    if (semaphore_bounded(block))
      throw Error{"ValueError", "release of a BoundedSemaphore whose permits (" + most +
                                    ") are all free: one $release() for each $acquire()"};
    throw Error{"ValueError", "a Semaphore cannot have more than " + most + " permits"};
  });
}

// Waits without a limit for a permit that comes back when this process dies.
// [[Rcpp::export(rng = false)]]
void semaphore_enter(SEXP semaphore) {
  entry([&] {
    check(acquire_semaphore(semaphore_of(semaphore), bind::wait_for(R_NilValue), true));
  });
}

// [[Rcpp::export(rng = false)]]
void semaphore_leave(SEXP semaphore) {
  entry([&] {
    mark_output();
    release_owned(semaphore_of(semaphore));
  });
}

// How many of those this process has.
// [[Rcpp::export(rng = false)]]
int semaphore_owned(SEXP semaphore) {
  return entry([&] { return int(owned_permits(semaphore_of(semaphore))); });
}

// [[Rcpp::export(rng = false)]]
double semaphore_permits(SEXP semaphore) {
  return entry([&] { return double(semaphore_value(semaphore_of(semaphore))); });
}

// [[Rcpp::export(rng = false)]]
bool semaphore_is_bounded(SEXP semaphore) {
  return entry([&] { return semaphore_bounded(semaphore_of(semaphore)); });
}

// [[Rcpp::export(rng = false)]]
SEXP event_create() {
  return entry([&] { return new_handle(create_event(), BlockKind::Event); });
}

// [[Rcpp::export(rng = false)]]
void event_set(SEXP event) {
  entry([&] {
    mark_output();
    set_event(event_of(event));
  });
}

// [[Rcpp::export(rng = false)]]
void event_clear(SEXP event) {
  entry([&] { clear_event(event_of(event)); });
}

// [[Rcpp::export(rng = false)]]
bool event_state(SEXP event) {
  return entry([&] { return event_is_set(event_of(event)); });
}

// [[Rcpp::export(rng = false)]]
bool event_wait(SEXP event, SEXP timeout) {
  return entry([&] {
    Status s = wait_for_event(event_of(event), wait_for(timeout));
    check(s);
    return s == Status::Ok;
  });
}
