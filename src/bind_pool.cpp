// Pools, from the owner's side.
#include "bind_pool.h"

#include "core/pipe.h"

#include <algorithm>
#include <cstring>
#include <unistd.h>

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

PoolOwner& pool_of(SEXP pointer) {
  auto* p =
      TYPEOF(pointer) == EXTPTRSXP ? static_cast<PoolOwner*>(R_ExternalPtrAddr(pointer)) : nullptr;
  if (!p || p->depth() != fork_depth())
    throw Error{"ProcessError", "a pool can be used only by the process that made it"};
  return *p;
}

// One wait for everything that a pool's owner may care about.
template <class Ready> bool PoolOwner::wait(const Wait& limit, Ready ready) {
  Wait step = limit;
  int64_t next_tick = platform::now_ns() + limit.tick_ns;
  for (;;) {
    attend();
    if (ready()) return true;
    int64_t now = platform::now_ns();
    if (now >= limit.deadline) return false;
    if (now >= next_tick) { // whatever keeps us from sleeping, Ctrl-C is seen
      if (limit.tick(limit.data)) interrupt();
      next_tick = now + limit.tick_ns;
    }
    bool busy = !ghosts_.empty() || !waiting_.empty();
    for (auto& entry : jobs_) busy = busy || (entry.second->timeout_ns && !entry.second->done());
    step.deadline = busy ? std::min(limit.deadline, now + 10'000'000) : limit.deadline;
    Waiter waiter(step);
    check(waiter.until([&] {
      for (Token t : tokens()) waiter.watch(t);
      return news();
    }));
  }
}

} // namespace mp::bind

namespace {

// A call's function as a block of its own, kept while later calls use the same one.
struct FunctionCache {
  SEXP function = nullptr; // preserved
  uint64_t block = 0;
  uint32_t depth = 0;
};
FunctionCache cached;

// Its value cannot have changed: a function of the global environment or of a package, or a
// builtin.
bool immutable(SEXP f) {
  if (TYPEOF(f) != CLOSXP) return true;
  SEXP env = CLOENV(f);
  return (env == R_GlobalEnv || R_IsNamespaceEnv(env)) && ATTRIB(f) == R_NilValue;
}

uint64_t store_function(SEXP f) {
  codec::Encoding e = codec::encode(f);
  std::vector<Reference> refs = references_of(e.handles());
  uint64_t block = heap().allocate(e.size() + refs.size() * sizeof(Reference), Kind::Bytes, false);
  e.write(heap().at(block));
  if (!refs.empty()) {
    std::memcpy(heap().at(block + e.size()), refs.data(), refs.size() * sizeof(Reference));
    heap().seal(block, e.size(), uint32_t(refs.size()));
  }
  return block;
}

} // namespace

// [[Rcpp::export(rng = false)]]
SEXP pool_create(int workers, SEXP start) {
  return entry([&] {
    auto owner = std::make_unique<PoolOwner>(workers, start);
    Rcpp::Shield<SEXP> p(R_MakeExternalPtr(owner.get(), R_NilValue, start));
    owner.release();
    R_RegisterCFinalizerEx(p, finalize_pool, TRUE);
    return SEXP(p);
  });
}

// The pool's block as a handle, for the workers.
// [[Rcpp::export(rng = false)]]
SEXP pool_handle(SEXP pool) {
  return entry([&] {
    uint64_t block = pool_of(pool).block();
    heap().hold(block);
    return make_handle(block, Kind::Pool);
  });
}

// Starts the workers.
// [[Rcpp::export(rng = false)]]
void pool_start(SEXP pool) {
  entry([&] { pool_of(pool).start_all(); });
}

// Nobody will ask for this job's results any more. Called by R's collector: only takes note.
// [[Rcpp::export(rng = false)]]
void pool_abandon(SEXP pool, int id) {
  if (TYPEOF(pool) == EXTPTRSXP && R_ExternalPtrAddr(pool))
    static_cast<PoolOwner*>(R_ExternalPtrAddr(pool))->abandon(id);
}

// What is there of a job so far, as pool_take().
// [[Rcpp::export(rng = false)]]
Rcpp::List pool_peek(SEXP pool, int id) {
  return entry([&] {
    PoolJob& j = pool_of(pool).job(id);
    return Rcpp::List::create(Rcpp::_["values"] = j.values, Rcpp::_["failures"] = j.failures);
  });
}

// A job. `fun` NULL: the workers inherited it (fork_map). `iterable`: the elements. `chunks`: a
// size, 0 for guided self-scheduling, or the first positions of each chunk. Returns its id.
// [[Rcpp::export(rng = false)]]
int pool_submit(SEXP pool, SEXP fun, SEXP body, SEXP iterable, double count,
                Rcpp::NumericVector chunks, Rcpp::IntegerVector places, int retries,
                double task_timeout, bool each) {
  return entry([&] {
    PoolOwner& owner = pool_of(pool);
    JobPlan plan;
    plan.count = uint64_t(count);
    if (chunks.size() != 1) {
      for (double c : chunks) plan.starts.push_back(uint64_t(c));
    } else if (chunks[0] > 0) {
      plan.starts = equal_chunks(plan.count, uint64_t(chunks[0]));
    } else {
      plan.starts = guided_chunks(plan.count, uint32_t(owner.seats().size()));
    }
    plan.notify_each = each;
    plan.timed = task_timeout > 0;
    // a share for each worker: none draws from another's stream or sees what its share left behind
    plan.pinned = Rf_isNull(fun) && plan.starts.size() == owner.seats().size() + 1;
    struct Held { // a function's block, until the job refers to it
      uint64_t block = 0;
      ~Held() {
        if (block) heap().drop(block);
      }
    } held;
    if (!Rf_isNull(fun)) {
      bool keep = immutable(fun);
      if (cached.depth != fork_depth()) cached = FunctionCache{nullptr, 0, fork_depth()};
      if (!keep || cached.function != fun) {
        held.block = store_function(fun);
        if (keep) {
          if (cached.function) {
            R_ReleaseObject(cached.function);
            heap().drop(cached.block);
          }
          R_PreserveObject(fun);
          cached.function = fun;
          cached.block = held.block;
          held.block = 0;
        }
      }
      uint64_t block = keep ? cached.block : held.block;
      plan.function = {Heap::page_of(block), heap().serial_of(block)};
    }
    codec::Encoding rest = codec::encode(body), input = codec::encode(iterable);
    std::vector<Reference> refs = references_of(rest.handles()),
                           more = references_of(input.handles());
    refs.insert(refs.end(), more.begin(), more.end());
    plan.body_bytes = rest.size();
    plan.input_bytes = input.size();
    plan.references = refs.size();
    uint64_t block = create_job(owner.block(), plan);
    Held unsent{block};
    rest.write(heap().at(block + job_at(block).body.offset));
    input.write(heap().at(block + job_at(block).input.offset));
    seal_job(block, refs);
    auto job = std::make_unique<PoolJob>();
    job->owner = JobOwner(owner.block(), block);
    job->each = each;
    job->retries = retries;
    job->timeout_ns = int64_t(task_timeout * 1e9);
    job->places = Rcpp::as<std::vector<int>>(places);
    job->values = Rcpp::List(R_xlen_t(count));
    job->failures = Rcpp::List(R_xlen_t(count));
    unsent.block = 0;
    return owner.submit(std::move(job));
  });
}

// TRUE if the job is done within the time.
// [[Rcpp::export(rng = false)]]
bool pool_wait(SEXP pool, int id, SEXP timeout) {
  return entry([&] {
    PoolOwner& owner = pool_of(pool);
    owner.job(id);
    bool done = owner.wait(wait_for(timeout), [&] { return owner.job(id).done(); });
    show_output();
    return done;
  });
}

// TRUE as soon as one of the elements failed or all are done.
// [[Rcpp::export(rng = false)]]
bool pool_wait_failure(SEXP pool, int id) {
  return entry([&] {
    PoolOwner& owner = pool_of(pool);
    return owner.wait(wait_for(R_NilValue), [&] {
      PoolJob& j = owner.job(id);
      if (j.done()) return true;
      for (int e : j.arrived)
        if (!Rf_isNull(j.failures[e - 1])) return true;
      j.arrived.clear();
      return false;
    });
  });
}

static Rcpp::List take_job(PoolOwner& owner, int id) {
  PoolJob& j = owner.job(id);
  Rcpp::List r = Rcpp::List::create(Rcpp::_["values"] = j.values, Rcpp::_["failures"] = j.failures,
                                    Rcpp::_["failed"] = j.failed > 0);
  owner.forget(id);
  return r;
}

// list(values, failures, failed), and the job is forgotten.
// [[Rcpp::export(rng = false)]]
Rcpp::List pool_take(SEXP pool, int id) {
  return entry([&] { return take_job(pool_of(pool), id); });
}

// The same after waiting for it.
// [[Rcpp::export(rng = false)]]
Rcpp::List pool_result(SEXP pool, int id) {
  return entry([&] {
    PoolOwner& owner = pool_of(pool);
    owner.job(id);
    owner.wait(wait_for(R_NilValue), [&] { return owner.job(id).done(); });
    show_output();
    return take_job(owner, id);
  });
}

// An iterator's next element: list(value, failure); NULL if none came in time. `given` is how many
// it had before, in order or as they were done. Asking again after a Ctrl-C gives the same one.
// [[Rcpp::export(rng = false)]]
SEXP pool_next(SEXP pool, int id, bool ordered, int given, SEXP timeout) {
  return entry([&]() -> SEXP {
    PoolOwner& owner = pool_of(pool);
    owner.job(id);
    bool got = owner.wait(wait_for(timeout), [&] {
      PoolJob& j = owner.job(id);
      return ordered ? j.owner.has(uint64_t(given)) : j.arrived.size() > size_t(given);
    });
    show_output();
    if (!got) return R_NilValue;
    PoolJob& j = owner.job(id);
    auto place = [&](int k) { return ordered ? k : j.arrived[size_t(k)] - 1; };
    if (given > 0) j.values[place(given - 1)] = R_NilValue; // not kept twice
    int e = place(given);
    return Rcpp::List::create(SEXP(j.values[e]), SEXP(j.failures[e]));
  });
}

// How many elements of the job are done.
// [[Rcpp::export(rng = false)]]
double pool_progress(SEXP pool, int id) {
  return entry([&] {
    PoolOwner& owner = pool_of(pool);
    owner.attend();
    PoolJob& j = owner.job(id);
    return double(j.owner.settled_count());
  });
}

// [[Rcpp::export(rng = false)]]
void pool_cancel(SEXP pool, int id) {
  entry([&] { pool_of(pool).cancel(id); });
}

// [[Rcpp::export(rng = false)]]
void pool_forget(SEXP pool, int id) {
  entry([&] { pool_of(pool).forget(id); });
}

// [[Rcpp::export(rng = false)]]
void pool_attend(SEXP pool) {
  entry([&] {
    pool_of(pool).attend();
    show_output();
  });
}

// [[Rcpp::export(rng = false)]]
void pool_close(SEXP pool) {
  entry([&] { pool_of(pool).close(); });
}

// Sends a signal to all workers.
// [[Rcpp::export(rng = false)]]
void pool_signal(SEXP pool, int signal) {
  entry([&] {
    for (const Seat& s : pool_of(pool).seats())
      if (s.child) send_signal(*s.child, signal);
  });
}

// [[Rcpp::export(rng = false)]]
void pool_terminate(SEXP pool) {
  entry([&] { pool_of(pool).terminate(); });
}

// [[Rcpp::export(rng = false)]]
bool pool_join(SEXP pool, SEXP timeout) {
  return entry([&] {
    PoolOwner& owner = pool_of(pool);
    bool r = owner.wait(wait_for(timeout), [&] { return owner.joined(); });
    show_output();
    return r;
  });
}

// [[Rcpp::export(rng = false)]]
Rcpp::List pool_state(SEXP pool) {
  return entry([&] {
    PoolOwner& owner = pool_of(pool);
    owner.attend();
    Rcpp::IntegerVector pids;
    Rcpp::NumericVector chunks;
    for (size_t lane = 0; lane < owner.seats().size(); ++lane) {
      const Seat& s = owner.seats()[lane];
      pids.push_back(s.child ? int(s.child->child.pid) : NA_INTEGER);
      chunks.push_back(double(lane_at(owner.block(), uint32_t(lane)).chunks_done.load()));
    }
    return Rcpp::List::create(Rcpp::_["pids"] = pids, Rcpp::_["chunks"] = chunks,
                              Rcpp::_["unfinished"] = double(owner.unfinished()),
                              Rcpp::_["closed"] = owner.closing());
  });
}

// Waits for any of several things; which of them are ready. `kinds` names each item: a
// "connection", "queue", "process" pointer, or a "result": list(pool, job id).
// [[Rcpp::export(rng = false)]]
Rcpp::LogicalVector wait_any(Rcpp::List items, Rcpp::CharacterVector kinds, SEXP timeout) {
  return entry([&] {
    Wait limit = wait_for(timeout);
    size_t n = size_t(items.size());
    Rcpp::LogicalVector ready(items.size());
    auto is = [&](size_t k, const char* name) {
      return std::strcmp(CHAR(STRING_ELT(kinds, R_xlen_t(k))), name) == 0;
    };
    for (;;) {
      bool some = false;
      Waiter waiter(limit);
      for (size_t k = 0; k < n; ++k) {
        SEXP item = items[R_xlen_t(k)];
        bool now = false;
        if (is(k, "connection")) {
          uint64_t c = block_of(item, Kind::Connection);
          now = is_readable(c);
          waiter.add(connection_waiters(c));
        } else if (is(k, "queue")) {
          uint64_t q = block_of(item, Kind::Queue);
          now = queue_length(q) > 0;
          waiter.add(queue_shared(q).getters);
        } else if (is(k, "process")) {
          now = is_over(process_child(item));
        } else {
          PoolOwner& owner = pool_of(VECTOR_ELT(item, 0));
          owner.attend();
          now = owner.is_done(Rf_asInteger(VECTOR_ELT(item, 1)));
        }
        ready[R_xlen_t(k)] = now;
        some = some || now;
      }
      if (some || platform::now_ns() >= limit.deadline) break;
      check(waiter.until([&] {
        for (size_t k = 0; k < n; ++k) {
          SEXP item = items[R_xlen_t(k)];
          if (is(k, "connection")) {
            uint64_t c = block_of(item, Kind::Connection);
            if (is_readable(c)) return true;
            watch_other_end(waiter, c);
          } else if (is(k, "queue")) {
            if (queue_length(block_of(item, Kind::Queue)) > 0) return true;
          } else if (is(k, "process")) {
            Child& c = process_child(item).child;
            if (!is_expected(c.token)) return true;
            waiter.watch(c.token);
          } else {
            PoolOwner& owner = pool_of(VECTOR_ELT(item, 0));
            if (owner.news()) return true;
            for (Token t : owner.tokens()) waiter.watch(t);
          }
        }
        return false;
      }));
      for (size_t k = 0; k < n; ++k) // we take nothing: the wake-up was meant for whoever gets
        if (is(k, "queue"))
          wake_one(queue_shared(block_of(items[R_xlen_t(k)], Kind::Queue)).getters);
      for (size_t k = 0; k < n; ++k) // its life is over; the system may need a moment more
        if (is(k, "process") && !is_expected(process_child(items[R_xlen_t(k)]).child.token))
          await_child(process_child(items[R_xlen_t(k)]).child, 20);
    }
    show_output();
    return ready;
  });
}
