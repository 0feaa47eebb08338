// Entry points from R in a worker: R/child-worker.R, R/mc-fork.R.
#include "pool/worker.h"

// `version`: of the session's journal that a new R was given; NULL in a fork, which has its own copy of it.
// `inherited`: NULL, or the frame of fork_map(), which has the function and the elements.
// [[Rcpp::export(rng = false)]]
void worker_begin(SEXP pool, int index, int maxtasks, SEXP inherited, SEXP version) {
  mp::bind::begin_worker(pool, index, maxtasks, inherited, version);
}

// TRUE when the pool has no more work for this worker; FALSE after a job that was cancelled. An R
// error comes out as it is.
// [[Rcpp::export(rng = false)]]
bool worker_run() { return mp::bind::run_worker(); }

// The element that was being computed failed: its error is its result.
// [[Rcpp::export(rng = false)]]
void worker_fail(SEXP failure) { mp::bind::fail_element(failure); }

// The frame from which the elements of a job are computed: X, i, args and `...`; NULL if there is none.
// [[Rcpp::export(rng = false)]]
SEXP worker_task_frame() { return mp::bind::task_frame(); }

// [[Rcpp::export(rng = false)]]
bool is_empty_pointer(SEXP x) { return TYPEOF(x) == EXTPTRSXP && !R_ExternalPtrAddr(x); }

// Whether an interrupt is for the element that is being computed.
// [[Rcpp::export(rng = false)]]
bool worker_cancelled() { return mp::bind::element_cancelled(); }
