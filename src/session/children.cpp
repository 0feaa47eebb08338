// Children of this R: started, met, reaped; what they return.
#include "session/children.h"

#include "session/defer.h"
#include "session/handle.h"
#include "session/interrupts.h"
#include "session/output.h"
#include "session/session.h"
#include "session/waits.h"

#include "core/guard.h"

#include <algorithm>

using namespace mp;
using namespace mp::bind;

namespace {

struct Owned { // what the external pointer of a Process holds
  ChildRef child;
  uint32_t depth;
};

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
      if (r->child.process) defer_drop(r->child.process);
    }
    delete r;
  });
  c->child.process = heap().allocate(sizeof(ProcessShared), BlockKind::Process);
  return c;
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

bool child_has_ended(RChild& c) {
  if (!poll_child(c.child)) return false;
  drop_payload(c.child.process); // it may have ended before it read it
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
  uint32_t left = process_shared(c.child.process).left.load(std::memory_order_acquire);
  bool killed = c.child.status < 0 && c.child.status != kUnknownEnd;
  return left && !killed ? int(left) - 1 : c.child.status;
}

const RStartMethod& start_method(const std::string& name) {
  for (const RStartMethod* m : {&fork_of_r, &spawn_of_r})
    if (name == m->name) return *m;
  throw Error{"ValueError", "there is no start method \"" + name + "\""};
}

std::vector<ChildRef> start_children(const RStartMethod& method, const ChildTask& task) {
  auto start = [&] {
    std::vector<ChildRef> fresh;
    for (size_t i = 0; i < std::max<size_t>(1, task.workers.size()); ++i) {
      fresh.push_back(new_child());
      method.prepare(fresh.back(), task, i);
    }
    // First the room: a child that runs is always recorded.
    children().reserve(children().size() + fresh.size());
    method.launch(fresh, task);
    children().insert(children().end(), fresh.begin(), fresh.end());
    return fresh;
  };
  try {
    return start();
  } catch (const Error&) { // once more, if there may be room then
    if (!await_dying()) throw;
  }
  return start();
}

SEXP start_process(SEXP what, const std::string& method, bool silent) {
  return entry([&] {
    Protected p(
        codec::protect([] { return new_pointer(R_NilValue, R_NilValue, finalize_child, FALSE); }));
    std::vector<ChildRef> c =
        start_children(start_method(method), ChildTask{what, silent ? Output::Discarded : Output::Captured, {}, true});
    R_SetExternalPtrAddr(p, new Owned{c[0], fork_depth()});
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
    ProcessShared& p = process_shared(process_child(process).child.process);
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
    GuardLimit guards = GuardLimit::none(); // nothing would publish it later
    uint64_t block = store_child_value(value, own_process());
    ProcessShared& p = process_shared(own_process());
    p.result_status.store(uint32_t(status), std::memory_order_relaxed);
    p.result.store(block, std::memory_order_release); // pairs with result_of_process()
    ring_parent();                                    // it may wait in process_ready()
  });
}

} // namespace mp::bind
