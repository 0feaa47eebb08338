// Jobs of a pool, from the owner's side.
#pragma once

#include "pool/pool.h"

namespace mp::bind {

// The entries from R, see src/pool_job.cpp.
int submit_map(SEXP pool, SEXP fun, SEXP body, SEXP iterable, double count, SEXP chunks,
               SEXP places, int retries, double task_timeout, bool each, SEXP type);
SEXP call_in_pool(SEXP pool, SEXP fun, SEXP args, bool spawn);
SEXP inherited_name(SEXP pool, SEXP fun);
SEXP needs_in_pool(SEXP pool, SEXP fun, SEXP args, SEXP elements, bool spawn);
void await_job(PoolOwner& owner, int id);
SEXP take_job(PoolOwner& owner, int id); // list(values, failures, failed, first), and forgets it

} // namespace mp::bind
