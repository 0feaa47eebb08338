// Pools, from the owner's side.
#include "pool/pool.h"
#include "session/defer.h"
#include "session/handle.h"
#include "session/waits.h"

#include <algorithm>
#include <exception>

namespace mp::bind {
namespace {

// The pools of this process, and in a fork those of its parent, by their pointers. A pool is taken out by its pointer's finalizer:
// what is here can be protected. Process-local. Never destroyed: R's finalizers may run after the destructors of static objects.
std::vector<SEXP>& pools = *new std::vector<SEXP>;

uint32_t attending = 0; // 1 + fork_depth() of the process that is in attend_pools()

class Attending { // never nested: to start a worker may be a wait
public:
  Attending() : before_(attending) { attending = 1 + fork_depth(); }
  Attending(const Attending&) = delete;
  Attending& operator=(const Attending&) = delete;
  ~Attending() { attending = before_; }

private:
  uint32_t before_;
};

// In a wait for anything workers that were killed are replaced, and jobs that found no room are submitted: the wait may be for
// what these will do. Users' code, as callbacks are, is not called: what waits may be halfway through something.
void attend_pools() {
  if (pools.empty() || attending == 1 + fork_depth()) return;
  if (std::current_exception()) return; // a jump is under way: R has one place for where it goes
  Attending now;
  for (size_t i = 0; i < pools.size(); ++i) { // finalizers may discard some
    Protected pool(pools[i]);
    if (has_pool(pool)) any_pool_of(pool).attend_meanwhile();
  }
}

void release_pool(void* data) { delete static_cast<PoolOwner*>(data); }

PoolOwner* owner_at(SEXP pointer) {
  return TYPEOF(pointer) == EXTPTRSXP ? static_cast<PoolOwner*>(R_ExternalPtrAddr(pointer)) : nullptr;
}

// R loses what a finalizer registers if the finalizer was the newest one: it is not registered again here.
void finalize_pool(SEXP pointer) {
  if (!has_pool(pointer) || !owner_at(pointer)->survives_finalizer()) discard_pool(pointer);
}

} // namespace

bool has_pool(SEXP pointer) {
  PoolOwner* p = owner_at(pointer);
  return p && p->depth() == fork_depth();
}

void finalize_with_pointer(SEXP pointer) {
  protect([&] {
    R_RegisterCFinalizerEx(pointer, finalize_pool, TRUE);
    return pointer;
  });
}

void discard_pool(SEXP pointer) {
  PoolOwner* p = has_pool(pointer) ? owner_at(pointer) : nullptr;
  pools.erase(std::remove(pools.begin(), pools.end(), pointer), pools.end());
  R_ClearExternalPtr(pointer);
  if (!p) return;
  p->dismiss_workers(); // this package may not be called again
  defer(release_pool, p);
}

PoolOwner& any_pool_of(SEXP pointer) {
  PoolOwner* p = owner_at(pointer);
  if (!p || p->depth() != fork_depth())
    throw Error{"ProcessError",
                "a pool can be used only by the process that created it; create a Pool() here"};
  return *p;
}

PoolOwner& pool_of(SEXP pointer) {
  PoolOwner& p = any_pool_of(pointer);
  if (p.busy())
    throw Error{"ProcessError", "the pool is busy: it cannot be used from a finalizer "
                                "that runs meanwhile"};
  return p;
}

SEXP make_pool(int workers, SEXP start, bool plain) {
  Protected p(protect([&] { return new_pointer(R_NilValue, start, finalize_pool, TRUE); }));
  if (pools.size() == pools.capacity()) pools.reserve(2 * pools.size() + 8); // so that push_back() does not throw
  R_SetExternalPtrAddr(p, new PoolOwner(workers, start, plain));
  pools.push_back(p);
  at_ticks(attend_pools);
  return p;
}

} // namespace mp::bind
