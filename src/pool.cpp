// Entry points from R for pools: R/pool.R.
#include "pool/pool.h"

#include "session/handle.h"
#include "session/output.h"
#include "session/session.h"
#include "session/waits.h"

using namespace mp;
using namespace mp::bind;

// [[Rcpp::export(rng = false)]]
SEXP pool_create(int workers, SEXP start, bool plain) {
  return entry([&] { return make_pool(workers, start, plain); });
}

// The pool's block as a handle, for the workers.
// [[Rcpp::export(rng = false)]]
SEXP pool_handle(SEXP pool) {
  return entry([&] { return another_handle(any_pool_of(pool).block(), BlockKind::Pool); });
}

// Starts the workers.
// [[Rcpp::export(rng = false)]]
void pool_start(SEXP pool) {
  entry([&] { pool_of(pool).start_all(); });
}

// [[Rcpp::export(rng = false)]]
void pool_attend(SEXP pool) {
  entry([&] {
    pool_of(pool).attend();
    show_output();
  });
}

// Closed, except that lazy iterators that were started before will submit jobs until pool_close().
// [[Rcpp::export(rng = false)]]
void pool_close_later(SEXP pool) {
  entry([&] { pool_of(pool).close_later(); });
}

// Unique among the pools that exist.
// [[Rcpp::export(rng = false)]]
SEXP pool_key(SEXP pool) {
  return entry([&] {
    std::string key = std::to_string(any_pool_of(pool).block());
    return protect([&] { return to_r(key); });
  });
}

// Whether this process still has it.
// [[Rcpp::export(rng = false)]]
bool pool_exists(SEXP pool) { return has_pool(pool); }

// It does not end with its pointer from here on.
// [[Rcpp::export(rng = false)]]
void pool_survive(SEXP pool) {
  entry([&] { any_pool_of(pool).survive_finalizer(true); });
}

// It ends with its pointer again, also if R has called the pointer's finalizer meanwhile. Not for finalizers.
// [[Rcpp::export(rng = false)]]
void pool_survive_no_more(SEXP pool) {
  entry([&] {
    if (!has_pool(pool)) return;
    finalize_with_pointer(pool);
    any_pool_of(pool).survive_finalizer(false);
  });
}

// Ends it at once, even if it is busy: for the end of this process.
// [[Rcpp::export(rng = false)]]
void pool_discard(SEXP pool) {
  entry([&] { discard_pool(pool); });
}

// The workers end once all that was submitted is computed; R keeps the pool until then, and calls pool_close(). Called by R's
// collector: no entry, which would do what finalizers have left, and nothing that allocates or waits.
// [[Rcpp::export(rng = false)]]
void pool_let_end(SEXP pool) {
  if (!has_pool(pool)) return;
  any_pool_of(pool).let_end();
  close_pool(any_pool_of(pool).block());
}

// [[Rcpp::export(rng = false)]]
void pool_close(SEXP pool) {
  entry([&] { pool_of(pool).close(); });
}

// Sends a signal to all workers of a pool whose results are not wanted any more.
// [[Rcpp::export(rng = false)]]
void pool_signal(SEXP pool, int signal) {
  entry([&] {
    PoolOwner& owner = pool_of(pool);
    owner.meet_all();
    owner.leave_alone();
    owner.workers().signal_all(signal);
  });
}

// [[Rcpp::export(rng = false)]]
void pool_terminate(SEXP pool) {
  entry([&] { pool_of(pool).terminate(); });
}

// [[Rcpp::export(rng = false)]]
void pool_dismiss(SEXP pool) {
  entry([&] { pool_of(pool).dismiss(); });
}

// [[Rcpp::export(rng = false)]]
bool pool_join(SEXP pool, SEXP timeout) {
  return entry([&] {
    PoolOwner& owner = pool_of(pool);
    bool r = owner.wait(wait_for(timeout), [&] { return owner.joined(); });
    show_output();
    return r;
  });
}

// [[Rcpp::export(rng = false)]]
SEXP pool_state(SEXP pool) {
  return entry([&] {
    PoolOwner& owner = pool_of(pool);
    owner.attend();
    owner.meet_all();
    std::vector<double> chunks;
    for (size_t i = 0; i < owner.workers().count(); ++i)
      chunks.push_back(double(worker_at(owner.block(), uint32_t(i)).chunks_done.load()));
    return with_names(list_of(owner.workers().pids(), chunks, double(owner.jobs().unfinished()), owner.closing(), owner.terminated()),
                      {"pids", "chunks", "unfinished", "closed", "terminated"});
  });
}
