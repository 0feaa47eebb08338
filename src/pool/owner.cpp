// Where workers and jobs meet:
//
//   workers.ended() --> jobs.worker_ended(): its chunks are offered again, or an element is lost
//                   --> workers.retire(): missing; "hopeless" ends the pool
//   jobs need it: unfinished(), in a closed pool offers_chunk(i) --> workers.start(i)
//
// A pool is open, then closed (no more jobs; workers leave when no chunk is offered to them), then
// terminated (no workers). It may be terminated at once.
#include "pool/pool.h"

#include "session/defer.h"
#include "session/handle.h"
#include "session/log.h"
#include "session/output.h"
#include "session/waits.h"

#include "core/guard.h"

#include <algorithm>
#include <csignal>
#include <cstring>

namespace mp::bind {
namespace {

constexpr int64_t kMeetNs = 10'000'000'000; // for workers to be forked, by each other
// Workers fork workers: the last are known after log2 of their number.
constexpr int kKillRounds = 12;

} // namespace

PoolOwner::PoolOwner(int workers, SEXP start, bool plain)
    : block_(create_pool(uint32_t(workers))), depth_(fork_depth()), plain_(plain),
      workers_(block_, size_t(workers), start), jobs_(block_, workers_) {
  keep_block(block_);
}

PoolOwner::~PoolOwner() {
  if (depth_ != fork_depth()) return; // a copy in a fork: the parent's
  bool gone = false; // any other call waits for this, and sees no Ctrl-C meanwhile
  for (int round = 0; round < kKillRounds && !gone; ++round) gone = workers_.kill_all(20);
  if (!gone) return; // another thread of a dead worker may still write: the blocks stay ours
  jobs_.release();
  let_go(block_);
}

int PoolOwner::submit(std::unique_ptr<PoolJob> job) {
  if (!why_.empty()) throw Error{"BrokenProcessPool", why_ + "; create a new one"};
  if (terminated_) throw Error{"ValueError", "the pool is terminated; create a new one with Pool()"};
  if (closing_)
    throw Error{"ValueError", "the pool is closed and accepts no more jobs; create a new one with Pool()"};
  if (!job->done() && !job->inherited) start_all();
  inherited_ = inherited_ || job->inherited;
  return jobs_.add(std::move(job));
}

PoolJob& PoolOwner::job(int id) {
  if (PoolJob* found = jobs_.find(id)) return *found;
  if (has_ended(id)) throw Error{"BrokenProcessPool", why_};
  if (terminated_) throw Error{"CancelledError", "the pool was terminated before this result was available"};
  throw Error{"ValueError", "this result was already taken or cancelled"};
}

void PoolOwner::start(const std::vector<size_t>& which) {
  if (which.empty()) return;
  NoReentry busy(busy_); // a finalizer that uses the pool now would start the same ones
  if (!inherited_) { // what they will have from the start, see session/journal.h
    uint64_t version = journal().look();
    pages_.begin(version);
    Protected large(journal().mark_large());
    large_ = Preserved(large);
  }
  WorkerPlan plan = workers_.plan();
  if (plan.method.copies && !inherited_) {
    pointers_.collect();
    exports_.set_pointers(pointers_.kept());
  }
  InheritedPointers::Fork fork(pointers_); // empty, where a fresh program is started
  workers_.start(plan, which, !closing_);
}

void PoolOwner::start_all() { start(workers_.missing()); }

std::vector<size_t> PoolOwner::vacant() const {
  std::vector<size_t> found = workers_.missing();
  if (found.empty() || terminated_ || left_alone_ || (!closing_ && !jobs_.unfinished())) return {};
  if (closing_)
    found.erase(std::remove_if(found.begin(), found.end(), [&](size_t i) { return !jobs_.offers_chunk(i); }),
                found.end());
  return found;
}

void PoolOwner::attend() {
  if (terminated_) return;
  for (size_t i : workers_.ended()) {
    // It left the closed pool by itself, as nothing was left for it. (A chunk that is free now may be
    // one that was offered to another, which has not claimed it yet: retire_worker() opens it to all.)
    if (inherited_ && closing_ && workers_.has_left(i) && !jobs_.offers_chunk(i)) workers_.forget(i);
    else if (workers_.reap(i)) retire_worker(i);
  }
  start(vacant());
  jobs_.attend();
}

void PoolOwner::attend_meanwhile() {
  if (terminated_ || waited_for_ || busy()) return;
  if (!let_end_ && !jobs_.any_unfinished() && !jobs_.restless()) return;
  try {
    if (let_end_) close();
    joined();
  } catch (const Error&) { // it is broken, which its next call says; or it is tried again at the next tick
  } catch (const std::exception&) { // the same
  }
}

void PoolOwner::retire_worker(size_t i) {
  WorkerEnd end = workers_.end_of(i);
  if (!end.refused) jobs_.worker_ended(end);
  std::string hopeless = workers_.retire(i, end);
  if (!end.refused) log(end.status < 0 ? kWarning : kInfo, "worker_ended", end.name, end.pid, end.status);
  if (!hopeless.empty()) end_with(hopeless);
  if (terminated_ || left_alone_ || (closing_ && !jobs_.offers_chunk(i))) return;
  try {
    start({i});
  } catch (const Error&) {
    if (!end.refused) throw; // else there was no room twice
    end_with(std::string("the operating system could not start another process: ") + std::strerror(end.refused));
  }
  if (!end.refused) log(kInfo, "worker_replaced", end.name, end.pid);
}

void PoolOwner::end_with(const std::string& why) {
  ended_ = jobs_.unfinished_ids();
  why_ = why + "; the pool is terminated";
  terminate();
  throw Error{"BrokenProcessPool", why_};
}

void PoolOwner::close() {
  if (closing_) return;
  closing_ = true;
  accept_no_jobs();
  if (jobs_.all_submitted()) close_pool(block_); // before workers start that would wait for jobs
  attend();
  if (jobs_.all_submitted()) close_pool(block_);
}

// What was kept for jobs to come.
void PoolOwner::accept_no_jobs() {
  exports_.clear();
  pages_.clear();
  large_ = Preserved();
}

// Called before a Ctrl-C may end what follows: these jobs are not computed any more.
void PoolOwner::forget_unfinished() {
  closing_ = terminated_ = true;
  accept_no_jobs();
  pointers_.clear();
  close_pool(block_);
  jobs_.forget_unfinished();
}

void PoolOwner::terminate() {
  end_idle_workers();
  forget_unfinished();
  while (!workers_.kill_all(50))
    if (interruptible_tick(nullptr)) interrupt();
  jobs_.drop_retired();
}

void PoolOwner::dismiss() {
  if (terminated_) return;
  if (!jobs_.unfinished()) workers_.spare(); // they end as if they left by themselves: what they have started stays
  end_idle_workers();
  forget_unfinished();
  if (!workers_.kill_and_forget()) return terminate();
  jobs_.drop_retired(); // a worker's main thread alone writes there, and it has ended
  reap_forgotten();
}

void PoolOwner::end_idle_workers() noexcept {
  if (!jobs_.any_computed()) workers_.end_idle();
}

void PoolOwner::dismiss_workers() noexcept {
  end_idle_workers();
  close_pool(block_); // those that are still to be forked leave by themselves
  workers_.signal_all(SIGKILL);
}

void PoolOwner::meet_all() {
  Wait limit = Wait::until(platform::now_ns() + kMeetNs);
  limit.tick = interruptible_tick;
  for (bool all = false; !all && platform::now_ns() < limit.deadline; all = workers_.known()) {
    workers_.await_births(limit);
    attend(); // replaces those that will never be forked
  }
}

bool PoolOwner::joined() {
  if (terminated_) return true;
  attend();
  if (closing_ && jobs_.all_submitted()) close_pool(block_);
  if (workers_.missing().size() < workers_.count()) return false;
  if (closing_) pointers_.clear(); // no worker will begin
  return true;
}

// The one wait for everything that concerns a pool's owner.
bool PoolOwner::wait(const Wait& limit, const std::function<bool()>& ready) {
  NoReentry waited_for(waited_for_);
  ChildWait step(limit);
  GuardLimit guards = GuardLimit::until(limit.deadline);
  int64_t next_tick = platform::now_ns() + limit.tick_ns;
  for (;;) {
    attend();
    if (ready()) return true;
    int64_t now = platform::now_ns();
    if (now >= limit.deadline) return false;
    if (now >= next_tick) { // even if we never sleep, a Ctrl-C is seen
      if (step.tick()) interrupt();
      next_tick = now + limit.tick_ns;
    }
    bool busy = jobs_.restless() || !vacant().empty();
    step.wait.deadline = busy ? std::min(limit.deadline, now + 10'000'000) : limit.deadline;
    step.children = workers_.tokens();
    Waiter waiter(step.wait);
    check(waiter.until([&] {
      for (Token t : step.children) waiter.watch(t);
      return news();
    }));
  }
}

} // namespace mp::bind
