// Entry points from R for processes: R/child-process.R, R/child-spawn.R.
#include "session/children.h"

#include "session/output.h"
#include "session/session.h"
#include "session/waits.h"

#include "core/deadlock.h"
#include "core/doorbell.h"
#include "core/heap.h"
#include "core/participant.h"

#include <optional>

using namespace mp;
using namespace mp::bind;

// `what`: from R's start method of that name.
// [[Rcpp::export(rng = false)]]
SEXP process_start(SEXP what, std::string method, bool silent) { return start_process(what, method, silent); }

// The workers of this process's pools that run: list(pointers, names).
// [[Rcpp::export(rng = false)]]
SEXP process_workers() { return pool_workers(); }

// [[Rcpp::export(rng = false)]]
int process_pid(SEXP process) {
  return entry([&] { return int(process_child(process).child.pid); });
}

// NULL while it runs, else its exit code, or -signal.
// [[Rcpp::export(rng = false)]]
SEXP process_status(SEXP process) {
  return entry([&] {
    RChild& c = process_child(process);
    return child_has_ended(c) ? Rf_ScalarInteger(exit_status(c)) : R_NilValue;
  });
}

// Waits for processes, for the last or the first: which of them have ended. With `results` one that has
// published what it returns counts as ended.
static std::vector<bool> wait_for_processes(SEXP processes, SEXP timeout, bool all_of_them,
                                            bool results) {
  return entry([&] {
    Wait wait = wait_for(timeout);
    std::vector<RChild*> cs;
    for (R_xlen_t i = 0; i < Rf_xlength(processes); ++i)
      cs.push_back(&process_child(VECTOR_ELT(processes, i)));
    auto answered = [&](RChild* c) { // acquire: pairs with publish_result()
      return results && heap().at<ProcessShared>(c->child.process)->result.load(std::memory_order_acquire);
    };
    ChildWait step(wait);
    for (RChild* c : cs) step.children.push_back(c->child.token);
    std::optional<Blocked> blocked; // by one process, for others to see; a limit would end it
    if (cs.size() == 1 && wait.deadline == platform::kForever)
      blocked.emplace(Blocked::kEnd, cs[0]->child.token);
    Waiter waiter(step.wait);
    for (;;) {
      size_t over = 0;
      for (RChild* c : cs) over += answered(c) || child_has_ended(*c);
      if (over == cs.size() || (over && !all_of_them) || platform::now_ns() >= wait.deadline) break;
      Status s = waiter.until([&] {
        if (blocked) blocked->look();
        size_t known = 0; // a tick may have reaped one since we counted
        for (RChild* c : cs) known += answered(c) || state_of(c->child) == ChildState::Reaped;
        bool changed = known > over;
        for (RChild* c : cs) {
          ChildState state = state_of(c->child);
          if (state == ChildState::Running) waiter.watch(c->child.token);
          else if (state == ChildState::Ended) changed = true;
        }
        return changed;
      });
      check(s);
      for (RChild* c : cs) // its life is over; the system may need a moment more
        if (!answered(c) && state_of(c->child) == ChildState::Ended && !await_child(c->child, 20) &&
            step.tick())
          interrupt();
    }
    show_output();
    std::vector<bool> r;
    for (RChild* c : cs) r.push_back(answered(c) || state_of(c->child) == ChildState::Reaped);
    return r;
  });
}

// [[Rcpp::export(rng = false)]]
std::vector<bool> process_join(SEXP processes, SEXP timeout, bool all_of_them) {
  return wait_for_processes(processes, timeout, all_of_them, false);
}

// [[Rcpp::export(rng = false)]]
std::vector<bool> process_ready(SEXP processes, SEXP timeout) {
  return wait_for_processes(processes, timeout, false, true);
}

// [[Rcpp::export(rng = false)]]
void process_signal(SEXP process, int signal) {
  entry([&] { signal_child(process_child(process).child, signal); });
}

// What it returned: list(status, value), or NULL if it has left nothing.
// [[Rcpp::export(rng = false)]]
SEXP process_result(SEXP process) { return result_of_process(process); }

// In a child: what it returns, or its error.
// [[Rcpp::export(rng = false)]]
void process_publish(SEXP value, int status) { publish_result(value, status); }

// In a spawned R: joins the session of its parent; returns what to run.
// [[Rcpp::export(rng = false)]]
SEXP process_spawned(std::string variable) { return enter_spawned(variable); }
