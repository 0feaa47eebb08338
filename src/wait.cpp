// Waiting for the first of several things of any kind.
#include "pool/pool.h"
#include "session/handle.h"
#include "session/output.h"
#include "session/session.h"
#include "session/waits.h"

#include "core/event.h"
#include "core/pipe.h"
#include "core/queue.h"

#include <algorithm>
#include <cstring>

using namespace mp;
using namespace mp::bind;

namespace {

// What the loop below asks of a kind of things. R may run between two calls and close the thing: each asks its handle
// again.
struct Waitable {
  const char* kind;
  bool (*ready)(SEXP); // may take what has come: results, how a process ended
  void (*enlist)(SEXP, Waiter&, ChildWait&);
  bool (*changed)(SEXP, Waiter&); // takes nothing, and names the lives that it depends on
  void (*awake)(SEXP);            // after each sleep
};

uint64_t connection(SEXP x) { return block_of(x, BlockKind::Connection); }
bool connection_ready(SEXP x) { return is_readable(connection(x)); }
bool queue_ready(SEXP x) { return queue_length(block_of(x, BlockKind::Queue)) > 0; }
WaiterMask& getters(SEXP x) { return queue_shared(block_of(x, BlockKind::Queue)).getters; }
bool event_ready(SEXP x) { return event_is_set(block_of(x, BlockKind::Event)); }
Child& child(SEXP x) { return process_child(x).child; }
PoolOwner& owner(SEXP x) { return pool_of(VECTOR_ELT(x, 0)); } // of a result: list(pool, job id)
void nothing(SEXP) {}

const Waitable kWaitables[] = {
    {"connection", connection_ready,
     [](SEXP x, Waiter& waiter, ChildWait&) { waiter.add(connection_waiters(connection(x))); },
     [](SEXP x, Waiter& waiter) {
       if (connection_ready(x)) return true;
       watch_other_end(waiter, connection(x));
       return false;
     },
     nothing},
    {"queue", queue_ready, [](SEXP x, Waiter& waiter, ChildWait&) { waiter.add(getters(x)); },
     [](SEXP x, Waiter&) { return queue_ready(x); },
     [](SEXP x) { wake_one(getters(x)); }}, // we take nothing: it was meant for a process that gets
    {"event", event_ready,
     [](SEXP x, Waiter& waiter, ChildWait&) { waiter.add(event_waiters(block_of(x, BlockKind::Event))); },
     [](SEXP x, Waiter&) { return event_ready(x); }, nothing},
    {"process", [](SEXP x) { return child_has_ended(process_child(x)); },
     [](SEXP x, Waiter&, ChildWait& step) { step.children.push_back(child(x).token); },
     [](SEXP x, Waiter& waiter) {
       if (state_of(child(x)) >= ChildState::Ended) return true;
       waiter.watch(child(x).token);
       return false;
     },
     [](SEXP x) { // the system may need a moment more
       if (state_of(child(x)) == ChildState::Ended) await_child(child(x), 20);
     }},
    {"result",
     [](SEXP x) {
       owner(x).attend();
       return owner(x).jobs().is_done(Rf_asInteger(VECTOR_ELT(x, 1)));
     },
     [](SEXP x, Waiter&, ChildWait& step) {
       for (Token t : owner(x).workers().tokens()) step.children.push_back(t);
     },
     [](SEXP x, Waiter& waiter) {
       // done: a tick may have attended to the pool
       if (owner(x).news() || owner(x).jobs().is_done(Rf_asInteger(VECTOR_ELT(x, 1)))) return true;
       for (Token t : owner(x).workers().tokens()) waiter.watch(t);
       return false;
     },
     nothing}};

const Waitable& waitable(const char* kind) {
  return *std::find_if(std::begin(kWaitables), std::end(kWaitables) - 1,
                       [&](const Waitable& w) { return std::strcmp(w.kind, kind) == 0; });
}

} // namespace

// Waits for any of several things; which of them are ready. `kinds` names each item: a
// "connection", "queue", "event", "process" pointer, or a "result": list(pool, job id).
// [[Rcpp::export(rng = false)]]
std::vector<bool> wait_any(SEXP items, SEXP kinds, SEXP timeout) {
  return entry([&] {
    Wait limit = wait_for(timeout);
    std::vector<std::pair<SEXP, const Waitable*>> all;
    for (R_xlen_t k = 0; k < Rf_xlength(items); ++k)
      all.push_back({VECTOR_ELT(items, k), &waitable(CHAR(STRING_ELT(kinds, k)))});
    std::vector<bool> ready(all.size());
    ChildWait step(limit);
    for (;;) {
      bool some = false;
      Waiter waiter(step.wait);
      step.children.clear();
      for (size_t k = 0; k < all.size(); ++k) {
        auto [item, w] = all[k];
        ready[k] = w->ready(item);
        some = some || ready[k];
        w->enlist(item, waiter, step);
      }
      if (some || platform::now_ns() >= limit.deadline) break;
      check(waiter.until([&] {
        return std::any_of(all.begin(), all.end(), [&](auto& a) { return a.second->changed(a.first, waiter); });
      }));
      for (auto [item, w] : all) w->awake(item);
    }
    show_output();
    return ready;
  });
}
