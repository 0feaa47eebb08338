// Jobs of a pool, from the owner's side.
#pragma once

#include "pool/pool.h"

namespace mp::bind {

// What src/pool_job.cpp calls.
int submit_map(PoolOwner& owner, SEXP fun, SEXP body, SEXP iterable, double count, SEXP chunks,
               SEXP order, int retries, double task_timeout, bool each, SEXP type);
// The pool's only job: its workers are forked for it now, so they have its function and its elements,
// and leave as soon as nothing is left for them.
int run_once(PoolOwner& owner, double count, SEXP chunks, SEXP order, int retries, bool each, SEXP type);
SEXP call_in_pool(SEXP pool, SEXP fun, SEXP args, bool spawn);
SEXP submit_call(SEXP pool, SEXP fun, SEXP args, bool spawn);
SEXP ticket_of_job(SEXP pool, int id);
int job_of_ticket(SEXP ticket); // 0: its outcome was taken
bool finish_call(SEXP pool, SEXP ticket, SEXP timeout, SEXP state);
SEXP inherited_name(SEXP pool, SEXP fun);
SEXP needs_in_pool(SEXP pool, SEXP fun, SEXP args, SEXP elements, bool spawn);
void await_job(PoolOwner& owner, int id);
SEXP take_job(PoolOwner& owner, int id); // list(values, failures, failed, first), and forgets it

} // namespace mp::bind
