// Jobs of a pool, from the owner's side.
#pragma once

#include "pool/pool.h"

namespace mp::bind {

// What src/pool_job.cpp calls.
int submit_map(PoolOwner& owner, SEXP fun, SEXP body, SEXP iterable, double count, SEXP chunks,
               SEXP order, int retries, double task_timeout, bool each, SEXP type, const ElementNames& names);
// The pool's only job: its workers are forked for it now, so they have its function and its elements,
// and leave as soon as nothing is left for them.
int run_once(PoolOwner& owner, double count, SEXP chunks, SEXP order, int retries, bool each, SEXP type);
// One call, submitted: its job's id. 0: it is not a simple one, take the long way.
int begin_call(PoolOwner& owner, SEXP fun, SEXP args, bool spawn);
SEXP call_outcome(PoolJob& job); // list(value) or list(NULL, failure) of a job with one element that is done
SEXP call_in_pool(SEXP pool, SEXP fun, SEXP args, bool spawn);
// Of outcome.cpp, which has the outcomes of calls that are not waited for at once.
SEXP submit_call(SEXP kind, SEXP owner, SEXP pool, SEXP fun, SEXP args);
SEXP outcome_of_job(SEXP kind, SEXP owner, SEXP pool, int id, SEXP job);
int job_of_ticket(SEXP ticket); // 0: its outcome was taken
bool finish_call(SEXP state, SEXP timeout);
bool finish_plain_call(SEXP state);
SEXP inherited_name(SEXP pool, SEXP fun);
SEXP needs_in_pool(SEXP pool, SEXP fun, SEXP args, SEXP elements, bool spawn);
void await_job(PoolOwner& owner, int id);
SEXP take_job(PoolOwner& owner, int id); // list(values, failures, failed, first), and forgets it

} // namespace mp::bind
