// Entry points from R for the session: R/session.R, R/preload.R.
#include "session/log.h"
#include "session/session.h"

#include "session/children.h"
#include "session/output.h"
#include "session/waits.h"

#include "core/heap.h"

using namespace mp;
using namespace mp::bind;

// [[Rcpp::export(rng = false)]]
bool session_exists() { return heap_exists(); }

// Of the clock that every deadline is a value of.
// [[Rcpp::export(rng = false)]]
double monotonic_seconds() { return double(platform::now_ns()) / 1e9; }

// A fork copies the random state: without this all children draw the same numbers.
// [[Rcpp::export(rng = false)]]
void forget_random_state() { R_removeVarFromFrame(Rf_install(".Random.seed"), R_GlobalEnv); }

// Does not keep `key`, and `value` only as long as `key` is kept by others.
// [[Rcpp::export(rng = false)]]
SEXP weak_reference(SEXP key, SEXP value) {
  return entry([&] { return protect([&] { return R_MakeWeakRef(key, value, R_NilValue, FALSE); }); });
}

// NULL once the key was collected.
// [[Rcpp::export(rng = false)]]
SEXP weak_value(SEXP reference) { return R_WeakRefValue(reference); }

// Takes a Ctrl-C that was meant for something that has ended, before it interrupts something else.
// [[Rcpp::export(rng = false)]]
void forget_interrupt() { take_interrupt(); }

// Whether this process is a child of the package's.
// [[Rcpp::export(rng = false)]]
bool in_child() { return own_process() != 0; }

// [[Rcpp::export(rng = false)]]
void output_show() {
  entry([&] { show_output(); });
}

// The end of a child.
// [[Rcpp::export(rng = false)]]
void process_leave(int status) { leave_child(status); }

// What parallel's mcexit() calls in a child.
// [[Rcpp::export(rng = false)]]
SEXP parallel_exit(SEXP status) { return leave_for_parallel(status); }

// 0: nothing is logged.
// [[Rcpp::export(rng = false)]]
void log_set_level(int level) { log_level.store(level, std::memory_order_relaxed); }
