// Children of this R: fork and spawn, their output, how they leave, what they return.
#include "session/children.h"

#include "session/defer.h"
#include "session/handle.h"
#include "session/interrupts.h"
#include "session/output.h"
#include "session/sent_data.h"
#include "session/session.h"
#include "session/waits.h"

#include "r/compat.h"
#include "core/guard.h"

#include <R_ext/GraphicsEngine.h> // its headers declare the flags of R's interrupts
#include <algorithm>
#include <cstdlib>
#include <dlfcn.h>
#include <utility>

using namespace mp;
using namespace mp::bind;

namespace {

// Never destroyed: finalizers may run after the destructors of static objects.
// For forks to come; a fork closes its siblings' files.
std::vector<std::weak_ptr<RChild>>& prepared = *new std::vector<std::weak_ptr<RChild>>;

struct Owned { // what the external pointer of a Process holds
  ChildRef child;
  uint32_t depth;
};

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

SEXP parallels_exit = nullptr; // the routine behind parallel's mcexit(); preserved

// Package parallel keeps to itself whether this process is a child. Its functions, and copies of them
// that others keep (parallelly's isForkedChild()), ask these two routines by name: in this process
// the names lead to ours.
void tell_parallel() {
  SEXP name = PROTECT(Rf_mkString("parallel"));
  SEXP parallel = PROTECT(R_FindNamespace(name));
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
  UNPROTECT(2);
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
  int lane;
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
  if (run->lane >= 0) {
    SEXP lane = PROTECT(Rf_ScalarInteger(run->lane));
    what = Rf_lang3(CAR(run->call), CADR(run->call), lane);
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

[[noreturn]] void be_child(SEXP call, int lane, uint64_t process) {
  set_own_process(process);
  my_depth = fork_depth();
  for (const std::weak_ptr<RChild>& sibling : prepared)
    if (ChildRef c = sibling.lock()) close_child(c->child);
  for (const ChildRef& sibling : children()) close_child(sibling->child);
  prepared.clear();
  children().clear();
  forget_exports();
  {
    Patience patience = Patience::steady(); // a Ctrl-C that the parent was to take was copied, too
    // Not the parent's jobs and processes: they would live as long as this child.
    keep_held_blocks(process);
  }
  install_interrupt_handlers();
  ChildRun run{call, lane, 1};
  SEXP resume = element(CADR(call), "resume");
  codec::refuse_connections(resume == R_NilValue); // to parallel's they are values as any other
  if (resume == R_NilValue) R_ToplevelExec(run_child, &run); // a jump to top level leaves with code 1
  else run_with_handlers(&run, resume);
  leave_process(process, run.code);
}

void release_child(void* data) { delete static_cast<Owned*>(data); }

void finalize_child(SEXP pointer) {
  auto* o = static_cast<Owned*>(R_ExternalPtrAddr(pointer));
  if (!o) return;
  R_ClearExternalPtr(pointer);
  if (o->depth == fork_depth()) defer(release_child, o);
}

ChildRef new_child() {
  uint32_t depth = fork_depth();
  ChildRef c(new RChild, [depth](RChild* r) {
    if (depth == fork_depth()) { // a copy in a fork belongs to the parent
      close_child(r->child);
      if (r->process) defer_drop(r->process);
    }
    delete r;
  });
  c->process = heap().allocate(sizeof(ProcessShared), BlockKind::Process);
  return c;
}

// An encoded value in a block that lives as long as `parent`.
uint64_t store_child_value(SEXP value, uint64_t parent) {
  NewBlock block(store_value(value));
  heap().set_parent(block.get(), parent);
  return block.get();
}

ProcessShared& shared(uint64_t process) { return *heap().at<ProcessShared>(process); }

// What a spawned process was sent is needed until it is read, or the process has ended. A death
// between the two lines leaves the block to the Process block, with which it is freed.
void drop_payload(uint64_t process) {
  uint64_t block = std::exchange(shared(process).payload, 0);
  if (block) heap().clear_parent(block);
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

} // namespace

namespace mp::bind {

RChild& process_child(SEXP pointer) {
  if (TYPEOF(pointer) != EXTPTRSXP || !R_ExternalPtrAddr(pointer))
    throw Error{"ValueError", "only the process that started a process can ask this"};
  auto* o = static_cast<Owned*>(R_ExternalPtrAddr(pointer));
  if (o->depth != fork_depth())
    throw Error{"ProcessError", "only the process that started a process can ask this"};
  return *o->child;
}

ChildRef prepare_child(Output output) {
  ChildRef c = new_child();
  prepare_outputs(c->child, output);
  prepared.erase(std::remove_if(prepared.begin(), prepared.end(),
                                [](auto& p) { return p.expired() || p.lock()->child.pid; }),
                 prepared.end());
  prepared.push_back(c);
  return c;
}

void fork_r(const std::vector<ChildRef>& children, SEXP call, Output output,
            const std::vector<int>& lanes, bool busy) {
  static bool ready = false;
  if (!ready) {
    call_r("load_for_children");
    find_console();
    platform::trim_allocator(); // each fork would copy the tables of these pages
  }
  ready = true;
  age_objects();
  platform::settle_allocator();
  std::vector<Child*> forks;
  for (const ChildRef& c : children) {
    c->child.born = &shared(c->process).born;
    forks.push_back(&c->child);
  }
  int i = fork_children(forks, output, busy);
  if (i >= 0) be_child(call, lanes.empty() ? -1 : lanes[size_t(i)], children[size_t(i)]->process);
  bind::children().insert(bind::children().end(), children.begin(), children.end());
}

ChildRef spawn_r(SEXP payload) {
  if (session_starts())
    throw Error{"ProcessError",
                "this R was spawned and still starts: what its profile or a package's .onLoad spawns "
                "now, every R that is spawned would spawn again, without end; do it only if "
                "is.null(multiprocessing::parent_process())"};
  ChildRef c = new_child();
  shared(c->process).payload = store_child_value(payload, c->process);
  Protected command(call_r("spawn_command"));
  spawn_child(c->child, strings_of(element(command, "arguments")),
              strings_of(element(command, "environment")), c->process);
  children().push_back(c);
  return c;
}

bool child_has_ended(RChild& c) {
  if (!poll_child(c.child)) return false;
  drop_payload(c.process); // it may have ended before it read it
  if (!c.shown) show_output(); // all that it printed, after what others printed before
  return true;
}

namespace {

// A worker that a sibling forks will exist in a moment. False: it never will, or its forker does not run
// (a debugger).
bool await_birth(RChild& c) {
  constexpr int64_t kBirthNs = 10'000'000'000;
  int64_t deadline = platform::now_ns() + kBirthNs;
  while (!meet_child(c.child) && platform::now_ns() < deadline) {
    if (await_child(c.child, 1)) break;
    if (interruptible_tick(nullptr)) interrupt();
  }
  return meet_child(c.child);
}

} // namespace

bool await_dying() {
  constexpr int64_t kTakenDownNs = 10'000'000'000;
  int64_t deadline = platform::now_ns() + kTakenDownNs;
  bool any = false;
  for (const ChildRef& c : std::vector<ChildRef>(children())) {
    if (state_of(c->child) != ChildState::Ended || !meet_child(c->child)) continue;
    any = true;
    while (!await_child(c->child, 20) && platform::now_ns() < deadline)
      if (interruptible_tick(nullptr)) interrupt();
  }
  if (any) show_output(); // closes their files, and their places are free
  return any;
}

int exit_status(RChild& c) {
  uint32_t left = shared(c.process).left.load(std::memory_order_acquire);
  bool killed = c.child.status < 0 && c.child.status != kUnknownEnd;
  return left && !killed ? int(left) - 1 : c.child.status;
}

// `spawn`: a list for a fresh R; otherwise `what` is a call that a fork evaluates.
SEXP start_process(SEXP what, bool spawn, bool silent) {
  return entry([&] {
    Protected p(
        codec::protect([] { return new_pointer(R_NilValue, R_NilValue, finalize_child, FALSE); }));
    Output output = silent ? Output::Discarded : Output::Captured;
    ChildRef c = with_room([&] {
      ChildRef fresh = spawn ? spawn_r(what) : prepare_child(output);
      if (!spawn) fork_r({fresh}, what, output);
      return fresh;
    });
    R_SetExternalPtrAddr(p, new Owned{c, fork_depth()});
    return SEXP(p);
  });
}

// The workers of this process's pools that run: list(pointers, names).
SEXP pool_workers() {
  return entry([&] {
    std::vector<ChildRef> found;
    for (const ChildRef& c : std::vector<ChildRef>(children()))
      if (!c->name.empty() && await_birth(*c) && !child_has_ended(*c)) found.push_back(c);
    Protected pointers(codec::protect([&] { return Rf_allocVector(VECSXP, R_xlen_t(found.size())); }));
    Protected names(codec::protect([&] { return Rf_allocVector(STRSXP, R_xlen_t(found.size())); }));
    for (size_t i = 0; i < found.size(); ++i) {
      codec::protect([&] {
        SET_VECTOR_ELT(pointers, R_xlen_t(i), new_pointer(R_NilValue, R_NilValue, finalize_child, FALSE));
        SET_STRING_ELT(names, R_xlen_t(i), Rf_mkCharCE(found[i]->name.c_str(), CE_UTF8));
        return R_NilValue;
      });
      R_SetExternalPtrAddr(VECTOR_ELT(pointers, R_xlen_t(i)), new Owned{found[i], fork_depth()});
    }
    return with_names(list_of(SEXP(pointers), SEXP(names)), {"pointers", "names"});
  });
}

// What it returned: list(status, value), or NULL if it has left nothing.
SEXP result_of_process(SEXP process) {
  return entry([&]() -> SEXP {
    ProcessShared& p = shared(process_child(process).process);
    uint64_t block = p.result.load(std::memory_order_acquire); // pairs with publish_result()
    if (!block) return R_NilValue;
    Protected value(codec::decode(heap().at(block), heap().bytes_of(block)));
    return list_of(int(p.result_status.load(std::memory_order_relaxed)), SEXP(value));
  });
}

// In a child: what it returns, or its error.
void publish_result(SEXP value, int status) {
  entry([&] {
    mark_output();
    Patience patience = Patience::endless(); // nothing would publish it later
    uint64_t block = store_child_value(value, own_process());
    ProcessShared& p = shared(own_process());
    p.result_status.store(uint32_t(status), std::memory_order_relaxed);
    p.result.store(block, std::memory_order_release); // pairs with result_of_process()
    ring_parent();                                    // it may wait in process_ready()
  });
}

// In a spawned R: joins the session of its parent; returns what to run.
SEXP enter_spawned(const std::string& variable) {
  prepare_kinds();
  set_own_process(join_spawned(variable));
  std::atexit(end_participant); // it leaves as any R does, not by leave_process()
  return entry([&] {
    install_interrupt_handlers();
    platform::hold_interrupts(false); // it was started with them held
    uint64_t block = shared(own_process()).payload;
    Protected what(codec::decode(heap().at(block), heap().bytes_of(block)));
    drop_payload(own_process());
    return SEXP(what);
  });
}

void leave_child(int status) { leave(status); }

// What parallel's mcexit() calls in a child. It may be a child that parallel forked in one of ours.
SEXP leave_for_parallel(SEXP status) {
  if (my_depth == fork_depth()) leave(Rf_asInteger(status));
  Protected call(codec::protect([&] { return Rf_lang3(Rf_install(".Call"), parallels_exit, status); }));
  return evaluate(call, R_BaseEnv);
}

} // namespace mp::bind
