#include "core/guard.h"
#include "pool/pool.h"
#include "r/compat.h"
#include "session/defer.h"
#include "session/log.h"
#include "session/handle.h"

#include <algorithm>
#include <csignal>
#include <cstring>

namespace mp::bind {
namespace {

constexpr int64_t kGraceNs = 1'000'000'000; // for a worker to notice that its job was cancelled
// Workers fork workers: the last are known after log2 of their number.
constexpr int kKillRounds = 12;

bool has_results(uint64_t job) {
  JobShared& j = job_at(job);
  auto* lanes = heap().at<ResultLane>(job + j.results);
  for (uint32_t i = 0; i < j.lanes; ++i)
    if (lanes[i].head.load(std::memory_order_acquire)) return true;
  return false;
}

// The worker that was the last to compute looks at the job a moment longer; our next call may come
// much later, and until then the job would keep what it refers to.
bool free_soon(uint64_t pool, uint64_t job, bool heavy) {
  constexpr int kLooks = 25; // 20 ms together
  constexpr int64_t kFirstNapNs = 10'000, kLongestNapNs = 1'000'000; // an idle worker leaves within microseconds
  int64_t nap = kFirstNapNs;
  for (int look = 0; !free_job(pool, job); ++look) {
    if (!heavy || look == kLooks) return false;
    platform::nap(nap);
    nap = std::min(2 * nap, kLongestNapNs);
  }
  return true;
}

} // namespace

// Workers claim the jobs in their order. A free job before a claimed one was taken back from a dead worker, so there is
// at most one for each seat: after more free jobs than that, none was begun.
template <class F> bool PoolOwner::any_begun(F look) {
  constexpr uint64_t kFewChunks = 8; // more of them are not worth looking at
  size_t free = 0;
  for (PoolJob* j : on_ring_) {
    if (look(*j)) return true;
    bool begun = j->done() || job_at(j->owner.block()).chunks > kFewChunks || j->owner.claimed();
    free = begun ? 0 : free + 1;
    if (free > workers_.size()) break;
  }
  return false;
}

PoolOwner::PoolOwner(int workers, SEXP start, bool plain)
    : block_(create_pool(uint32_t(workers))), depth_(fork_depth()), start_(start), plain_(plain),
      workers_(size_t(workers)) {
  keep_block(block_);
}

PoolOwner::~PoolOwner() {
  if (depth_ != fork_depth()) return; // a copy in a fork: the parent's
  bool gone = false; // any other call waits for this, and sees no Ctrl-C meanwhile
  for (int round = 0; round < kKillRounds && !gone; ++round) gone = kill_all(20);
  if (!gone) return; // another thread of a dead worker may still write: the blocks stay ours
  for (auto& j : jobs_) {
    defer_drop(j.second->owner.block());
    if (j.second->slot_block) defer_drop(j.second->slot_block);
  }
  for (RetiredJob& g : retired_) defer_drop(g.block);
  let_go(block_);
}

int PoolOwner::submit(std::unique_ptr<PoolJob> job) {
  if (!why_.empty()) throw Error{"BrokenProcessPool", why_ + "; create a new one"};
  if (terminated_) throw Error{"ValueError", "the pool is terminated; create a new one with Pool()"};
  if (closing_)
    throw Error{"ValueError", "the pool is closed and accepts no more jobs; create a new one with Pool()"};
  if (!job->done() && !job->inherited) start_all();
  int id = next_id_++;
  PoolJob& j = *job;
  j.id = id;
  inherited_ = inherited_ || j.inherited;
  on_ring_.reserve(on_ring_.size() + 1); // nothing fails once it is submitted
  jobs_[id] = std::move(job);
  timed_ += j.timeout_ns > 0;
  if (j.done()) return id; // nothing to do
  if (!waiting_.empty() || !put_on_ring(j)) waiting_.push_back(id);
  log(kDebug, "job_submitted", id, double(Rf_xlength(j.failures)));
  return id;
}

bool PoolOwner::put_on_ring(PoolJob& job) {
  on_ring_.push_back(&job);
  if (submit_job(block_, job.owner.block(), &job.index)) return job.submitted = true;
  on_ring_.pop_back();
  return false;
}

void PoolOwner::take_off_ring(PoolJob& job) {
  if (!job.submitted || job.retired) return;
  retire_job(block_, job.index);
  job.retired = true;
  auto at = std::lower_bound(on_ring_.begin(), on_ring_.end(), job.id,
                             [](const PoolJob* j, int id) { return j->id < id; });
  on_ring_.erase(at);
}

PoolJob& PoolOwner::job(int id) {
  auto it = jobs_.find(id);
  if (it != jobs_.end()) return *it->second;
  if (std::count(ended_.begin(), ended_.end(), id)) throw Error{"BrokenProcessPool", why_};
  if (terminated_) throw Error{"CancelledError", "the pool was terminated before this result was available"};
  throw Error{"ValueError", "this result was already taken or cancelled"};
}

void PoolOwner::forget(int id) {
  auto it = jobs_.find(id);
  if (it == jobs_.end()) return;
  PoolJob& j = *it->second;
  take_off_ring(j);
  timed_ -= j.timeout_ns > 0;
  waiting_.erase(std::remove(waiting_.begin(), waiting_.end(), id), waiting_.end());
  if (!j.submitted) heap().drop(j.owner.block());
  else if (!free_soon(block_, j.owner.block(), j.done() && j.heavy))
    retired_.push_back({j.owner.block(), j.done() && !j.given_up ? INT64_MAX : platform::now_ns() + kGraceNs});
  if (j.slot_block) drop_uncounted(j.slot_block); // the value that was taken is a view of them
  jobs_.erase(it);
}

void PoolOwner::expire(PoolJob& job) {
  int64_t now = platform::now_ns();
  for (size_t lane = 0; lane < workers_.size(); ++lane) {
    WorkerSlot& s = workers_[lane];
    if (!s.child) continue;
    LaneShared& l = lane_at(block_, uint32_t(lane));
    uint64_t position;
    auto in_time = [&] {
      return now - l.began_ns.load(std::memory_order_relaxed) < job.timeout_ns;
    };
    if (l.job.load(std::memory_order_acquire) != job.owner.block() || in_time()) continue;
    // Again after the acquire in running(): it may have begun another element between the two.
    if (!job.owner.running(s.child->child.token, &position) || in_time()) continue;
    s.child->expired = true;
    signal_child(s.child->child, SIGKILL);
  }
}

// Signals the workers of a cancelled job. The signal may be lost in a worker that is about to sleep.
void PoolOwner::interrupt_workers(uint64_t job) {
  for (size_t lane = 0; lane < workers_.size(); ++lane)
    if (workers_[lane].child && lane_at(block_, uint32_t(lane)).job.load() == job)
      signal_child(workers_[lane].child->child, platform::cancel_signal());
}

void PoolOwner::sweep_cancelled() {
  int64_t now = platform::now_ns();
  for (size_t i = 0; i < retired_.size();) {
    RetiredJob g = retired_[i];
    if (free_job(block_, g.block)) {
      retired_.erase(retired_.begin() + long(i));
      continue;
    }
    if (now <= g.kill_ns && g.kill_ns != INT64_MAX) interrupt_workers(g.block);
    if (now > g.kill_ns)
      for (size_t lane = 0; lane < workers_.size(); ++lane)
        if (workers_[lane].child && lane_at(block_, uint32_t(lane)).job.load() == g.block)
          signal_child(workers_[lane].child->child, SIGKILL);
    ++i;
  }
}

bool PoolOwner::news() {
  for (WorkerSlot& s : workers_)
    if (s.child && state_of(s.child->child) >= ChildState::Ended) return true;
  return any_begun([](const PoolJob& j) {
    if (j.done()) return false;
    JobShared& shared = job_at(j.owner.block());
    return j.each || j.lost_a_worker ? has_results(j.owner.block())
                               : shared.done_chunks.load(std::memory_order_acquire) >= shared.chunks;
  });
}

void PoolOwner::attend() {
  if (terminated_) return;
  for (size_t lane = 0; lane < workers_.size(); ++lane) {
    WorkerSlot& s = workers_[lane];
    if (!s.child || state_of(s.child->child) < ChildState::Ended) continue;
    if (inherited_ && has_left(lane)) {
      s.child->output_is_final = s.child->child.spare = true;
      s.child.reset(); // show_output() reaps it, once the system has taken its memory down
      continue;
    }
    if (!await_child(s.child->child, 20)) continue;
    child_has_ended(*s.child); // shows the last of its output
    retire_worker(lane);
  }
  if (std::vector<size_t> lanes = vacant(); !lanes.empty()) start(lanes);
  std::vector<PoolJob*> complete;
  any_begun([&](PoolJob& j) {
    if (!j.done()) {
      collect(j);
      mourn(j);
      if (j.timeout_ns && !j.done()) expire(j);
    }
    if (j.done()) complete.push_back(&j);
    return false;
  });
  for (PoolJob* j : complete) {
    take_off_ring(*j);
    if (awaited_) finished_.push_back(j->id);
  }
  if (logs(kDebug)) {
    std::vector<std::pair<int, int>> done; // R code that is called may change the jobs
    for (PoolJob* j : complete) done.emplace_back(j->id, j->failed);
    for (auto [id, failed] : done) log(kDebug, "job_done", id, failed);
  }
  while (!waiting_.empty() && put_on_ring(*jobs_[waiting_.front()])) waiting_.pop_front();
  for (size_t i = 0; i < abandoned_.size();) {
    if (!is_done(abandoned_[i])) {
      ++i;
      continue;
    }
    forget(abandoned_[i]);
    abandoned_.erase(abandoned_.begin() + long(i));
  }
  if (!retired_.empty()) sweep_cancelled();
}

size_t PoolOwner::unfinished() const {
  size_t n = 0;
  for (auto& entry : jobs_) n += !entry.second->done();
  return n;
}

void PoolOwner::cancel(int id) {
  auto it = jobs_.find(id);
  if (it == jobs_.end() || it->second->done()) return;
  PoolJob& j = *it->second;
  uint64_t block = j.owner.block();
  j.owner.cancel();
  if (j.submitted) interrupt_workers(block);
  forget(id);
}

bool PoolOwner::withdraw(int id) {
  auto it = jobs_.find(id);
  if (it == jobs_.end() || it->second->done() || !it->second->owner.withdraw()) return false;
  forget(id);
  return true;
}

std::vector<int> PoolOwner::unclaimed() const {
  std::vector<int> ids;
  for (auto& entry : jobs_)
    if (!entry.second->done() && !entry.second->owner.claimed()) ids.push_back(entry.first);
  return ids;
}

void PoolOwner::close() {
  if (closing_) return;
  closing_ = true;
  exports_.clear();
  pages_.clear();
  large_ = Preserved();
  if (waiting_.empty()) close_pool(block_); // before workers start that would wait for jobs
  attend();
  if (waiting_.empty()) close_pool(block_);
}

// Called before a Ctrl-C may end what follows: these jobs are not computed any more.
void PoolOwner::forget_unfinished() {
  closing_ = terminated_ = true;
  exports_.clear();
  pointers_.clear();
  pages_.clear();
  large_ = Preserved();
  close_pool(block_);
  std::vector<int> ids;
  for (auto& entry : jobs_)
    if (!entry.second->done()) ids.push_back(entry.first);
  for (int id : ids) forget(id);
}

void PoolOwner::drop_retired() {
  for (RetiredJob& g : retired_) heap().drop(g.block);
  retired_.clear();
}

void PoolOwner::terminate() {
  end_idle_workers();
  forget_unfinished();
  while (!kill_all(50))
    if (interruptible_tick(nullptr)) interrupt();
  drop_retired();
}

bool PoolOwner::joined() {
  if (terminated_) return true;
  attend();
  if (closing_ && waiting_.empty()) close_pool(block_);
  for (WorkerSlot& s : workers_)
    if (s.child) return false;
  if (closing_) pointers_.clear(); // no worker will begin
  return true;
}

// The one wait for everything that concerns a pool's owner.
bool PoolOwner::wait(const Wait& limit, const std::function<bool()>& ready) {
  ChildWait step(limit);
  Patience patience = Patience::until(limit.deadline);
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
    bool busy = !retired_.empty() || !waiting_.empty() || !vacant().empty();
    if (timed_)
      for (auto& entry : jobs_) busy = busy || (entry.second->timeout_ns && !entry.second->done());
    step.wait.deadline = busy ? std::min(limit.deadline, now + 10'000'000) : limit.deadline;
    step.children = tokens();
    Waiter waiter(step.wait);
    check(waiter.until([&] {
      for (Token t : step.children) waiter.watch(t);
      return news();
    }));
  }
}

} // namespace mp::bind
