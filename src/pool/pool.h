// What the owner of a pool knows. It joins workers and jobs: a worker that ends gives its chunks back to the jobs, and
// jobs that need workers get them.
#pragma once

#include "pool/job_table.h"
#include "pool/pages.h"
#include "pool/workers.h"
#include "session/inherited.h"
#include "session/sent_data.h"

#include "core/doorbell.h"

#include <algorithm>
#include <functional>

namespace mp::bind {

class PoolOwner {
public:
  // `plain`: the pool has no options of its own (retries, task_timeout, seed).
  PoolOwner(int workers, SEXP start, bool plain);
  ~PoolOwner();
  Workers& workers() { return workers_; }
  JobTable& jobs() { return jobs_; }
  // As JobTable's add() and find(), but throws if the pool takes no jobs, or has no such job any more.
  int submit(std::unique_ptr<PoolJob> job);
  PoolJob& job(int id);
  void start_all();
  void attend(); // does everything that is due; never waits
  // Waits until ready() or the deadline. False: not in time.
  bool wait(const Wait& wait, const std::function<bool()>& ready);
  // attend(), called by a wait for something else; does nothing while this pool itself is waited for.
  void attend_meanwhile();
  bool news() { return workers_.any_ended() || jobs_.news(); } // for a waiter's look: attend() has something to do
  void close();
  void close_later() { expecting_ = true; } // close() will come: R refuses other jobs until then
  void dismiss_workers() noexcept; // they end without us; allocates nothing, takes no guard
  // Whether the finalizer of its pointer leaves the pool as it is; what sets it ends the pool, see R/executor-lifetime.R.
  void survive_finalizer(bool survives) { survives_finalizer_ = survives; }
  void let_end() { let_end_ = true; } // its workers leave by themselves; called by R's collector, so it is closed later
  void leave_alone() { left_alone_ = true; } // its jobs are not wanted: workers that end are not replaced
  bool survives_finalizer() const { return survives_finalizer_; }
  void terminate();
  // terminate() after the last job, without waiting until the system has freed a large memory.
  void dismiss();
  void meet_all(); // waits until the pids of all workers are known
  bool joined();   // all workers have left
  bool closing() const { return closing_ || expecting_; }
  bool terminated() const { return terminated_; }
  bool busy() const { return busy_ || jobs_.busy(); } // no other call may change its jobs and workers now
  uint64_t block() const { return block_; }
  uint32_t depth() const { return depth_; }
  Exports& exports() { return exports_; }
  const codec::PointersKept* pointers() const { return pointers_.kept(); } // that the workers have
  Pages& pages() { return pages_; }
  bool simple() const { return plain_; }
  bool has_ended(int id) const { return std::count(ended_.begin(), ended_.end(), id) > 0; } // with the pool
  const std::string& why() const { return why_; }

private:
  void start(const std::vector<size_t>& which);
  std::vector<size_t> vacant() const; // workers that should exist and do not: the system refused one
  void retire_worker(size_t i);       // it has ended and was reaped
  [[noreturn]] void end_with(const std::string& why); // terminates; unfinished jobs fail with it
  void accept_no_jobs();
  void forget_unfinished();
  void end_idle_workers() noexcept;

  uint64_t block_ = 0;
  uint32_t depth_;
  InheritedPointers pointers_;
  Exports exports_;
  bool plain_;
  Pages pages_;
  Preserved large_; // values that the latest workers were forked with, see Journal::mark_large()
  Workers workers_;
  JobTable jobs_;
  std::string why_;        // the pool ended by itself
  std::vector<int> ended_; // the jobs that it had then
  bool inherited_ = false; // its only job is, see PoolJob
  bool closing_ = false, terminated_ = false, busy_ = false;
  bool expecting_ = false; // jobs will come, although users see the pool as closed
  bool survives_finalizer_ = false, let_end_ = false;
  bool waited_for_ = false; // by wait()
  bool left_alone_ = false;
};

// The pool is its R pointer's. May jump.
SEXP make_pool(int workers, SEXP start, bool plain);
PoolOwner& pool_of(SEXP pointer);
PoolOwner& any_pool_of(SEXP pointer); // also while it is busy
bool has_pool(SEXP pointer);            // one of this process
void finalize_with_pointer(SEXP pointer); // though it has survived one finalizer
void discard_pool(SEXP pointer);          // as its finalizer does

} // namespace mp::bind
