#include "native.h"
#include "heap.h"
#include "joining.h"
#include "loop.h"
#include "participant.h"
#include "reaper.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <vector>

namespace mp::native {
namespace {

struct Waiting { // threads that wait for one object
  WaiterMask* mask;
  int threads;
};

struct Gate {
  explicit Gate(Token t) : token(t), forks(fork_depth()) {}
  const Token token;
  const uint32_t forks;
  std::mutex mutex;
  std::condition_variable turn;
  // Under the mutex:
  uint64_t turns = 0;    // how often the sleeper has woken
  bool sleeping = false; // a thread sleeps on the doorbell, or is about to
  uint32_t slept_on = 0; // with this value in it
  std::vector<Waiting> waiting;
};

// A forked child's first open() puts a new one here; the old one may be locked by a thread that
// no longer exists.
std::atomic<Gate*> current{nullptr};

Gate& gate() {
  Gate* g = current.load(std::memory_order_acquire); // pairs with open()
  if (!g || g->forks != fork_depth())
    throw Error{"ProcessError", "locks and queues were not opened for threads in this process"};
  return *g;
}

std::atomic<uint32_t>& doorbell(const Gate& g) { return participant(g.token).doorbell; }

// In the gate, after something that may have slept on the doorbell.
void pass_on(Gate& g) {
  if (g.sleeping && doorbell(g).load(std::memory_order_seq_cst) != g.slept_on)
    platform::wake(&doorbell(g), INT_MAX);
}

// In the gate, which is open during the sleep.
void sleep(Gate& g, std::unique_lock<std::mutex>& hold, uint32_t bell, Token watched,
           int64_t until) {
  std::atomic<uint32_t>& door = doorbell(g);
  platform::Watch words[2] = {{&door, bell | 1}, {}};
  int count = watched && watch_life(watched, &words[1]) ? 2 : 1;
  if (watched && !is_expected(watched)) { // swept as soon as its process has ended
    reap();
    until = std::min(until, platform::now_ns() + 1'000'000);
  }
  g.sleeping = true;
  g.slept_on = bell | 1;
  // seq_cst: pairs with ring(). The bit stays until the next ring: it does not tell which process is awake here.
  if (door.fetch_or(1, std::memory_order_seq_cst) == bell) {
    hold.unlock();
    platform::sleep_on(words, count, until);
    hold.lock();
  }
  g.sleeping = false;
  ++g.turns;
  g.turn.notify_all();
  // The kernel has told one sleeper of a death: tell all.
  if (watched && !is_expected(watched)) reap();
}

// The gate is open meanwhile, and the thread itself again: a tick may do anything.
bool tick(std::unique_lock<std::mutex>& hold, const Wait& wait, Token me) {
  struct Open {
    std::unique_lock<std::mutex>& hold;
    explicit Open(std::unique_lock<std::mutex>& h) : hold(h) { hold.unlock(); }
    ~Open() { hold.lock(); }
  } open(hold);
  ActAs myself(me);
  return wait.tick(wait.data);
}

// A thread among those of this process that wait for the same object. They share a bit in its mask: the
// last one takes it away.
class Registration {
public:
  Registration(Gate& g, WaiterMask& mask) : gate_(g), mask_(mask) {
    auto it = find();
    if (it == gate_.waiting.end()) gate_.waiting.push_back({&mask, 1});
    else ++it->threads;
  }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;
  void set_bit() { // seq_cst: before the look; pairs with the fence in wake_one()
    mask_.word[slot() / 64].fetch_or(bit(), std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  void consumed() { consumed_ = true; }
  ~Registration() { // in the gate
    ActAs act(gate_.token);
    pass_on(gate_);
    auto it = find();
    if (--it->threads > 0) return; // a waker that took the bit has woken the others by the doorbell
    gate_.waiting.erase(it);
    bool was_set = mask_.word[slot() / 64].fetch_and(~bit(), std::memory_order_acq_rel) & bit();
    if (!was_set && !consumed_) wake_one(mask_); // it may have been meant for another process
    if (gate_.waiting.empty()) doorbell(gate_).fetch_or(1, std::memory_order_relaxed);
  }

private:
  std::vector<Waiting>::iterator find() {
    return std::find_if(gate_.waiting.begin(), gate_.waiting.end(),
                        [&](const Waiting& w) { return w.mask == &mask_; });
  }
  uint32_t slot() const { return slot_of(gate_.token); }
  uint64_t bit() const { return bit_of(slot()); }
  Gate& gate_;
  WaiterMask& mask_;
  bool consumed_ = false;
};

// look(&watched) is called in the gate until it is true; the death of the participant `watched` ends the sleep.
template <class Look> Status until(Gate& g, WaiterMask& mask, const Wait& wait, Look look) {
  std::unique_lock<std::mutex> hold(g.mutex);
  Registration mine(g, mask); // destroyed before the gate is left
  const Token me = self();
  int64_t next_tick = 0;
  for (;;) {
    ActAs act(g.token);
    Token watched = 0;
    uint32_t bell = doorbell(g).load(std::memory_order_acquire); // pairs with ring()
    mine.set_bit();
    if (look(&watched)) {
      mine.consumed();
      return Status::Ok;
    }
    pass_on(g);
    int64_t now = platform::now_ns();
    if (now >= wait.deadline) return Status::Timeout;
    if (loop_must_end()) return Status::Interrupted;
    if (next_tick == 0) next_tick = now + wait.tick_ns;
    if (now >= next_tick) {
      next_tick = now + wait.tick_ns;
      reap();
      pass_on(g);
      if (wait.tick && tick(hold, wait, me)) return Status::Interrupted;
      continue;
    }
    int64_t limit = std::min(wait.deadline, next_tick);
    if (!g.sleeping) {
      sleep(g, hold, bell, watched, limit);
      continue;
    }
    uint64_t turns = g.turns;
    g.turn.wait_for(hold, std::chrono::nanoseconds(limit - now), [&] { return g.turns != turns; });
  }
}

constexpr int kSpins = 100; // an owner that runs is often done within this

} // namespace

void open() {
  Gate* old = current.load(std::memory_order_relaxed);
  if (old && old->forks == fork_depth()) return;
  Token token;
  {
    ActAs back_to_ourselves(self());
    join_session();
    token = self();
  }
  participant(token).doorbell.fetch_or(1, std::memory_order_relaxed); // no thread waits: counts as asleep
  current.store(new Gate(token), std::memory_order_release);          // pairs with gate()
}

void close() {
  if (!token()) return;
  {
    ActAs act(token());
    leave_session();
  }
  delete current.exchange(nullptr);
}

Token token() {
  Gate* g = current.load(std::memory_order_acquire); // pairs with open()
  return g && g->forks == fork_depth() ? g->token : 0;
}

Status acquire(uint64_t lock, const Wait& wait) {
  Gate& g = gate();
  Status how = Status::Ok;
  Token holder = 0;
  if (try_acquire_lock(lock, g.token, &how, &holder)) return how; // (1)
  if (wait.deadline <= 0) return Status::Timeout;
  for (int i = 0; i < kSpins; ++i) {
    platform::relax();
    if (!is_locked(lock) && try_acquire_lock(lock, g.token, &how, &holder)) return how;
  }
  Status s = until(g, lock_waiters(lock), wait, [&](Token* watched) {
    if (try_acquire_lock(lock, g.token, &how, &holder)) return true;
    if (holder != g.token) *watched = holder;
    return false;
  });
  return s == Status::Ok ? how : s;
}

Released release(uint64_t lock) {
  ActAs act(gate().token);
  return release_lock(lock);
}

Status put(uint64_t queue, const void* bytes, uint64_t size, const Wait& wait) {
  Gate& g = gate();
  struct Letter { // a segment is ours until it is sent
    Gate& gate;
    Outgoing out;
    ~Letter() {
      if (!out.segment) return;
      std::lock_guard<std::mutex> hold(gate.mutex);
      ActAs act(gate.token);
      heap().drop(out.segment);
      pass_on(gate); // it may have waited for the heap, and taken a ring that was meant for others
    }
  } letter{g, {}};
  letter.out.size = size;
  if (size <= kInlineBytes) letter.out.bytes = static_cast<const uint8_t*>(bytes);
  else {
    {
      std::lock_guard<std::mutex> hold(g.mutex);
      ActAs act(g.token);
      letter.out.segment = create_segment(size);
      pass_on(g);
    }
    std::memcpy(segment_data(letter.out.segment), bytes, size);
  }
  Outgoing given = letter.out;
  Status s = until(g, queue_shared(queue).putters, wait,
                   [&](Token*) { return put_message(queue, given, Wait::until(0)) == Status::Ok; });
  if (s == Status::Ok) letter.out.segment = 0;
  return s;
}

Status get(uint64_t queue, const Wait& wait, void (*take)(void*, const uint8_t*, uint64_t),
           void* data) {
  Gate& g = gate();
  struct Letter {
    Gate& gate;
    Incoming in;
    ~Letter() {
      std::lock_guard<std::mutex> hold(gate.mutex);
      ActAs act(gate.token);
      in.clear();
      pass_on(gate);
    }
  } letter{g, {}};
  Status s = until(g, queue_shared(queue).getters, wait, [&](Token*) {
    return get_message(queue, letter.in, Wait::until(0)) == Status::Ok;
  });
  if (s == Status::Ok) take(data, letter.in.data(), letter.in.size());
  return s;
}

Status pass(uint64_t barrier, const Wait& wait) {
  Gate& g = gate();
  for (;;) {
    Round round;
    {
      ActAs act(g.token);
      round = arrive(barrier);
      if (round.last && !round.full) end_round(barrier, round); // an action is the main thread's
    }
    if (round.broken) return Status::Closed;
    Status s = until(g, barrier_waiters(barrier), wait,
                     [&](Token*) { return look_at(barrier, round) != RoundState::Open; });
    ActAs act(g.token);
    if (s != Status::Ok) break_barrier(barrier, round);
    else if (round.full) continue;
    else if (look_at(barrier, round) == RoundState::Broken) s = Status::Closed;
    return s;
  }
}

Status acquire_permit(uint64_t semaphore, const Wait& wait) {
  auto take = [&] { return acquire_semaphore(semaphore, Wait::until(0), false) == Status::Ok; };
  Gate& g = gate(); // an error before a permit is taken that could not be given back
  if (take()) return Status::Ok; // (1)
  if (wait.deadline <= 0) return Status::Timeout;
  WaiterMask& waiters = semaphore_waiters(semaphore);
  Status s = until(g, waiters, wait, [&](Token*) { return take(); });
  ActAs act(g.token);
  // As in acquire_semaphore(): each waiter that gets a permit wakes the next, if there are more.
  if (s == Status::Ok && semaphore_value(semaphore) && anybody_waits(waiters)) wake_one(waiters);
  return s;
}

bool release_permit(uint64_t semaphore) {
  ActAs act(gate().token);
  return release_semaphore(semaphore);
}

void set(uint64_t event) {
  ActAs act(gate().token);
  set_event(event);
}

Status wait_for(uint64_t event, const Wait& wait) {
  Gate& g = gate(); // first: the same error whether the event is set or not
  uint64_t before = times_set(event);
  auto look = [&] { return event_is_set(event) || times_set(event) != before; };
  if (look()) return Status::Ok;
  if (wait.deadline <= 0) return Status::Timeout;
  return until(g, event_waiters(event), wait, [&](Token*) { return look(); });
}

} // namespace mp::native
