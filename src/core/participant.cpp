// A slot's state word, its transitions, all by CAS but the last:
//
//   Free(g) -> Reserved(g+1)             by the process that will fork, or that joins
//   Reserved(g) -> Reserved(g,pid)       by the parent, as soon as it knows which process it expects
//   Reserved(g,pid) -> Reserved(g,pid')  by pid or pid', when pid has forked pid' to fork further
//   Reserved(g) -> Claiming(g,pid)       by the participant; from here on it alone writes the slot
//   Claiming(g) -> Live(g)               by the participant, after it holds `life`
//
//   Reserved(g) -> Dead(g)               by any process, when the reservation has expired, or its
//                                        maker is a child of the session that was killed
//   Reserved(g,pid) -> Dead(g)           by any process, when the process of that pid has ended
//   Claiming(g,pid) -> Dead(g)           the same
//   Reserved, Claiming(g) -> Dead(g)     by the parent, when it knows that the child has ended or
//                                        will never exist
//   Live(g) -> Dead(g)                   by any process, once `life` is over
//   Dead(g) -> Free(g)                   under the heap's guard, after everything of it was swept
//
// A death between two steps leaves a state from which reap() continues.
#include "participant.h"

namespace mp {
namespace {

SlotState state_of(Token t) { return participant(t).look(); }

bool advance(Participant& p, SlotState from, SlotState to) {
  uint64_t expected = from.pack();
  // acq_rel: what its owner wrote before is visible to any process that loads the new state
  return p.state.compare_exchange_strong(expected, to.pack(), std::memory_order_acq_rel);
}

void raise_top(HeapHeader& h, uint32_t slot) {
  uint32_t top = h.top_slot.load(std::memory_order_relaxed);
  while (top < slot + 1 && !h.top_slot.compare_exchange_weak(top, slot + 1)) {
  }
}

} // namespace

bool claim(Token t) {
  Participant& p = participant(t);
  uint32_t g = generation_of(t), pid = uint32_t(platform::own_pid());
  p.noted_at.store(platform::boot_ns(), std::memory_order_relaxed);
  SlotState s;
  do {
    s = state_of(t); // the parent may note our pid right now
    if (s.generation != g || s.life != Life::Reserved) return false;
  } while (!advance(p, s, {pid, g, Life::Claiming}));
  platform::begin_life(p.life);
  p.claimed_at = platform::boot_ns();
  p.doorbell.store(0, std::memory_order_relaxed);
  p.answers.store(0, std::memory_order_relaxed);
  p.ended.store(0, std::memory_order_relaxed);
  p.programs.store(0, std::memory_order_relaxed);
  p.waits_for.store(0, std::memory_order_relaxed);
  if (!advance(p, {pid, g, Life::Claiming}, {pid, g, Life::Live})) return false;
  become(t);
  return true;
}

uint32_t count_participants() {
  HeapHeader& h = header();
  uint32_t n = 0, top = h.top_slot.load(std::memory_order_acquire);
  for (uint32_t slot = 0; slot < top; ++slot) {
    Life life = h.participants[slot].look().life;
    n += life != Life::Free && life != Life::Dead;
  }
  return n;
}

std::string no_slot_is_free() {
  return "this session has " + std::to_string(kSlots) +
         " running processes already; join or close some first";
}

pid_t pid_of(Token t) { return pid_t(state_of(t).pid); }

bool is_alive(Token t) {
  if (t == 0) return false;
  SlotState s = state_of(t);
  return s.generation == generation_of(t) && s.life == Life::Live &&
         !platform::life_over(participant(t).life);
}

bool watch_life(Token t, platform::Watch* out) {
  // Asked again: not the life of the slot's next participant.
  return is_alive(t) && platform::watch_life(participant(t).life, out) && is_alive(t);
}

bool is_swept(Token t) {
  SlotState s = state_of(t);
  return t == 0 || s.generation != generation_of(t) || s.life == Life::Free;
}

bool is_expected(Token t) {
  if (t == 0) return false;
  SlotState s = state_of(t);
  if (s.generation != generation_of(t)) return false;
  return s.life == Life::Reserved || s.life == Life::Claiming || is_alive(t);
}

Token reserve_slot() {
  HeapHeader& h = header();
  for (int round = 0; round < 2; ++round) {
    for (uint32_t slot = 0; slot < kSlots; ++slot) {
      Participant& p = h.participants[slot];
      SlotState s = p.look();
      if (s.life != Life::Free) continue;
      uint32_t g = (s.generation + 1) & ((1u << (32 - kSlotBits)) - 1);
      if (g == 0) g = 1; // a token is never 0
      p.reserved_at.store(platform::now_ns(), std::memory_order_relaxed);
      raise_top(h, slot); // before: a slot that reap() does not visit would be lost if we died
      if (!advance(p, s, {0, g, Life::Reserved})) continue;
      p.parent.store(self(), std::memory_order_release); // pairs with note_reservations_of()
      return make_token(slot, g);
    }
    housekeeping();
  }
  return 0;
}

Token require_slot() {
  Token t = reserve_slot();
  if (!t) throw Error{"ProcessError", no_slot_is_free()};
  return t;
}

bool expect_from(Token t, pid_t before, pid_t pid) {
  if (t == 0) return false;
  uint32_t g = generation_of(t);
  // That process runs already: one with its pid that starts later is another.
  participant(t).noted_at.store(platform::boot_ns(), std::memory_order_relaxed);
  advance(participant(t), {uint32_t(before), g, Life::Reserved},
          {uint32_t(pid), g, Life::Reserved});
  SlotState s = state_of(t);
  return s.generation == g && s.life == Life::Reserved && s.pid == uint32_t(pid);
}

void abandon_slot(Token t) {
  SlotState s = state_of(t);
  if (s.generation != generation_of(t)) return;
  // The pid in a reservation is of the expected process, or of the one that should fork it: not to be waited for.
  if (s.life == Life::Reserved) advance(participant(t), s, {0, s.generation, Life::Dead});
  else if (s.life == Life::Claiming) advance(participant(t), s, {s.pid, s.generation, Life::Dead});
}

void end_participant() {
  // release: pairs with the sweep's load, after the death
  if (self()) participant(self()).ended.store(1, std::memory_order_release);
}

void leave_session() {
  if (self() == 0) return;
  end_participant();
  // An unlocked life is a life that is over: from here on nothing may be done in its name, and what
  // it held is swept by the process that reaps next.
  platform::end_life(participant(self()).life);
  become(0);
}

bool note_death(uint32_t slot) {
  Participant& p = header().participants[slot];
  SlotState s = p.look();
  bool over = false;
  if (s.life == Life::Live) over = platform::life_over(p.life);
  else if (s.pid != 0 && (s.life == Life::Claiming || s.life == Life::Reserved))
    over = platform::process_gone(pid_t(s.pid), p.noted_at.load(std::memory_order_relaxed));
  else if (s.life == Life::Reserved)
    over = platform::now_ns() - p.reserved_at.load(std::memory_order_relaxed) > kReservationNs;
  return over && advance(p, s, {s.pid, s.generation, Life::Dead});
}

// What it had started was killed with it, and a fork without its slot has not run yet. Should one
// run all the same, because it was not killed yet, it has no slot.
void note_reservations_of(Token dead) {
  HeapHeader& h = header();
  Participant& maker = participant(dead);
  // Other code's forks do not say that they end; what they have forked may run.
  bool killed = (maker.programs.load(std::memory_order_acquire) & kEndsThem) && // pairs with answer_for_programs()
                !maker.ended.load(std::memory_order_acquire); // pairs with end_participant()
  uint32_t top = h.top_slot.load(std::memory_order_acquire);
  for (uint32_t slot = 0; killed && slot < top; ++slot) {
    Participant& p = h.participants[slot];
    SlotState s = p.look();
    // acquire: pairs with reserve_slot(). It is 0 between the reservation and its maker's name.
    if (s.life == Life::Reserved && s.pid == 0 && p.parent.load(std::memory_order_acquire) == dead)
      advance(p, s, {0, s.generation, Life::Dead});
  }
}

void check_lives() {
  if (!platform::lives_are_told())
    throw Error{"ProcessError",
                "this C library's robust mutexes are of an unknown kind: a death could "
                "not be noticed; use a system with glibc or musl"};
}

} // namespace mp
