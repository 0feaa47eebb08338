// One word has the whole state: {round | broken | how many have arrived}. A party that is killed while others
// wait breaks the barrier: one that has arrived in this round, or in an earlier one since the last
// reset. A process that never arrived here is not missed.
#include "barrier.h"
#include "heap.h"

#include <algorithm>

namespace mp {
namespace {

BarrierShared& shared(uint64_t block) { return *heap().at<BarrierShared>(block); }

constexpr uint64_t kBroken = uint64_t(1) << 31;
constexpr uint64_t kArrived = kBroken - 1;
uint32_t round_of(uint64_t state) { return uint32_t(state >> 32); }
uint64_t next_round(uint64_t state) { return uint64_t(round_of(state) + 1) << 32; }

// Makes the caller a member before it arrives: from then on its death is noticed. True: it was one.
bool become_member(BarrierShared& b) {
  uint32_t slot = slot_of(self());
  std::atomic<uint64_t>& word = b.members.word[slot / 64];
  if (word.load(std::memory_order_relaxed) & bit_of(slot)) return true;
  word.fetch_or(bit_of(slot), std::memory_order_acq_rel);
  return false;
}

void watch_members(BarrierShared& b, Waiter& waiter) {
  HeapHeader& h = heap().header();
  for (uint32_t w = 0; w < kMaskWords; ++w)
    for (uint64_t bits = b.members.word[w].load(std::memory_order_relaxed); bits;
         bits &= bits - 1) {
      uint32_t slot = w * 64 + uint32_t(__builtin_ctzll(bits));
      if (slot != slot_of(self()))
        waiter.watch(make_token(slot, h.participants[slot].look().generation));
    }
}

void break_round(BarrierShared& b, uint32_t number) {
  uint64_t state = b.state.load(std::memory_order_relaxed);
  do {
    if (round_of(state) != number || (state & kBroken)) return;
  } while (!b.state.compare_exchange_weak(state, state | kBroken, std::memory_order_acq_rel));
  wake_all(b.waiters);
}

void forget(uint64_t block, Token gone) {
  BarrierShared& b = shared(block);
  uint32_t slot = slot_of(gone);
  forget_waiter(b.waiters, slot);
  if (!(b.members.word[slot / 64].load(std::memory_order_relaxed) & bit_of(slot))) return;
  const Participant& p = participant(gone);
  if (!p.ended.load(std::memory_order_acquire)) { // pairs with the store in end_participant()
    // seq_cst, both: pairs with arrive(), which arrives and then looks; one of the two breaks it
    b.lost.store(std::max(p.look().pid, 1u), std::memory_order_seq_cst);
    uint64_t state = b.state.load(std::memory_order_seq_cst);
    if (state & kArrived) break_round(b, round_of(state)); // otherwise the next arrival does it
  }
  forget_waiter(b.members, slot); // last: after a death before this line the sweep is done again
}

const KindActions actions(BlockKind::Barrier, nullptr, forget);

} // namespace

uint64_t create_barrier(uint32_t parties, const BarrierPlan& plan) {
  NewBlock block(heap().allocate(sizeof(BarrierShared), BlockKind::Barrier));
  BarrierShared& b = shared(block.get());
  b.parties = parties;
  b.timeout_ns = plan.timeout_ns;
  if (plan.action) {
    b.action = {Heap::page_of(plan.action), heap().serial_of(plan.action)};
    heap().seal(block.get(), offsetof(BarrierShared, action), 1);
  }
  return block.release();
}

WaiterMask& barrier_waiters(uint64_t block) { return shared(block).waiters; }
uint32_t barrier_parties(uint64_t block) { return shared(block).parties; }
BarrierPlan barrier_plan(uint64_t block) {
  BarrierShared& b = shared(block);
  return {b.timeout_ns, b.action.page * kPageBytes};
}
uint32_t barrier_waiting(uint64_t block) {
  uint64_t state = shared(block).state.load(std::memory_order_relaxed);
  return state & kBroken ? 0 : uint32_t(state & kArrived);
}
bool barrier_broken(uint64_t block) {
  return shared(block).state.load(std::memory_order_acquire) & kBroken;
}
uint32_t barrier_lost(uint64_t block) {
  return shared(block).lost.load(std::memory_order_acquire);
}

Round arrive(uint64_t block) {
  BarrierShared& b = shared(block);
  bool was_member = become_member(b);
  uint64_t state = b.state.load(std::memory_order_acquire), next;
  Round r;
  do {
    r = Round();
    r.number = round_of(state);
    r.index = uint32_t(state & kArrived);
    r.broken = state & kBroken;
    r.full = r.index >= b.parties;
    if (r.broken || r.full) return r;
    r.last = r.index + 1 >= b.parties;
    next = r.last && !b.action.page ? next_round(state) : state + 1;
    // What each party did before is seen by all of them after the round: pairs with the acquire in
    // look_at(). seq_cst: pairs with forget()
  } while (!b.state.compare_exchange_weak(state, next, std::memory_order_seq_cst));
  if (round_of(next) != r.number) wake_all(b.waiters);
  else if (was_member && b.lost.load(std::memory_order_seq_cst)) { // it was a member, and will not arrive
    break_round(b, r.number);
    r.broken = true;
  }
  return r;
}

bool end_round(uint64_t block, Round round) {
  BarrierShared& b = shared(block);
  uint64_t state = b.state.load(std::memory_order_relaxed);
  do {
    if (round_of(state) != round.number || (state & kBroken)) return false;
  } while (!b.state.compare_exchange_weak(state, next_round(state), std::memory_order_acq_rel));
  wake_all(b.waiters);
  return true;
}

RoundState look_at(uint64_t block, Round round) {
  BarrierShared& b = shared(block);
  uint64_t state = b.state.load(std::memory_order_acquire); // pairs with arrive(), end_round()
  if (round_of(state) == round.number)
    return state & kBroken ? RoundState::Broken : RoundState::Open;
  uint64_t reset = b.by_reset[round.number % kResets].load(std::memory_order_acquire);
  return reset == uint64_t(round.number) + 1 ? RoundState::Broken : RoundState::Over;
}

void break_barrier(uint64_t block, Round round) { break_round(shared(block), round.number); }

void abort_barrier(uint64_t block) {
  BarrierShared& b = shared(block);
  uint64_t state = b.state.fetch_or(kBroken, std::memory_order_acq_rel);
  if (!(state & kBroken)) wake_all(b.waiters);
}

// A death after the first step leaves it broken; before the last one no party can arrive, so the round
// that by_reset names is not completed.
void reset_barrier(uint64_t block) {
  BarrierShared& b = shared(block);
  uint64_t state = b.state.fetch_or(kBroken, std::memory_order_acq_rel) | kBroken;
  uint32_t number = round_of(state);
  for (std::atomic<uint64_t>& word : b.members.word) word.store(0, std::memory_order_relaxed);
  b.lost.store(0, std::memory_order_relaxed);
  b.by_reset[number % kResets].store(uint64_t(number) + 1, std::memory_order_release);
  while (round_of(state) == number &&
         !b.state.compare_exchange_weak(state, next_round(state), std::memory_order_acq_rel)) {
  }
  wake_all(b.waiters);
}

void end_idle(Token t) {
  // Its owner has not reaped it: no other participant has the slot yet. Release: pairs with the load in forget()
  if (t && participant(t).look().generation == generation_of(t))
    participant(t).ended.store(1, std::memory_order_release);
}

Status wait_at_barrier(uint64_t block, const Wait& wait, Round* out) {
  BarrierShared& b = shared(block);
  Round round;
  // If the wait ends before the round, also by an exception of a tick, the barrier is broken for all.
  struct Break {
    BarrierShared& b;
    Round& round;
    bool waits = false;
    ~Break() {
      if (waits) break_round(b, round.number);
    }
  } breaks{b, round};
  Waiter waiter(wait);
  waiter.add(b.waiters);
  for (;;) {
    round = arrive(block);
    if (out) *out = round;
    if (round.broken) return Status::Closed;
    if (round.last && !round.full) return Status::Ok;
    breaks.waits = true;
    Status s = waiter.until([&] {
      if (look_at(block, round) != RoundState::Open) return true;
      watch_members(b, waiter);
      return false;
    });
    if (s != Status::Ok) return s;
    breaks.waits = false;
    if (round.full) continue;
    return look_at(block, round) == RoundState::Broken ? Status::Closed : Status::Ok;
  }
}

} // namespace mp
