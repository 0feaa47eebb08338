// Entry points from R for joinable queues: R/sync-joinable-queue.R.
#include "session/handle.h"
#include "session/output.h"
#include "session/session.h"
#include "session/waits.h"

#include "core/joinable.h"
#include "core/queue.h"

using namespace mp;
using namespace mp::bind;

// [[Rcpp::export(rng = false)]]
SEXP queue_create_joinable(double maxsize) {
  return entry([&] { return new_handle(create_joinable_queue(uint64_t(maxsize)), BlockKind::Queue); });
}

// [[Rcpp::export(rng = false)]]
bool queue_is_joinable(SEXP queue) {
  return entry([&] { return queue_joinable(block_of(queue, BlockKind::Queue)); });
}

// One message that was taken is done.
// [[Rcpp::export(rng = false)]]
void queue_task_done(SEXP queue) {
  entry([&] {
    mark_output();
    if (!mark_done(block_of(queue, BlockKind::Queue)))
      throw Error{"ValueError", "$task_done() was called more often than messages were taken"};
  });
}

// Waits until all messages are done. Tasks that were lost: c(count, pid); otherwise c(0, 0).
// [[Rcpp::export(rng = false)]]
SEXP queue_join(SEXP queue) {
  return entry([&] {
    Wait wait = bind::wait_for(R_NilValue);
    LostTasks lost;
    check(join_queue(block_of(queue, BlockKind::Queue), wait, &lost));
    std::vector<double> r{double(lost.count), double(lost.pid)};
    return protect([&] { return to_r(r); });
  });
}

// [[Rcpp::export(rng = false)]]
double queue_unfinished(SEXP queue) {
  return entry([&] { return double(unfinished_tasks(block_of(queue, BlockKind::Queue))); });
}
