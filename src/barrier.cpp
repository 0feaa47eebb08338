// Barriers.
#include "session/handle.h"
#include "session/output.h"
#include "session/session.h"
#include "session/waits.h"

#include "core/barrier.h"

using namespace mp;
using namespace mp::bind;

namespace {

uint64_t barrier_of(SEXP x) { return block_of(x, BlockKind::Barrier); }

[[noreturn]] void refuse_broken(uint64_t block) {
  if (uint32_t pid = barrier_lost(block))
    throw Error{"BrokenBarrierError", "the barrier is broken: process " + std::to_string(pid) +
                                          ", one of its parties, was killed; $reset() lets the "
                                          "others begin anew"};
  throw Error{"BrokenBarrierError", "the barrier is broken: a party has called $abort() or "
                                    "$reset(), came too late, or failed; $reset() lets the "
                                    "parties begin anew"};
}

} // namespace

// `action`: NULL, or what barrier_action() is to return.
// [[Rcpp::export(rng = false)]]
SEXP barrier_create(double parties, SEXP action, SEXP timeout) {
  return entry([&] {
    Wait limit = wait_for(timeout);
    BarrierPlan plan;
    if (limit.deadline != platform::kForever)
      plan.timeout_ns = std::max<int64_t>(limit.deadline - platform::now_ns(), 0);
    NewBlock kept(Rf_isNull(action) ? 0 : store_value(action));
    plan.action = kept.get();
    return new_handle(create_barrier(uint32_t(parties), plan), BlockKind::Barrier);
  });
}

// [[Rcpp::export(rng = false)]]
SEXP barrier_action(SEXP barrier) {
  return entry([&]() -> SEXP {
    uint64_t block = barrier_plan(barrier_of(barrier)).action;
    return block ? codec::decode(heap().at(block), heap().bytes_of(block)) : R_NilValue;
  });
}

// Assigns c(index, round) to `place` in `frame`. The round is over, and its number is -1; or this party must act, and then
// end that round.
// [[Rcpp::export(rng = false)]]
void barrier_wait(SEXP barrier, SEXP timeout, SEXP frame) {
  entry([&] {
    uint64_t block = barrier_of(barrier);
    BarrierPlan plan = barrier_plan(block);
    Wait wait = wait_for(timeout);
    if (Rf_isNull(timeout) && plan.timeout_ns != platform::kForever)
      wait.deadline = plan.timeout_ns ? platform::now_ns() + plan.timeout_ns : 0;
    mark_output();
    Round round;
    Status s = wait_at_barrier(block, wait, &round);
    check(s);
    if (s != Status::Ok) refuse_broken(block);
    bool acts = round.last && plan.action;
    std::vector<double> r{double(round.index), acts ? double(round.number) : -1.0};
    Protected place(protect([&] { return to_r(r); }));
    protect([&] {
      Rf_defineVar(Rf_install("place"), place, frame);
      return R_NilValue;
    });
  });
}

// [[Rcpp::export(rng = false)]]
void barrier_pass(SEXP barrier, double number) {
  entry([&] {
    uint64_t block = barrier_of(barrier);
    Round round;
    round.number = uint32_t(number);
    mark_output();
    if (!end_round(block, round)) refuse_broken(block);
  });
}

// [[Rcpp::export(rng = false)]]
void barrier_abort(SEXP barrier) {
  entry([&] {
    mark_output();
    abort_barrier(barrier_of(barrier));
  });
}

// [[Rcpp::export(rng = false)]]
void barrier_reset(SEXP barrier) {
  entry([&] {
    mark_output();
    reset_barrier(barrier_of(barrier));
  });
}

// list(parties, n_waiting, broken)
// [[Rcpp::export(rng = false)]]
SEXP barrier_state(SEXP barrier) {
  return entry([&] {
    uint64_t block = barrier_of(barrier);
    return with_names(list_of(int(barrier_parties(block)), int(barrier_waiting(block)),
                              barrier_broken(block)),
                      {"parties", "n_waiting", "broken"});
  });
}
