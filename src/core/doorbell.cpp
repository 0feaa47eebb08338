#include "doorbell.h"
#include "participant.h"

#include <algorithm>
#include <climits>
#include <utility>

namespace mp {
namespace {

// How long this process's waits have lately been, up to the ring: what comes after it, until a sleeper runs again, spinning
// would not see. Spinning pays only when they are short.
thread_local int64_t usual_wait_ns = 20'000;
constexpr int64_t kSpinWorthNs = 150'000;
constexpr int64_t kUsualCapNs = 1'000'000;
constexpr int64_t kBurialNs = 1'000'000; // between looks whether a dead process was removed

uint32_t microseconds(int64_t ns) { return uint32_t(ns / 1000); }

// How long a sleep between the two times was, up to the ring that ended it.
int64_t waited(int64_t start, int64_t now) {
  uint32_t rung_us = participant(self()).rung_us.load(std::memory_order_relaxed) - microseconds(start);
  return std::min(int64_t(rung_us) * 1000, now - start); // a ring before the sleep is far away: it wraps
}

void learn(int64_t waited_ns) {
  usual_wait_ns += (std::min(waited_ns, kUsualCapNs) - usual_wait_ns) / 4;
}

thread_local uint32_t answered = 0; // shortages

// While it exists, a process that finds no room waits for the tick of this thread. The tick may throw.
class Answering {
public:
  explicit Answering(bool frees) : frees_(frees) {
    if (frees_) participant(self()).answers.store(1 + answered, std::memory_order_relaxed);
  }
  Answering(const Answering&) = delete;
  Answering& operator=(const Answering&) = delete;
  ~Answering() {
    // release: pairs with the load in answers_are_due(); what the tick has freed is free
    if (frees_) participant(self()).answers.store(0, std::memory_order_release);
  }

private:
  bool frees_;
};

} // namespace

bool shortage_is_new() {
  // acquire: pairs with the fetch_add in Heap::find_room()
  uint32_t now = header().shortages.load(std::memory_order_acquire);
  return std::exchange(answered, now) != now;
}

bool answers_are_due(uint32_t shortage) {
  HeapHeader& h = header();
  uint32_t top = h.top_slot.load(std::memory_order_acquire);
  for (uint32_t slot = 0; slot < top; ++slot) {
    if (slot == slot_of(self())) continue; // it asks in a tick
    // acquire: pairs with the store in ~Answering()
    uint32_t answers = h.participants[slot].answers.load(std::memory_order_acquire);
    if (answers == 0 || int32_t(answers - 1 - shortage) >= 0) continue;
    if (is_alive(make_token(slot, h.participants[slot].look().generation))) return true;
  }
  return false;
}

void ring(Token t) {
  Participant& p = participant(t);
  // seq_cst: pairs with the fetch_or in Waiter::sleep(); one of the two sees the other
  uint32_t old = p.doorbell.load(std::memory_order_relaxed);
  while (!p.doorbell.compare_exchange_weak(old, (old + 2) & ~1u, std::memory_order_seq_cst)) {
  } // it counts as awake from here on
  if (!(old & 1)) return;
  p.rung_us.store(microseconds(platform::now_ns()), std::memory_order_relaxed); // pairs with the load in waited()
  platform::wake(&p.doorbell, INT_MAX); // native threads may be two on one bell
}

void ring_parent() {
  Token parent = participant(self()).parent.load(std::memory_order_relaxed);
  if (parent) ring(parent); // if it has ended, the slot's next participant looks once in vain
}

void ring_all() {
  HeapHeader& h = header();
  uint32_t top = h.top_slot.load(std::memory_order_acquire);
  for (uint32_t s = 0; s < top; ++s) {
    SlotState state = h.participants[s].look();
    if (state.life == Life::Live) ring(make_token(s, state.generation));
  }
}

bool wake_one(WaiterMask& mask) {
  HeapHeader& h = header();
  // seq_cst fence: orders the change that the caller made before the look at the masks; pairs with
  // the fetch_or in Waiter::begin(), which comes before the waiter's look at the change
  std::atomic_thread_fence(std::memory_order_seq_cst);
  uint32_t words = (h.top_slot.load(std::memory_order_relaxed) + 63) / 64;
  // Round the slots, from the one after ours, so that the same few do not wake each other again and again.
  uint32_t first = words ? (slot_of(self()) + 1) % (words * 64) : 0;
  uint64_t later = ~uint64_t(0) << (first % 64); // of the first word; its other bits come last
  for (uint32_t n = 0; n <= words && words; ++n) {
    uint32_t w = (first / 64 + n) % words;
    uint64_t bits = mask.word[w].load(std::memory_order_relaxed);
    if (n == 0) bits &= later;
    if (n == words) bits &= ~later;
    while (bits) {
      uint32_t b = uint32_t(__builtin_ctzll(bits));
      uint64_t bit = uint64_t(1) << b;
      bits &= ~bit;
      if (!(mask.word[w].fetch_and(~bit, std::memory_order_acq_rel) & bit))
        continue; // another waker's
      uint32_t slot = w * 64 + b;
      SlotState state = h.participants[slot].look();
      if (state.life != Life::Live) continue;
      Token t = make_token(slot, state.generation);
      ring(t);
      if (is_alive(t)) return true; // if it is dead, pass it on; if it dies now, reap() finds it
    }
  }
  return false;
}

bool anybody_waits(const WaiterMask& mask) {
  // seq_cst: after the caller's change; pairs with the fetch_or in Waiter::begin(), and the look
  // after it
  uint32_t words = (header().top_slot.load(std::memory_order_seq_cst) + 63) / 64;
  for (uint32_t w = 0; w < words; ++w)
    if (mask.word[w].load(std::memory_order_seq_cst)) return true;
  return false;
}

void wake_all(WaiterMask& mask) {
  HeapHeader& h = header();
  std::atomic_thread_fence(std::memory_order_seq_cst); // as in wake_one
  uint32_t words = (h.top_slot.load(std::memory_order_relaxed) + 63) / 64;
  for (uint32_t w = 0; w < words; ++w) {
    if (mask.word[w].load(std::memory_order_relaxed) == 0) continue;
    uint64_t bits = mask.word[w].exchange(0, std::memory_order_acq_rel);
    for (; bits; bits &= bits - 1) {
      uint32_t slot = w * 64 + uint32_t(__builtin_ctzll(bits));
      SlotState state = h.participants[slot].look();
      if (state.life == Life::Live) ring(make_token(slot, state.generation));
    }
  }
}

void forget_waiter(WaiterMask& mask, uint32_t slot) {
  // relaxed: that slot no longer waits
  mask.word[slot / 64].fetch_and(~bit_of(slot), std::memory_order_relaxed);
}

namespace {

// Ticks are counted over all waits of a process, so that many short ones see a Ctrl-C, too. (A signal
// alone does not end a sleep: R's handlers restart system calls.)
thread_local int64_t tick_due = 0;

// relaxed, like all loads here: a wrong answer costs time, nothing else
bool is_awake(const Participant& p) {
  return SlotState::unpack(p.state.load(std::memory_order_relaxed)).life == Life::Live &&
         !(p.doorbell.load(std::memory_order_relaxed) & 1);
}

// How many participants are not asleep on their doorbell (a lower bound of what wants a core).
int awake_count() {
  HeapHeader& h = header();
  uint32_t top = h.top_slot.load(std::memory_order_relaxed);
  return int(std::count_if(h.participants, h.participants + top, is_awake));
}

bool alone_on(uint32_t cpu) {
  HeapHeader& h = header();
  uint32_t top = h.top_slot.load(std::memory_order_relaxed);
  const Participant* me = &participant(self());
  return std::none_of(h.participants, h.participants + top, [&](const Participant& p) {
    return &p != me && p.cpu.load(std::memory_order_relaxed) == cpu && is_awake(p);
  });
}

// On a core where another awake participant ran last, spinning keeps that one from running. Now
// and then we spin all the same: two busy processes on one core make the system move one of
// them.
bool worth_spinning() {
  static thread_local int skip = 0;
  constexpr int kSkips = 63;
  uint32_t cpu = platform::current_cpu() + 1; // 0: never waited
  participant(self()).cpu.store(cpu, std::memory_order_relaxed);
  if (usual_wait_ns >= kSpinWorthNs || awake_count() > mapped.cores) return false;
  if (alone_on(cpu)) return true;
  if (skip-- > 0) return false;
  skip = kSkips;
  return true;
}

} // namespace

void Waiter::add(WaiterMask& mask) { masks_.push_back(&mask); }
void Waiter::watch(Token t) { watched_.push_back(t); }

uint32_t Waiter::begin() {
  uint32_t slot = slot_of(self());
  // acquire: pairs with ring(); what was published before a ring that we have counted is visible
  uint32_t bell = participant(self()).doorbell.load(std::memory_order_acquire);
  for (WaiterMask* m : masks_) // seq_cst: before the look; pairs with the fence in wake_one()
    m->word[slot / 64].fetch_or(bit_of(slot), std::memory_order_seq_cst);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  registered_ = true;
  watched_.clear();
  return bell;
}

void Waiter::leave() {
  if (!registered_) return;
  registered_ = false;
  uint32_t slot = slot_of(self());
  uint64_t bit = bit_of(slot);
  for (WaiterMask* m : masks_) {
    // A waker took our bit and we stop waiting: the wake-up may have been meant for something that we did
    // not consume. One too many costs a look; one too few is lost.
    if (!(m->word[slot / 64].fetch_and(~bit, std::memory_order_acq_rel) & bit)) wake_one(*m);
  }
}

void Waiter::sleep_watching(std::atomic<uint32_t>& door, uint32_t bell) {
  platform::Watch words[1 + 64];
  words[0] = {&door, bell | 1};
  int count = 1;
  int64_t until = std::min(next_tick_, wait_.deadline);
  auto over = [](Token t) { return !is_expected(t); }; // a process that is about to begin has not ended
  for (Token t : watched_)
    if (count <= 64 && watch_life(t, &words[count])) ++count; // the tick finds the rest
  if (std::any_of(watched_.begin(), watched_.end(), over)) {
    // We may be the first to notice this death. The sweep then rings every doorbell, ours too, so
    // the sleep below returns at once. Otherwise what the dead process held is swept as soon as the
    // system has removed it, within milliseconds.
    housekeeping();
    until = std::min(until, platform::now_ns() + kBurialNs);
  }
  // seq_cst: pairs with the CAS in ring(); one of the two sees the other
  if (door.fetch_or(1, std::memory_order_seq_cst) == bell) platform::sleep_on(words, count, until);
  door.fetch_and(~1u, std::memory_order_relaxed); // only saves ringers a system call
  // The kernel has told one sleeper of a death, which may be us even if we were rung as well: tell
  // all.
  if (std::any_of(watched_.begin(), watched_.end(), over)) housekeeping();
}

Status Waiter::sleep(uint32_t bell) {
  std::atomic<uint32_t>& door = participant(self()).doorbell;
  int64_t start = platform::now_ns();
  if (start >= wait_.deadline) return Status::Timeout;
  if (next_tick_ == 0)
    next_tick_ = wait_.tick ? std::min(tick_due, start + wait_.tick_ns) : start + wait_.tick_ns;

  bool rung = false;
  if (worth_spinning()) {
    int64_t end = std::min(start + 2 * usual_wait_ns + 5'000, wait_.deadline);
    do {
      for (int i = 0; i < 64 && !rung; ++i) {
        rung = door.load(std::memory_order_acquire) != bell;
        if (!rung) platform::relax();
      }
    } while (!rung && platform::now_ns() < end);
  }
  Answering answering(wait_.frees && !rung); // until the tick has run, if one is due
  if (!rung) sleep_watching(door, bell);
  int64_t now = platform::now_ns();
  learn(rung ? now - start : waited(start, now));

  // A tick is due; or another process needs memory; or something other than our doorbell woke us (a signal, a death).
  // acquire: as in shortage_is_new()
  bool asked = wait_.frees && header().shortages.load(std::memory_order_acquire) != answered;
  if (wait_.tick && (now >= next_tick_ || asked || door.load(std::memory_order_acquire) == bell)) {
    if (wait_.tick(wait_.data)) return Status::Interrupted;
  }
  if (now >= next_tick_) {
    next_tick_ = now + wait_.tick_ns;
    if (wait_.tick) tick_due = next_tick_;
    housekeeping();
  }
  return Status::Ok;
}

} // namespace mp
