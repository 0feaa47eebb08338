#include "guard.h"
#include "heap.h"
#include "participant.h"

namespace mp {
namespace {

// Free, or held by somebody who is dead: then it is ours. `holder` gets who holds it otherwise.
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

} // namespace

Status lock_guard(GuardWord& g, const Wait& wait) {
  Token me = self(), holder = 0;
  // The word of an owner without a token would read as free, and two would be inside.
  if (me == 0) throw Error{"ProcessError", "this process has no place in the session"};
  Status how = Status::Ok;
  if (try_lock(g, me, &how, &holder)) return how;
  for (int i = 0; i < 200; ++i) { // an owner that runs is done within this
    platform::relax();
    if (g.owner.load(std::memory_order_relaxed) == 0 && try_lock(g, me, &how, &holder)) return how;
  }
  Waiter waiter(wait);
  waiter.add(g.waiters);
  Status s = waiter.until([&] {
    if (try_lock(g, me, &how, &holder)) return true;
    waiter.watch(holder);
    return false;
  });
  return s == Status::Ok ? how : s;
}

void unlock_guard(GuardWord& g) {
  // Pairs with the acquire in try_lock(); seq_cst, since whoever begins to wait either sees it, or
  // is seen.
  g.owner.exchange(0, std::memory_order_seq_cst);
  if (anybody_waits(g.waiters)) wake_one(g.waiters);
}

} // namespace mp
