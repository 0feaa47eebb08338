// One word says it all: {round | broken | how many have come}. A party that dies before it comes
// keeps the others waiting until their deadline; one that dies while it waits has come.
#include "barrier.h"
#include "heap.h"

namespace mp {
namespace {

BarrierShared& shared(uint64_t block) { return *heap().at<BarrierShared>(block); }

constexpr uint64_t kBroken = uint64_t(1) << 31;
constexpr uint64_t kArrived = kBroken - 1;
uint32_t round_of(uint64_t state) { return uint32_t(state >> 32); }
uint64_t next_round(uint64_t state) { return uint64_t(round_of(state) + 1) << 32; }

void forget(uint64_t block, Token gone) { forget_waiter(shared(block).waiters, slot_of(gone)); }

} // namespace

void register_barrier_kind() { heap().set_actions(Kind::Barrier, {nullptr, forget}); }

uint64_t create_barrier(uint32_t parties) {
  register_barrier_kind();
  uint64_t block = heap().allocate(sizeof(BarrierShared), Kind::Barrier);
  shared(block).parties = parties;
  return block;
}

WaiterMask& barrier_waiters(uint64_t block) { return shared(block).waiters; }

Round arrive(uint64_t block) {
  BarrierShared& b = shared(block);
  uint64_t state = b.state.load(std::memory_order_relaxed), next;
  do {
    if (state & kBroken) return {round_of(state), true};
    bool last = (state & kArrived) + 1 >= b.parties;
    next = last ? next_round(state) : state + 1;
    // acq_rel: what each party did before is seen by all of them after the round; pairs with the
    // acquire in look_at()
  } while (!b.state.compare_exchange_weak(state, next, std::memory_order_acq_rel));
  if (round_of(next) != round_of(state)) wake_all(b.waiters);
  return {round_of(state), false};
}

RoundState look_at(uint64_t block, Round round) {
  uint64_t state = shared(block).state.load(std::memory_order_acquire); // pairs with arrive()
  if (round_of(state) != round.number) return RoundState::Over;
  return state & kBroken ? RoundState::Broken : RoundState::Open;
}

void break_barrier(uint64_t block, Round round) {
  BarrierShared& b = shared(block);
  uint64_t state = b.state.load(std::memory_order_relaxed);
  do {
    if (round_of(state) != round.number || (state & kBroken)) return;
  } while (!b.state.compare_exchange_weak(state, state | kBroken, std::memory_order_acq_rel));
  wake_all(b.waiters);
}

void reset_barrier(uint64_t block) {
  BarrierShared& b = shared(block);
  uint64_t state = b.state.load(std::memory_order_relaxed);
  while (!b.state.compare_exchange_weak(state, next_round(state), std::memory_order_acq_rel)) {
  }
  wake_all(b.waiters);
}

Status wait_at_barrier(uint64_t block, const Wait& wait) {
  Round round = arrive(block);
  if (round.broken) return Status::Closed;
  Waiter waiter(wait);
  waiter.add(shared(block).waiters);
  Status s = waiter.until([&] { return look_at(block, round) != RoundState::Open; });
  if (s != Status::Ok) break_barrier(block, round);
  else if (look_at(block, round) == RoundState::Broken) s = Status::Closed;
  return s;
}

} // namespace mp
