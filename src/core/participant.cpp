// A slot's state word, its transitions, all by CAS but the last:
//
//   Free(g) -> Reserved(g+1)             by the one who will fork, or joins
//   Reserved(g) -> Reserved(g,pid)       by the parent, as soon as it knows whom it expects
//   Reserved(g,pid) -> Reserved(g,pid')  by pid or pid', when pid has forked pid' to fork further
//   Reserved(g) -> Claiming(g,pid)       by the participant; from here on it alone writes the slot
//   Claiming(g) -> Live(g)               by the participant, after it holds `life`
//
//   Reserved(g) -> Dead(g)               by anybody, when the reservation has expired
//   Reserved(g,pid) -> Dead(g)           by anybody, when the process of that pid is gone
//   Claiming(g,pid) -> Dead(g)           the same
//   Reserved, Claiming(g) -> Dead(g)     by the parent, when it knows that the child is gone or
//                                        will never be there
//   Live(g) -> Dead(g)                   by anybody, once `life` is over
//   Dead(g) -> Free(g)                   under the heap's guard, after everything of it was swept
//
// A death between two steps leaves a state from which reap() goes on.
#include "participant.h"
#include "doorbell.h"
#include "guard.h"
#include "heap.h"

#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace mp {
namespace {

thread_local Token my_token = 0;
uint32_t forks = 0;
thread_local Token fork_reserved = 0;        // several threads may fork at once
std::string& fork_failed = *new std::string; // why it has no place
ForkHook fork_hook = nullptr;

// A life's word, as the kernel has it: the holder's thread id and two bits.
constexpr uint32_t kWaiters = 0x80000000u;   // FUTEX_WAITERS
constexpr uint32_t kOwnerDied = 0x40000000u; // FUTEX_OWNER_DIED: the kernel has seen him die
constexpr uint32_t kThreadId = 0x3fffffffu;  // FUTEX_TID_MASK

SlotState state_of(Token t) { return participant(t).look(); }

bool advance(Participant& p, SlotState from, SlotState to) {
  uint64_t expected = from.pack();
  // acq_rel: what its owner wrote before is visible to whoever loads the new state
  return p.state.compare_exchange_strong(expected, to.pack(), std::memory_order_acq_rel);
}

void raise_top(HeapHeader& h, uint32_t slot) {
  uint32_t top = h.top_slot.load(std::memory_order_relaxed);
  while (top < slot + 1 && !h.top_slot.compare_exchange_weak(top, slot + 1)) {
  }
}

void make_life(pthread_mutex_t* life) {
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(life, &a);
  pthread_mutexattr_destroy(&a);
}

// Where in a mutex the C library keeps the word that the kernel marks (the first in glibc, the
// second in musl): the one that is our thread's number while we hold it, and 0 while nobody does.
// The first join_session() looks, and its forks inherit the answer.
size_t life_offset() {
  static const size_t offset = [] {
    pthread_mutex_t life;
    constexpr size_t words = sizeof life / sizeof(uint32_t);
    uint32_t held[words], freed[words];
    make_life(&life);
    pthread_mutex_lock(&life);
    std::memcpy(held, &life, sizeof held);
    pthread_mutex_unlock(&life);
    std::memcpy(freed, &life, sizeof freed);
    pthread_mutex_destroy(&life);
    for (size_t i = 0; i < words; ++i)
      if ((held[i] & kThreadId) == platform::thread_id() && freed[i] == 0) return i;
    throw Error{"ProcessError",
                "this C library's robust mutexes are of an unknown kind: a death could "
                "not be noticed; use a system with glibc or musl"};
  }();
  return offset;
}

// Initialised once and then inherited: others may still look at the life of the one before us.
void hold_life(Participant& p) {
  if (!p.life_made) {
    make_life(&p.life);
    p.life_made = 1;
  }
  if (pthread_mutex_lock(&p.life) == EOWNERDEAD) pthread_mutex_consistent(&p.life);
}

} // namespace

void ring_parent() {
  Token parent = participant(my_token).parent.load(std::memory_order_relaxed);
  if (parent) ring(parent); // if it has ended, whoever has its slot now looks once in vain
}

namespace {

// Claims a reserved slot for the calling thread. False if the reservation has expired.
bool claim(Token t) {
  Participant& p = participant(t);
  uint32_t g = generation_of(t), pid = uint32_t(getpid());
  p.noted_at.store(platform::boot_ns(), std::memory_order_relaxed);
  SlotState s;
  do {
    s = state_of(t); // the parent may note our pid right now
    if (s.generation != g || s.life != Life::Reserved) return false;
  } while (!advance(p, s, {pid, g, Life::Claiming}));
  hold_life(p);
  p.claimed_at = platform::boot_ns();
  p.doorbell.store(0, std::memory_order_relaxed);
  p.ended.store(0, std::memory_order_relaxed);
  p.waits_for.store(0, std::memory_order_relaxed);
  if (!advance(p, {pid, g, Life::Claiming}, {pid, g, Life::Live})) return false;
  my_token = t;
  ring_parent(); // it may watch our life from now on
  return true;
}

std::atomic<uint32_t>& life_word(Participant& p) {
  return reinterpret_cast<std::atomic<uint32_t>*>(&p.life)[life_offset()];
}

bool is_over(uint32_t life) { return (life & kOwnerDied) || (life & kThreadId) == 0; }

bool life_over(Participant& p) {
  // acquire: pairs with the kernel's write at the holder's exit
  return is_over(life_word(p).load(std::memory_order_acquire));
}

std::string no_slot_is_free() {
  return "this session has " + std::to_string(kSlots) +
         " running processes already; join or close some first";
}

// May not throw: whoever forks knows nothing of us.
void before_fork() {
  fork_reserved = 0;
  if (my_token != 0 && heap_exists()) fork_reserved = reserve_for_fork();
}

void in_child() {
  ++forks;
  Token t = fork_reserved;
  fork_reserved = 0;
  if (my_token == 0) return;
  my_token = 0;
  heap().forget_postponed();
  if (t) claim(t);
  if (fork_hook) fork_hook();
}

} // namespace

Token self() { return my_token; }
void take_place(Token t) {
  fork_reserved = t;
  in_child();
}

Token fork_place() { return fork_reserved; }
const std::string& fork_problem() { return fork_failed; }
uint32_t fork_depth() { return forks; }
void on_fork_child(ForkHook hook) { fork_hook = hook; }

Participant& participant(Token t) { return heap().header().participants[slot_of(t)]; }

pid_t pid_of(Token t) { return pid_t(state_of(t).pid); }

bool is_alive(Token t) {
  if (t == 0) return false;
  SlotState s = state_of(t);
  return s.generation == generation_of(t) && s.life == Life::Live && !life_over(participant(t));
}

bool watch_life(Token t, platform::Watch* out) {
  if (!is_alive(t)) return false;
  std::atomic<uint32_t>& word = life_word(participant(t));
  uint32_t v = word.load(std::memory_order_acquire);
  do {
    // Without a thread id the slot's next participant may be about to lock it. He must find nothing
    // in the word: a lone waiters bit would have him wait for nobody.
    if (is_over(v)) return false;
    // relaxed: the bit concerns the kernel alone
  } while (!(v & kWaiters) &&
           !word.compare_exchange_weak(v, v | kWaiters, std::memory_order_relaxed));
  *out = {&word, v | kWaiters};
  return is_alive(t); // not the life of the slot's next participant
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
  HeapHeader& h = heap().header();
  for (int round = 0; round < 2; ++round) {
    for (uint32_t slot = 0; slot < kSlots; ++slot) {
      Participant& p = h.participants[slot];
      SlotState s = p.look();
      if (s.life != Life::Free) continue;
      uint32_t g = (s.generation + 1) & ((1u << (32 - kSlotBits)) - 1);
      if (g == 0) g = 1; // a token is never 0
      p.reserved_at.store(platform::now_ns(), std::memory_order_relaxed);
      raise_top(h, slot); // before: a slot that reap() does not visit would be lost with us
      if (!advance(p, s, {0, g, Life::Reserved})) continue;
      p.parent.store(my_token, std::memory_order_relaxed);
      return make_token(slot, g);
    }
    reap();
  }
  return 0;
}

Token require_slot() {
  Token t = reserve_slot();
  if (!t) throw Error{"ProcessError", no_slot_is_free()};
  return t;
}

Token reserve_for_fork() noexcept {
  Token t = reserve_slot();
  if (!t) {
    fork_failed = no_slot_is_free();
  } else if (!heap().inherit(my_token, t)) {
    abandon_slot(t);
    t = 0;
    fork_failed = stopped_holder(heap().header().guard);
    if (fork_failed.empty()) fork_failed = "the session's shared memory is in use; try again";
  }
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
  // The pid in a reservation is who is expected, or is to fork him: nobody to wait for.
  if (s.life == Life::Reserved) advance(participant(t), s, {0, s.generation, Life::Dead});
  else if (s.life == Life::Claiming) advance(participant(t), s, {s.pid, s.generation, Life::Dead});
}

void join_session(Token reserved) {
  life_offset(); // an error now, and not while a fork begins
  if (!claim(reserved ? reserved : require_slot()))
    throw Error{"ProcessError", "the place that was reserved for this process has expired: it "
                                "started too late, or its parent has ended; start it again"};
}

ActAs::ActAs(Token t) : before_(my_token) { my_token = t; }
ActAs::~ActAs() { my_token = before_; }

void end_participant() {
  // release: pairs with the sweep's load, after the death
  if (my_token) participant(my_token).ended.store(1, std::memory_order_release);
}

void leave_session() {
  if (my_token == 0) return;
  end_participant();
  // An unlocked life is a life that is over: from here on nothing may be done in its name, and what
  // it held is swept by whoever reaps next.
  pthread_mutex_unlock(&participant(my_token).life);
  my_token = 0;
}

bool reap() {
  static thread_local bool reaping = false; // sweep() may wait, and a wait may reap
  if (reaping || !heap_exists() || my_token == 0) return false;
  reaping = true;
  HeapHeader& h = heap().header();
  uint32_t top = h.top_slot.load(std::memory_order_acquire);
  bool found = false;
  for (uint32_t slot = 0; slot < top; ++slot) {
    Participant& p = h.participants[slot];
    SlotState s = p.look();
    bool over = false;
    if (s.life == Life::Live) over = life_over(p);
    else if (s.pid != 0 && (s.life == Life::Claiming || s.life == Life::Reserved))
      over = platform::process_gone(pid_t(s.pid), p.noted_at.load(std::memory_order_relaxed));
    else if (s.life == Life::Reserved)
      over = platform::now_ns() - p.reserved_at.load(std::memory_order_relaxed) > kReservationNs;
    if (over && advance(p, s, {s.pid, s.generation, Life::Dead})) found = true;
  }
  if (found) ring_all(); // before the sweep: that waits for processes to be gone
  for (uint32_t slot = 0; slot < top; ++slot) {
    Participant& p = h.participants[slot];
    SlotState s = p.look();
    if (s.life != Life::Dead) continue;
    bool other =
        s.pid != 0 && pid_t(s.pid) != getpid(); // a thread of the core's tests is gone at once
    if (other && !platform::process_gone(pid_t(s.pid), p.claimed_at) &&
        !platform::runs_without(pid_t(s.pid), heap().fd()))
      continue;
    if (!heap().sweep(make_token(slot, s.generation))) break; // the next tick tries again
  }
  heap().drop_later_ones();
  reaping = false;
  return found;
}

void install_fork_handlers() {
  static bool installed = false;
  if (installed) return;
  installed = true;
  pthread_atfork(before_fork, nullptr, in_child);
}

} // namespace mp
