// Pools, from the owner's side.
#include "pool/pool.h"
#include "session/defer.h"
#include "session/handle.h"

namespace mp::bind {
namespace {

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
  R_SetExternalPtrAddr(p, new PoolOwner(workers, start, plain));
  return p;
}

} // namespace mp::bind
