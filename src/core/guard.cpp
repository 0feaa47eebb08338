#include "guard.h"
#include "participant.h"

#include <algorithm>

namespace mp {
namespace {

constexpr int64_t kGraceNs = 20'000'000;
constexpr int64_t kBusyNs = 1'000'000'000; // for an owner that runs, when many want its core
// A token that no participant ever has: a slot's first participant is its generation 1.
constexpr Token kNoParticipant = 1;
static_assert(generation_of(kNoParticipant) == 0 && kNoParticipant != 0, "this token is never alive");

// If it is free, or its holder is dead, we take it. Otherwise `holder` gets its holder.
bool try_lock(GuardWord& g, Token me, Status* how, Token* holder) {
  uint32_t v = 0;
  // acquire: pairs with the release in unlock_guard()
  if (g.owner.compare_exchange_strong(v, me, std::memory_order_acquire)) {
    *how = Status::Ok;
    return true;
  }
  *holder = v;
  if (is_alive(v)) return false;
  if (g.owner.compare_exchange_strong(v, me, std::memory_order_acquire)) {
    *how = v == 0 ? Status::Ok : Status::OwnerDied;
    return true;
  }
  return false;
}

// Its holder may itself wait for the heap's guard.
std::string obstacle(const GuardWord& g) {
  std::string why = stopped_holder(g);
  return why.empty() ? stopped_holder(header().guard) : why;
}

} // namespace

GuardLimit::Values& GuardLimit::now() {
  static thread_local Values mine;
  return mine;
}

Status lock_guard(GuardWord& g, int64_t deadline) {
  Token me = self(), holder = 0;
  // The word of an owner without a token would read as free, and two would be inside.
  if (me == 0) throw Error{"ProcessError", "this process has no place in the session"};
  Status how = Status::Ok;
  if (try_lock(g, me, &how, &holder)) return how;
  for (int i = 0; i < 200; ++i) { // an owner that runs is done within this
    platform::relax();
    if (g.owner.load(std::memory_order_relaxed) == 0 && try_lock(g, me, &how, &holder)) return how;
  }
  if (deadline == kNoWait) return Status::Timeout;
  const GuardLimit::Values& own = GuardLimit::now();
  int64_t now = platform::now_ns();
  Wait wait;
  int64_t limit = own.limit_ns < platform::kForever - now ? now + own.limit_ns : platform::kForever;
  int64_t busy = std::min(now + kBusyNs, limit);
  wait.deadline = std::min(std::max(std::min(deadline, own.deadline), now + kGraceNs), limit);
  if (own.interrupted) wait.tick = [](void*) { return GuardLimit::now().interrupted(); };
  Waiter waiter(wait);
  waiter.add(g.waiters);
  for (;;) {
    Status s = waiter.until([&] {
      if (try_lock(g, me, &how, &holder)) return true;
      waiter.watch(holder);
      return false;
    });
    if (s == Status::Ok) return how;
    now = platform::now_ns();
    if (s != Status::Timeout || now >= busy || !obstacle(g).empty()) return s;
    wait.deadline = std::min(now + kGraceNs, busy);
  }
}

void unlock_guard(GuardWord& g) {
  // Pairs with the acquire in try_lock(); seq_cst, since a process that begins to wait either sees it,
  // or is seen.
  g.owner.exchange(0, std::memory_order_seq_cst);
  if (anybody_waits(g.waiters)) wake_one(g.waiters);
}

void unlock_torn_guard(GuardWord& g) {
  g.owner.exchange(kNoParticipant, std::memory_order_seq_cst); // as in unlock_guard()
  if (anybody_waits(g.waiters)) wake_one(g.waiters);
}

std::string stopped_holder(const GuardWord& g) {
  Token holder = g.owner.load(std::memory_order_relaxed);
  if (holder == self() || !is_alive(holder)) return "";
  pid_t pid = pid_of(holder);
  if (!platform::process_stopped(pid)) return "";
  std::string n = std::to_string(pid);
  return "process " + n +
         " is stopped while it works on the session's shared memory; continue it (kill -CONT " + n +
         ") or end it (kill -KILL " + n + "): what it leaves is repaired";
}

void refuse_guard(Status s, const GuardWord& g) {
  if (s == Status::Interrupted) throw Interrupted{};
  std::string why = obstacle(g);
  Token holder = g.owner.load(std::memory_order_relaxed);
  if (why.empty() && is_alive(holder)) {
    std::string n = std::to_string(pid_of(holder));
    why = "process " + n +
          " works on the session's shared memory and does not come to an end; try again, or end it "
          "(kill -KILL " +
          n + "): what it leaves is repaired";
  }
  if (why.empty()) why = "the session's shared memory was in use all the time; try again";
  throw GuardTimeout{{"TimeoutError", why}};
}

} // namespace mp
