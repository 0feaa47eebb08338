// Pools, from the owner's side.
#include "pool/pool.h"
#include "session/defer.h"
#include "session/handle.h"
#include "session/output.h"
#include "session/session.h"

using namespace mp;
using namespace mp::bind;

namespace mp::bind {

namespace {
void release_pool(void* data) { delete static_cast<PoolOwner*>(data); }

void finalize_pool(SEXP pointer) {
  auto* p = static_cast<PoolOwner*>(R_ExternalPtrAddr(pointer));
  if (!p) return;
  R_ClearExternalPtr(pointer);
  if (p->depth() == fork_depth()) at_next_entry(release_pool, p);
}
} // namespace

// Also while it is busy.
static PoolOwner& any_pool_of(SEXP pointer) {
  auto* p =
      TYPEOF(pointer) == EXTPTRSXP ? static_cast<PoolOwner*>(R_ExternalPtrAddr(pointer)) : nullptr;
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

} // namespace mp::bind

SEXP pool_create(int workers, SEXP start, bool plain) {
  return entry([&] {
    Protected p(
        codec::protect([&] { return new_pointer(R_NilValue, start, finalize_pool, TRUE); }));
    R_SetExternalPtrAddr(p, new PoolOwner(workers, start, plain));
    return SEXP(p);
  });
}

// The pool's block as a handle, for the workers.
SEXP pool_handle(SEXP pool) {
  return entry([&] {
    uint64_t block = any_pool_of(pool).block();
    heap().hold(block);
    return make_handle(block, Kind::Pool);
  });
}

// Starts the workers.
void pool_start(SEXP pool) {
  entry([&] { pool_of(pool).start_all(); });
}

void pool_attend(SEXP pool) {
  entry([&] {
    pool_of(pool).attend();
    show_output();
  });
}

void pool_close(SEXP pool) {
  entry([&] { pool_of(pool).close(); });
}

// Sends a signal to all workers.
void pool_signal(SEXP pool, int signal) {
  entry([&] {
    PoolOwner& owner = pool_of(pool);
    owner.meet_all();
    for (const Seat& s : owner.seats())
      if (s.child) signal_child(s.child->child, signal);
  });
}

void pool_terminate(SEXP pool) {
  entry([&] { pool_of(pool).terminate(); });
}

void pool_dismiss(SEXP pool) {
  entry([&] { pool_of(pool).dismiss(); });
}

bool pool_join(SEXP pool, SEXP timeout) {
  return entry([&] {
    PoolOwner& owner = pool_of(pool);
    bool r = owner.wait(wait_for(timeout), [&] { return owner.joined(); });
    show_output();
    return r;
  });
}

SEXP pool_state(SEXP pool) {
  return entry([&] {
    PoolOwner& owner = pool_of(pool);
    owner.attend();
    owner.meet_all();
    std::vector<int> pids;
    std::vector<double> chunks;
    for (size_t lane = 0; lane < owner.seats().size(); ++lane) {
      const Seat& s = owner.seats()[lane];
      pids.push_back(s.child ? int(s.child->child.pid) : NA_INTEGER);
      chunks.push_back(double(lane_at(owner.block(), uint32_t(lane)).chunks_done.load()));
    }
    return with_names(list_of(pids, chunks, double(owner.unfinished()), owner.closing(), owner.terminated()),
                      {"pids", "chunks", "unfinished", "closed", "terminated"});
  });
}
