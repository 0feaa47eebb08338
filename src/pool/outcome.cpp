// Outcomes that come later, of a future or an AsyncResult. Each is an environment of methods
// (closures) whose own environment is its state: R/pool-async.R says what the variables are. Made
// here, as R would take as long for it as for the call.
#include "pool/job.h"
#include "r/compat.h"
#include "session/handle.h"
#include "session/output.h"
#include "session/session.h"
#include "session/waits.h"

namespace mp::bind {
namespace {

struct Names {
  SEXP owner = Rf_install("owner"), pool = Rf_install("pool"), ticket = Rf_install("ticket"),
       job = Rf_install("job"), outcome = Rf_install("outcome"), taken = Rf_install("taken"),
       callbacks = Rf_install("callbacks"), state = Rf_install("state"), self = Rf_install("self"),
       hidden = Rf_install(".state"), ptr = Rf_install("ptr"), spawns = Rf_install("spawns"),
       pending = Rf_install("pending"), tag = Rf_install("multiprocessing_ticket"),
       value = Rf_mkString("value");
};

const Names& names() {
  static Names* all = nullptr;
  if (!all)
    protect([] {
      all = new Names;
      R_PreserveObject(all->value);
      return R_NilValue;
    });
  return *all;
}

SEXP ptr_of(SEXP pool) { return r::own_variable(pool, names().ptr); }

// --- tickets: an external pointer with the job's id; kept for it: its pool ---

// The job will not be asked for any more. The pool's own pointer may have been collected with this
// one.
void finalize_ticket(SEXP ticket) {
  int id = job_of_ticket(ticket);
  SEXP pool = R_ExternalPtrProtected(ticket);
  if (id && R_ExternalPtrAddr(pool)) static_cast<PoolOwner*>(R_ExternalPtrAddr(pool))->jobs().abandon(id);
  R_ClearExternalPtr(ticket);
}

void set_job(SEXP ticket, int id) {
  R_SetExternalPtrAddr(ticket, reinterpret_cast<void*>(intptr_t(id)));
}

SEXP new_ticket(SEXP ptr) {
  SEXP tag = names().tag;
  return protect([&] { return new_pointer(tag, ptr, finalize_ticket, FALSE); });
}

// `kind`: list(class, list of methods, list of their names), see R/pool-async.R
SEXP new_outcome(SEXP kind, SEXP owner, SEXP pool, SEXP ticket, SEXP job) {
  const Names& n = names();
  SEXP home = package_namespace();
  return protect([&] {
    SEXP state = PROTECT(R_NewEnv(home, FALSE, 0)), self = PROTECT(R_NewEnv(R_EmptyEnv, FALSE, 0));
    Rf_defineVar(n.self, self, state); // R looks from the one that was defined last on
    Rf_defineVar(n.owner, owner, state);
    if (job != R_NilValue) Rf_defineVar(n.job, job, state);
    Rf_defineVar(n.pool, pool, state);
    Rf_defineVar(n.ticket, ticket, state);
    Rf_defineVar(n.state, state, state);
    Rf_defineVar(n.outcome, R_NilValue, state);
    SEXP methods = VECTOR_ELT(kind, 1), titles = VECTOR_ELT(kind, 2);
    Rf_defineVar(n.hidden, state, self);
    for (R_xlen_t i = Rf_xlength(methods); i-- > 0;) {
      SEXP method = VECTOR_ELT(methods, i);
      SEXP own =
          PROTECT(r::make_closure(r::closure_formals(method), r::closure_body(method), state));
      Rf_defineVar(VECTOR_ELT(titles, i), own, self);
      UNPROTECT(1);
    }
    R_LockEnvironment(self, TRUE);
    Rf_setAttrib(self, R_ClassSymbol, VECTOR_ELT(kind, 0));
    UNPROTECT(2);
    return self;
  });
}

} // namespace

// A call as an outcome; when that is collected, the call's result is abandoned. NULL: see
// begin_call().
SEXP submit_call(SEXP kind, SEXP owner, SEXP pool, SEXP fun, SEXP args) {
  return entry([&]() -> SEXP {
    SEXP ptr = ptr_of(pool);
    PoolOwner& p = pool_of(ptr);
    Protected ticket(new_ticket(ptr));
    int id = begin_call(p, fun, args, Rf_asLogical(r::own_variable(pool, names().spawns)) == TRUE);
    if (!id) return R_NilValue;
    set_job(ticket, id);
    return new_outcome(kind, owner, pool, ticket, R_NilValue);
  });
}

SEXP outcome_of_job(SEXP kind, SEXP owner, SEXP pool, int id, SEXP job) {
  return entry([&] {
    Protected ticket(new_ticket(ptr_of(pool)));
    set_job(ticket, id);
    return new_outcome(kind, owner, pool, ticket, job);
  });
}

int job_of_ticket(SEXP ticket) {
  return int(reinterpret_cast<intptr_t>(R_ExternalPtrAddr(ticket)));
}

namespace {

// If the call is done within the time its outcome becomes a variable of `state`, and no Ctrl-C
// comes in between: a value becomes `outcome`, list(value), a failure becomes `taken`, list(NULL,
// failure), which R turns into `outcome`.
bool finish(PoolOwner& owner, SEXP ticket, SEXP timeout, SEXP state) {
  const Names& n = names();
  int id = job_of_ticket(ticket);
  auto done = [&] { return owner.has_ended(id) || owner.job(id).done(); };
  try {
    if (!owner.wait(wait_for(timeout), done)) return show_output(), false;
  } catch (const Error&) {
    if (!owner.has_ended(id)) throw; // the pool has, just now
  }
  show_output();
  bool ended = owner.has_ended(id); // the pool ended by itself, and the call with it
  if (!ended && owner.job(id).failed == 0) {
    SEXP value = VECTOR_ELT(owner.job(id).values, 0);
    protect([&] {
      SEXP outcome = PROTECT(Rf_allocVector(VECSXP, 1));
      SET_VECTOR_ELT(outcome, 0, value);
      Rf_setAttrib(outcome, R_NamesSymbol, n.value);
      Rf_defineVar(n.outcome, outcome, state);
      UNPROTECT(1);
      return R_NilValue;
    });
  } else {
    Protected taken(ended ? list_of(R_NilValue, call_r("pool_failure", owner.why()))
                          : call_outcome(owner.job(id)));
    protect([&] {
      Rf_defineVar(n.taken, taken, state);
      return R_NilValue;
    });
  }
  R_ClearExternalPtr(ticket);
  if (!ended) owner.jobs().forget(id);
  return true;
}

} // namespace

bool finish_call(SEXP state, SEXP timeout) {
  return entry([&] {
    SEXP ticket = r::own_variable(state, names().ticket);
    return finish(pool_of(R_ExternalPtrProtected(ticket)), ticket, timeout, state);
  });
}

// The same without a limit of time. False at once for what R has to look at: a job of several
// elements, one that was withdrawn, callbacks that are due; also when the call failed.
bool finish_plain_call(SEXP state) {
  const Names& n = names();
  SEXP ticket = r::own_variable(state, n.ticket), pool = r::own_variable(state, n.pool);
  if (r::own_variable(state, n.job) != R_NilValue ||
      Rf_length(r::own_variable(pool, n.pending)) > 0)
    return false;
  return entry([&] {
    PoolOwner& owner = pool_of(R_ExternalPtrProtected(ticket));
    return owner.jobs().find(job_of_ticket(ticket)) && finish(owner, ticket, R_NilValue, state) &&
           r::own_variable(state, n.outcome) != R_NilValue;
  });
}

} // namespace mp::bind
