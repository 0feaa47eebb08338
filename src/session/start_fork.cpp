// Children of R that are copies of it: what becomes of R in the copy, and how it leaves.
#include "session/start.h"

#include "session/handle.h"
#include "session/interrupts.h"
#include "session/sent_data.h"
#include "session/waits.h"

#include "r/compat.h"
#include "core/guard.h"

#include <R_ext/GraphicsEngine.h> // its headers declare the flags of R's interrupts
#include <algorithm>
#include <dlfcn.h>

namespace mp::bind {
namespace {

// For forks to come; a fork closes its siblings' files. Never destroyed: finalizers may run after the
// destructors of static objects.
std::vector<std::weak_ptr<RChild>>& prepared = *new std::vector<std::weak_ptr<RChild>>;

uint32_t my_depth = 0; // fork_depth() when this child began

// A fork that other code made of this child has no record of its own.
[[noreturn]] void leave(int code) { leave_process(my_depth == fork_depth() ? own_process() : 0, code); }

void leave_at_exit(SEXP) { leave(0); }

// quit() in a fork must not run the parent's finalizers nor delete its temporary folder. The
// functions are replaced in this process; a call of .Internal(quit()) is caught by an exit
// finalizer, the last one registered and so the first to run.
void replace_quit() {
  SEXP leave = PROTECT(Rf_eval(Rf_install("leave_by_quit"), package_namespace()));
  for (const char* name : {"quit", "q"}) {
    SEXP symbol = Rf_install(name);
    R_unLockBinding(symbol, R_BaseEnv);
    Rf_defineVar(symbol, leave, R_BaseEnv);
  }
  SEXP last = PROTECT(R_MakeExternalPtr(nullptr, R_NilValue, R_NilValue));
  R_RegisterCFinalizerEx(last, leave_at_exit, TRUE);
  R_PreserveObject(last);
  UNPROTECT(2);
}

SEXP parallel = nullptr;       // the package's namespace
SEXP parallels_exit = nullptr; // the routine behind its mcexit(); preserved

// Before the first fork: it calls R. It is not unloaded while this package is loaded.
void find_parallel() {
  SEXP name = PROTECT(Rf_mkString("parallel"));
  parallel = R_FindNamespace(name);
  UNPROTECT(1);
}

// Package parallel keeps to itself whether this process is a child. Its functions, and copies of them
// that others keep (parallelly's isForkedChild()), ask these two routines by name: in this process
// the names lead to ours.
void tell_parallel() {
  auto replace = [&](const char* theirs, const char* ours) {
    SEXP symbol = Rf_install(theirs), before = r::frame_variable(parallel, symbol);
    if (before == R_NilValue) return before;
    SEXP routine = PROTECT(r::frame_variable(package_namespace(), Rf_install(ours)));
    R_PreserveObject(before);
    R_unLockBinding(symbol, parallel);
    Rf_defineVar(symbol, routine, parallel);
    UNPROTECT(1);
    return before;
  };
  replace("C_mc_is_child", "_multiprocessing_in_child");
  SEXP exit = replace("C_mc_exit", "_multiprocessing_parallel_exit");
  if (!parallels_exit) parallels_exit = exit; // else it is the one that our own parent put there
}

// A fork has the parent's script, the read part of it and the file: browser() or readLines(stdin())
// would run the rest of it here, and the parent would continue after that. R asks this pointer for each
// line. It is documented for programs that embed R, whose headers alone declare it. Found before the first fork: the
// search would touch the tables of all libraries in each child.
using Read = int (*)(const char*, unsigned char*, int, int);
Read* console = nullptr;
void find_console() { console = static_cast<Read*>(dlsym(RTLD_DEFAULT, "ptr_R_ReadConsole")); }
int read_nothing(const char*, unsigned char*, int, int) { return 0; }
void close_input() {
  if (console) *console = read_nothing;
}

struct ChildRun {
  SEXP call;
  int index;
  int code;
};

void evaluate_in_child(ChildRun* run, SEXP call) {
  // The parent may have held Ctrl-C back when it forked, with one pending: that one is the parent's own.
  R_interrupts_suspended = FALSE;
  R_interrupts_pending = 0;
  SEXP value = Rf_eval(call, package_namespace());
  run->code = Rf_isInteger(value) && Rf_length(value) == 1 ? INTEGER(value)[0] : 0;
}

void run_child(void* data) {
  auto* run = static_cast<ChildRun*>(data);
  replace_quit();
  tell_parallel();
  close_input();
  SEXP what = PROTECT(run->call);
  if (run->index >= 0) {
    SEXP index = PROTECT(Rf_ScalarInteger(run->index));
    what = Rf_lang3(CAR(run->call), CADR(run->call), index);
    UNPROTECT(1);
  }
  PROTECT(what);
  evaluate_in_child(run, what);
  UNPROTECT(2);
}

// For children of the mclapply() family, which have the handlers and restarts of the code around the
// call, as parallel's children do. That code was copied too, and a handler or restart of it may be the target of
// a jump (tryCatch(), "abort"): each such jump ends here, before any frame of the parent's
// is left. `resume` reports what was given up and continues with the next.
void run_with_handlers(ChildRun* run, SEXP resume) {
  for (bool first = true;; first = false) {
    try {
      codec::protect([&]() -> SEXP {
        if (first) {
          run_child(run);
        } else {
          SEXP call = PROTECT(Rf_lang1(resume));
          evaluate_in_child(run, call);
          UNPROTECT(1);
        }
        return R_NilValue;
      });
      return;
    } catch (const codec::Unwind&) { // its target is never reached
    }
  }
}

[[noreturn]] void be_child(SEXP call, int index, uint64_t process) {
  set_own_process(process);
  my_depth = fork_depth();
  for (const std::weak_ptr<RChild>& sibling : prepared)
    if (ChildRef c = sibling.lock()) close_child(c->child);
  prepared.clear();
  forget_exports();
  {
    GuardLimit guards = GuardLimit::uninterruptible(); // a Ctrl-C that the parent was to take was copied, too
    // Not the parent's jobs and processes: they would live as long as this child.
    keep_held_blocks(process);
  }
  install_interrupt_handlers();
  ChildRun run{call, index, 1};
  SEXP resume = element(CADR(call), "resume");
  codec::refuse_connections(resume == R_NilValue); // to parallel's they are values as any other
  if (resume == R_NilValue) R_ToplevelExec(run_child, &run); // a jump to top level leaves with code 1
  else run_with_handlers(&run, resume);
  leave_process(process, run.code);
}

// A child's first collections write into each object that has survived none, and so copy its page.
// The session collects these itself, for all children; a second later at the earliest, or when it
// has worked for 20 times as long as that takes.
void age_objects() {
  constexpr int64_t kSecond = 1'000'000'000;
  static int64_t due = 0;
  int64_t start = platform::now_ns();
  if (start < due) return;
  call_r("collect_young");
  int64_t end = platform::now_ns();
  due = end + std::max(kSecond, 20 * (end - start));
}

void prepare(const ChildRef& c, const ChildTask& task, size_t) {
  fork_method.prepare(c->child, StartOrder{task.output});
  prepared.erase(std::remove_if(prepared.begin(), prepared.end(),
                                [](auto& p) { return p.expired() || p.lock()->child.pid; }),
                 prepared.end());
  prepared.push_back(c);
}

void launch(const std::vector<ChildRef>& fresh, const ChildTask& task) {
  static bool ready = false;
  if (!ready) {
    call_r("load_for_children");
    find_console();
    codec::protect([] {
      find_parallel();
      return R_NilValue;
    });
    platform::trim_allocator(); // each fork would copy the tables of these pages
  }
  ready = true;
  age_objects();
  platform::settle_allocator();
  std::vector<Child*> forks;
  for (const ChildRef& c : fresh) forks.push_back(&c->child);
  int i = fork_method.launch(forks, StartOrder{task.output, task.busy});
  if (i >= 0)
    be_child(task.what, task.workers.empty() ? -1 : task.workers[size_t(i)], fresh[size_t(i)]->child.process);
}

} // namespace

const RStartMethod fork_of_r{"fork", true, prepare, launch};

void leave_child(int status) { leave(status); }

// What parallel's mcexit() calls in a child. It may be a child that parallel forked in one of ours.
SEXP leave_for_parallel(SEXP status) {
  if (my_depth == fork_depth()) leave(Rf_asInteger(status));
  Protected call(codec::protect([&] { return Rf_lang3(Rf_install(".Call"), parallels_exit, status); }));
  return evaluate(call, R_BaseEnv);
}

} // namespace mp::bind
