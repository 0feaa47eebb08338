// Waiting for the first of several things of any kind.
#include "pool/pool.h"
#include "session/handle.h"
#include "session/output.h"
#include "session/session.h"

#include "core/event.h"
#include "core/pipe.h"
#include "core/queue.h"

#include <cstring>

using namespace mp;
using namespace mp::bind;

// Waits for any of several things; which of them are ready. `kinds` names each item: a
// "connection", "queue", "event", "process" pointer, or a "result": list(pool, job id).
// [[Rcpp::export(rng = false)]]
std::vector<bool> wait_any(SEXP items, SEXP kinds, SEXP timeout) {
  return entry([&] {
    Wait limit = wait_for(timeout);
    size_t n = size_t(Rf_xlength(items));
    std::vector<bool> ready(n);
    auto is = [&](size_t k, const char* name) {
      return std::strcmp(CHAR(STRING_ELT(kinds, R_xlen_t(k))), name) == 0;
    };
    ChildWait step(limit);
    for (;;) {
      bool some = false;
      Waiter waiter(step.wait);
      step.children.clear();
      for (size_t k = 0; k < n; ++k) {
        SEXP item = VECTOR_ELT(items, R_xlen_t(k));
        bool now = false;
        if (is(k, "connection")) {
          uint64_t c = block_of(item, Kind::Connection);
          now = is_readable(c);
          waiter.add(connection_waiters(c));
        } else if (is(k, "queue")) {
          uint64_t q = block_of(item, Kind::Queue);
          now = queue_length(q) > 0;
          waiter.add(queue_shared(q).getters);
        } else if (is(k, "event")) {
          uint64_t e = block_of(item, Kind::Event);
          now = event_is_set(e);
          waiter.add(event_waiters(e));
        } else if (is(k, "process")) {
          RChild& c = process_child(item);
          now = is_over(c);
          step.children.push_back(c.child.token);
        } else {
          PoolOwner& owner = pool_of(VECTOR_ELT(item, 0));
          owner.attend();
          for (Token t : owner.tokens()) step.children.push_back(t);
          now = owner.is_done(Rf_asInteger(VECTOR_ELT(item, 1)));
        }
        ready[k] = now;
        some = some || now;
      }
      if (some || platform::now_ns() >= limit.deadline) break;
      check(waiter.until([&] {
        for (size_t k = 0; k < n; ++k) {
          SEXP item = VECTOR_ELT(items, R_xlen_t(k));
          if (is(k, "connection")) {
            uint64_t c = block_of(item, Kind::Connection);
            if (is_readable(c)) return true;
            watch_other_end(waiter, c);
          } else if (is(k, "queue")) {
            if (queue_length(block_of(item, Kind::Queue)) > 0) return true;
          } else if (is(k, "event")) {
            if (event_is_set(block_of(item, Kind::Event))) return true;
          } else if (is(k, "process")) {
            Child& c = process_child(item).child;
            if (state_of(c) >= ChildState::Ended) return true;
            waiter.watch(c.token);
          } else {
            PoolOwner& owner = pool_of(VECTOR_ELT(item, 0));
            if (owner.news()) return true;
            for (Token t : owner.tokens()) waiter.watch(t);
          }
        }
        return false;
      }));
      for (size_t k = 0; k < n; ++k) // we take nothing: the wake-up was meant for whoever gets
        if (is(k, "queue"))
          wake_one(queue_shared(block_of(VECTOR_ELT(items, R_xlen_t(k)), Kind::Queue)).getters);
      for (size_t k = 0; k < n; ++k) // its life is over; the system may need a moment more
        if (is(k, "process") &&
            state_of(process_child(VECTOR_ELT(items, R_xlen_t(k))).child) == ChildState::Ended)
          await_child(process_child(VECTOR_ELT(items, R_xlen_t(k))).child, 20);
    }
    show_output();
    return ready;
  });
}
