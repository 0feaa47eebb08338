// Entry points from R for a pool's jobs: R/pool-job.R, R/pool-async.R, R/pool-iterator.R, R/mc-fork.R.
#include "pool/job.h"

#include "session/output.h"
#include "session/session.h"
#include "session/waits.h"

using namespace mp;
using namespace mp::bind;

// A job, see submit_map(). Returns its id.
// [[Rcpp::export(rng = false)]]
int pool_submit(SEXP pool, SEXP fun, SEXP body, SEXP iterable, double count, SEXP chunks,
                SEXP order, int retries, double task_timeout, bool each, SEXP type, std::string given, int before) {
  return entry([&] {
    ElementNames names(ElementNames::given_of(given), before);
    return submit_map(pool_of(pool), fun, body, iterable, count, chunks, order, retries, task_timeout, each, type, names);
  });
}

// A pool's only job, for which its workers are forked, see run_once(). Returns its id.
// [[Rcpp::export(rng = false)]]
int pool_run_once(SEXP pool, double count, SEXP chunks, SEXP order, int retries, bool each, SEXP type) {
  return entry([&] { return run_once(pool_of(pool), count, chunks, order, retries, each, type); });
}

// One call of a function, waited for, see call_in_pool().
// [[Rcpp::export(rng = false)]]
SEXP pool_call(SEXP pool, SEXP fun, SEXP args, bool spawn) {
  return call_in_pool(pool, fun, args, spawn);
}

// The same, but returns at once, with an outcome, see outcome.cpp. NULL: as pool_call().
// [[Rcpp::export(rng = false)]]
SEXP pool_begin(SEXP kind, SEXP owner, SEXP pool, SEXP fun, SEXP args) {
  return submit_call(kind, owner, pool, fun, args);
}

// The outcome of a job that was submitted.
// [[Rcpp::export(rng = false)]]
SEXP pool_outcome(SEXP kind, SEXP owner, SEXP pool, int id, SEXP job) {
  return outcome_of_job(kind, owner, pool, id, job);
}

// The job of a ticket; 0: its outcome was taken.
// [[Rcpp::export(rng = false)]]
int pool_ticket_job(SEXP ticket) { return job_of_ticket(ticket); }

// TRUE once the call is done: its outcome is in `state`.
// [[Rcpp::export(rng = false)]]
bool pool_finish(SEXP state, SEXP timeout) { return finish_call(state, timeout); }

// TRUE once the call has a value; FALSE: take the long way.
// [[Rcpp::export(rng = false)]]
bool pool_finish_plain(SEXP state) { return finish_plain_call(state); }

// The jobs that are done since this was called last. Noted from the first call on: look at all jobs after that one.
// [[Rcpp::export(rng = false)]]
std::vector<int> pool_finished(SEXP pool) {
  return entry([&] {
    PoolOwner& owner = pool_of(pool);
    owner.attend();
    return owner.jobs().finished();
  });
}

// The job's results will not be asked for any more. Called by R's collector: only takes note.
// [[Rcpp::export(rng = false)]]
void pool_abandon(SEXP pool, int id) {
  if (TYPEOF(pool) == EXTPTRSXP && R_ExternalPtrAddr(pool))
    static_cast<PoolOwner*>(R_ExternalPtrAddr(pool))->jobs().abandon(id);
}

// The results of a job so far: list(values, failures).
// [[Rcpp::export(rng = false)]]
SEXP pool_peek(SEXP pool, int id) {
  return entry([&] {
    PoolJob& j = pool_of(pool).job(id);
    return with_names(list_of(values_of(j), SEXP(j.failures)), {"values", "failures"});
  });
}

// TRUE if the job is done within the time.
// [[Rcpp::export(rng = false)]]
bool pool_wait(SEXP pool, int id, SEXP timeout) {
  return entry([&] {
    PoolOwner& owner = pool_of(pool);
    owner.job(id);
    bool done = owner.wait(wait_for(timeout), [&] { return owner.job(id).done(); });
    show_output();
    return done;
  });
}

// TRUE as soon as one of the elements failed or all are done.
// [[Rcpp::export(rng = false)]]
bool pool_wait_failure(SEXP pool, int id) {
  return entry([&] {
    PoolOwner& owner = pool_of(pool);
    return owner.wait(wait_for(R_NilValue), [&] {
      PoolJob& j = owner.job(id);
      if (j.done()) return true;
      for (int e : j.arrived)
        if (!Rf_isNull(VECTOR_ELT(j.failures, e - 1))) return true;
      j.arrived.clear();
      return false;
    });
  });
}

// list(values, failures, failed), and the job is forgotten.
// [[Rcpp::export(rng = false)]]
SEXP pool_take(SEXP pool, int id) {
  return entry([&] { return take_job(pool_of(pool), id); });
}

// The same after waiting for it.
// [[Rcpp::export(rng = false)]]
SEXP pool_result(SEXP pool, int id) {
  return entry([&] {
    PoolOwner& owner = pool_of(pool);
    owner.job(id);
    await_job(owner, id);
    return take_job(owner, id);
  });
}

// An iterator's next element: list(value, failure); NULL if none came in time. `given` is how many
// it had before, in order or as they were done. Asking again after a Ctrl-C gives the same one.
// [[Rcpp::export(rng = false)]]
SEXP pool_next(SEXP pool, int id, bool ordered, int given, SEXP timeout) {
  return entry([&]() -> SEXP {
    PoolOwner& owner = pool_of(pool);
    owner.job(id);
    bool got = owner.wait(wait_for(timeout), [&] {
      PoolJob& j = owner.job(id);
      return ordered ? j.owner.has(uint64_t(given)) : j.arrived.size() > size_t(given);
    });
    show_output();
    if (!got) return R_NilValue;
    PoolJob& j = owner.job(id);
    auto place = [&](int k) { return ordered ? k : j.arrived[size_t(k)] - 1; };
    if (given > 0) SET_VECTOR_ELT(j.values, place(given - 1), R_NilValue); // not kept twice
    int e = place(given);
    return list_of(VECTOR_ELT(j.values, e), VECTOR_ELT(j.failures, e));
  });
}

// How many elements of the job are done.
// [[Rcpp::export(rng = false)]]
double pool_progress(SEXP pool, int id) {
  return entry([&] {
    PoolOwner& owner = pool_of(pool);
    owner.attend();
    PoolJob& j = owner.job(id);
    return j.submitted && !j.done() ? double(j.owner.computed()) : double(j.owner.settled_count());
  });
}

// TRUE if no worker had begun the job, which has one chunk: then it is forgotten and never computed.
// [[Rcpp::export(rng = false)]]
bool pool_withdraw(SEXP pool, int id) {
  return entry([&] { return pool_of(pool).jobs().withdraw(id); });
}

// Does a worker compute the job now, or has it done so?
// [[Rcpp::export(rng = false)]]
bool pool_claimed(SEXP pool, int id) {
  return entry([&] {
    PoolJob& j = pool_of(pool).job(id);
    return j.done() || j.owner.claimed();
  });
}

// The jobs that no worker has begun, oldest first.
// [[Rcpp::export(rng = false)]]
std::vector<int> pool_unclaimed(SEXP pool) {
  return entry([&] { return pool_of(pool).jobs().unclaimed(); });
}

// [[Rcpp::export(rng = false)]]
void pool_cancel(SEXP pool, int id) {
  entry([&] { pool_of(pool).jobs().cancel(id); });
}

// [[Rcpp::export(rng = false)]]
void pool_forget(SEXP pool, int id) {
  entry([&] { pool_of(pool).jobs().forget(id); });
}
