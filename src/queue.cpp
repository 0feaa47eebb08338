// Entry points from R for queues: R/sync-queue.R.
#include "session/messages.h"
#include "session/session.h"
#include "session/waits.h"

#include <iomanip>
#include <sstream>

using namespace mp;
using namespace mp::bind;

namespace {

// `state` of the queue, or the `obstacle` (a stopped process) to `what` was wanted; and after how
// long, if there was a limit
Error not_in_time(const char* type, const std::string& state, const char* remedy, const char* what,
                  const std::string& obstacle, const Wait& w, SEXP timeout) {
  std::ostringstream s;
  s << (obstacle.empty() ? state : what);
  if (w.deadline > 0 && w.deadline != platform::kForever) {
    double seconds = Rf_asReal(timeout), left = double(w.deadline - platform::now_ns()) / 1e9;
    if (left > 0) s << " after " << std::setprecision(2) << seconds - left; // the guard's limit was less
    else s << " after " << seconds;
    s << (left <= 0 && seconds == 1 ? " second" : " seconds");
    if (obstacle.empty()) s << "; raise `timeout` to wait longer";
  } else if (obstacle.empty()) {
    s << remedy;
  }
  if (!obstacle.empty()) s << ": " << obstacle;
  return {type, s.str()};
}

uint64_t open_queue(SEXP queue) {
  Handle& h = handle_of(queue, BlockKind::Queue);
  if (h.shut)
    throw Error{"ValueError", "this queue is closed in this process: nothing can be put or got"};
  return h.block;
}

} // namespace

// [[Rcpp::export(rng = false)]]
SEXP queue_create(double maxsize, bool simple) {
  return entry([&] { return new_handle(create_queue(uint64_t(maxsize), simple), BlockKind::Queue); });
}

// [[Rcpp::export(rng = false)]]
bool queue_is_simple(SEXP queue) {
  return entry([&] { return queue_simple(block_of(queue, BlockKind::Queue)); });
}

// [[Rcpp::export(rng = false)]]
void queue_put(SEXP queue, SEXP value, SEXP block, SEXP timeout) {
  entry([&] {
    Wait wait = wait_for(block, timeout);
    uint64_t q = open_queue(queue);
    GuardLimit guards = GuardLimit::until(wait.deadline);
    std::string why;
    try {
      Status s = send_value(value, [&](const Outgoing& out) { return put_message(q, out, wait); });
      check(s);
      if (s == Status::Ok) return;
      if (!queue_full(q)) why = queue_obstacle(q);
    } catch (const GuardTimeout& t) {
      if (wait.deadline == platform::kForever) throw;
      why = t.message;
    }
    uint64_t most = queue_capacity(q);
    throw not_in_time("Full",
                      "the queue holds its maximum of " + std::to_string(most) +
                          (most == 1 ? " message" : " messages"),
                      "; $put() waits until there is room, for at most `timeout` seconds",
                      "nothing could be put", why, wait, timeout);
  });
}

// [[Rcpp::export(rng = false)]]
SEXP queue_get(SEXP queue, SEXP block, SEXP timeout) {
  return entry([&] {
    Wait wait = wait_for(block, timeout);
    uint64_t q = open_queue(queue);
    Inbox inbox;
    Status s = get_message(q, inbox.message, wait);
    check(s);
    if (s == Status::Ok) return inbox.value();
    std::string why = queue_length(q) ? queue_obstacle(q) : "";
    throw not_in_time("Empty", "the queue is empty",
                      "; $get() waits for a message, for at most `timeout` seconds", "nothing could be got", why, wait, timeout);
  });
}

// This handle neither puts nor gets any more.
// [[Rcpp::export(rng = false)]]
void queue_shut(SEXP queue) {
  entry([&] { handle_of(queue, BlockKind::Queue).shut = true; });
}

// [[Rcpp::export(rng = false)]]
bool queue_is_full(SEXP queue) {
  return entry([&] { return queue_full(block_of(queue, BlockKind::Queue)); });
}

// 0: no limit.
// [[Rcpp::export(rng = false)]]
double queue_maxsize(SEXP queue) {
  return entry([&] { return double(queue_capacity(block_of(queue, BlockKind::Queue))); });
}

// [[Rcpp::export(rng = false)]]
double queue_size(SEXP queue) {
  return entry([&] { return double(queue_length(block_of(queue, BlockKind::Queue))); });
}
