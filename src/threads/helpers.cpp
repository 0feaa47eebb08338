#include "threads/helpers.h"
#include "session/child.h"
#include "session/waits.h"

#include <csignal>
#include <cstdlib>

namespace mp::bind {
namespace {

pid_t home = 0; // the process that loaded the package
thread_local bool is_r_thread = false;

using Enqueue = void (*)(unsigned count, const std::function<void()>* helper);

// False: Ctrl-C came meanwhile. It is raised again, so that the loop sees it. Throws nothing.
bool load_tbb(Enqueue* enqueue) {
  try {
    SEXP address = call_r("load_tbb"); // NULL: RcppParallel has no TBB
    if (TYPEOF(address) == EXTPTRSXP)
      *enqueue =
          reinterpret_cast<Enqueue>(reinterpret_cast<void (*)()>(R_ExternalPtrAddrFn(address)));
    return true;
  } catch (const Unwind&) { // R's errors are caught in R
    raise(SIGINT);
    return false;
  } catch (...) {
    return true;
  }
}

// Helpers are given to TBB and not waited for: a thread of its pool that never comes costs its
// share of the speed, no more. So a pool that other packages keep busy, or have lost in a fork that
// happened before we were loaded, cannot hold us up.
void launch(unsigned count, const std::function<void()>& helper) {
  if (is_forked()) return launch_threads(count, helper); // never touch an inherited pool
  static Enqueue enqueue = nullptr;
  static bool looked = false;
  if (!looked && on_r_thread()) looked = load_tbb(&enqueue);
  if (!enqueue) return launch_threads(count, helper);
  try {
    enqueue(count, &helper);
  } catch (const std::exception&) { // those that came will do
  }
}

void look_for_interrupt(void*) { R_CheckUserInterrupt(); }

unsigned usual_count() {
  if (is_forked() || own_process() != 0) return 1;
  if (const char* set = std::getenv("RCPP_PARALLEL_NUM_THREADS")) { // setThreadOptions()
    int n = std::atoi(set);
    if (n > 0) return unsigned(n);
  }
  static unsigned cores = 0; // asked once: it takes R a millisecond
  if (cores == 0) cores = unsigned(std::max(1, Rf_asInteger(call_r("cpu_count"))));
  return cores;
}

} // namespace

void prepare_threads() {
  home = platform::own_pid();
  is_r_thread = true;
  launch_with(launch);
}

bool is_forked() { return platform::own_pid() != home; }
bool on_r_thread() { return is_r_thread; }

unsigned thread_count(unsigned wanted) { return wanted ? wanted : usual_count(); }

bool poll_interrupt() { return !R_ToplevelExec(look_for_interrupt, nullptr); }

} // namespace mp::bind
