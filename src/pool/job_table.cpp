#include "pool/job_table.h"

#include "session/defer.h"
#include "session/handle.h"
#include "session/log.h"

#include <algorithm>
#include <csignal>

namespace mp::bind {
namespace {

constexpr int64_t kGraceNs = 1'000'000'000; // for a worker to notice that its job was cancelled
bool has_results(uint64_t job) {
  JobShared& j = job_at(job);
  auto* lists = heap().at<ResultList>(job + j.results);
  for (uint32_t i = 0; i < j.workers; ++i)
    if (lists[i].head.load(std::memory_order_acquire)) return true;
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
// at most one for each worker: after more free jobs than that, none was begun.
template <class F> bool JobTable::any_begun(F look) {
  constexpr uint64_t kFewChunks = 8; // more of them are not worth looking at
  size_t free = 0;
  for (PoolJob* j : on_ring_) {
    if (look(*j)) return true;
    bool begun = j->done() || job_at(j->owner.block()).chunks > kFewChunks || j->owner.claimed();
    free = begun ? 0 : free + 1;
    if (free > workers_.count()) break;
  }
  return false;
}

int JobTable::add(std::unique_ptr<PoolJob> job) {
  int id = next_id_++;
  PoolJob& j = *job;
  j.id = id;
  on_ring_.reserve(on_ring_.size() + 1); // nothing fails once it is submitted
  jobs_[id] = std::move(job);
  timed_ += j.timeout_ns > 0;
  if (j.done()) return id; // nothing to do
  if (!waiting_.empty() || !put_on_ring(j)) waiting_.push_back(id);
  log(kDebug, "job_submitted", id, double(Rf_xlength(j.failures)));
  return id;
}

PoolJob* JobTable::find(int id) {
  auto it = jobs_.find(id);
  return it == jobs_.end() ? nullptr : it->second.get();
}

bool JobTable::put_on_ring(PoolJob& job) {
  on_ring_.push_back(&job);
  if (submit_job(pool_, job.owner.block(), &job.index)) return job.submitted = true;
  on_ring_.pop_back();
  return false;
}

void JobTable::take_off_ring(PoolJob& job) {
  if (!job.submitted || job.retired) return;
  retire_job(pool_, job.index);
  job.retired = true;
  auto at = std::lower_bound(on_ring_.begin(), on_ring_.end(), job.id,
                             [](const PoolJob* j, int id) { return j->id < id; });
  on_ring_.erase(at);
}

void JobTable::forget(int id) {
  auto it = jobs_.find(id);
  if (it == jobs_.end()) return;
  PoolJob& j = *it->second;
  take_off_ring(j);
  timed_ -= j.timeout_ns > 0;
  waiting_.erase(std::remove(waiting_.begin(), waiting_.end(), id), waiting_.end());
  if (!j.submitted) heap().drop(j.owner.block());
  else if (!free_soon(pool_, j.owner.block(), j.done() && j.heavy))
    retired_.push_back({j.owner.block(), j.done() && !j.given_up ? INT64_MAX : platform::now_ns() + kGraceNs});
  if (j.slot_block) drop_uncounted(j.slot_block); // the value that was taken is a view of them
  jobs_.erase(it);
}

void JobTable::expire(PoolJob& job) {
  int64_t now = platform::now_ns();
  for (size_t i = 0; i < workers_.count(); ++i) {
    Token worker = workers_.token(i);
    if (!worker) continue;
    WorkerShared& w = worker_at(pool_, uint32_t(i));
    uint64_t position;
    auto in_time = [&] {
      return now - w.began_ns.load(std::memory_order_relaxed) < job.timeout_ns;
    };
    if (w.job.load(std::memory_order_acquire) != job.owner.block() || in_time()) continue;
    // Again after the acquire in running(): it may have begun another element between the two.
    if (job.owner.running(worker, &position) && !in_time()) workers_.expire(i);
  }
}

// The signal for a cancelled job may be lost in a worker that is about to sleep: it is sent again.
void JobTable::sweep_retired() {
  int64_t now = platform::now_ns();
  for (size_t i = 0; i < retired_.size();) {
    RetiredJob g = retired_[i];
    if (free_job(pool_, g.block)) {
      retired_.erase(retired_.begin() + long(i));
      continue;
    }
    if (g.kill_ns != INT64_MAX) workers_.signal_at(g.block, now > g.kill_ns ? SIGKILL : platform::cancel_signal());
    ++i;
  }
}

bool JobTable::news() {
  return any_begun([](const PoolJob& j) {
    if (j.done()) return false;
    JobShared& shared = job_at(j.owner.block());
    return j.each || j.overlaps || j.lost_a_worker ? has_results(j.owner.block())
                               : shared.done_chunks.load(std::memory_order_acquire) >= shared.chunks;
  });
}

bool JobTable::restless() const {
  if (!retired_.empty() || !waiting_.empty()) return true;
  if (timed_)
    for (auto& entry : jobs_)
      if (entry.second->timeout_ns && !entry.second->done()) return true;
  return false;
}

void JobTable::attend() {
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
  if (!retired_.empty()) sweep_retired();
}

bool JobTable::any_computed() const {
  for (auto& entry : jobs_)
    if (!entry.second->done()) return true;
  for (const RetiredJob& g : retired_) // so may one whose job was cancelled
    if (g.kill_ns != INT64_MAX) return true;
  return false;
}

bool JobTable::any_unfinished() const { // the newest ones first: of thousands they are done last
  return std::any_of(jobs_.rbegin(), jobs_.rend(), [](auto& entry) { return !entry.second->done(); });
}

std::vector<int> JobTable::unfinished_ids() const {
  std::vector<int> ids;
  for (auto& entry : jobs_)
    if (!entry.second->done()) ids.push_back(entry.first);
  return ids;
}

void JobTable::cancel(int id) {
  auto it = jobs_.find(id);
  if (it == jobs_.end() || it->second->done()) return;
  PoolJob& j = *it->second;
  uint64_t block = j.owner.block();
  j.owner.cancel();
  if (j.submitted) workers_.signal_at(block, platform::cancel_signal());
  forget(id);
}

bool JobTable::withdraw(int id) {
  auto it = jobs_.find(id);
  if (it == jobs_.end() || it->second->done() || !it->second->owner.withdraw()) return false;
  forget(id);
  return true;
}

std::vector<int> JobTable::unclaimed() const {
  std::vector<int> ids;
  for (auto& entry : jobs_)
    if (!entry.second->done() && !entry.second->owner.claimed()) ids.push_back(entry.first);
  return ids;
}

void JobTable::forget_unfinished() {
  for (int id : unfinished_ids()) forget(id);
}

void JobTable::drop_retired() {
  for (RetiredJob& g : retired_) heap().drop(g.block);
  retired_.clear();
}

void JobTable::release() {
  for (auto& j : jobs_) {
    defer_drop(j.second->owner.block());
    if (j.second->slot_block) defer_drop(j.second->slot_block);
  }
  for (RetiredJob& g : retired_) defer_drop(g.block);
}

void JobTable::worker_ended(const WorkerEnd& end) {
  for (auto& entry : jobs_)
    if (entry.second->submitted && !entry.second->done()) take_back(*entry.second, end);
}

// The chunks that a dead worker had claimed are offered again, without the element that it died in.
void JobTable::take_back(PoolJob& j, const WorkerEnd& end) {
  collect(j);
  j.lost_a_worker = true;
  JobOwner::Suspect suspect = j.owner.recover(
      end.token, [&](uint64_t position) { return j.tried[position]++ < j.retries; },
      [&](uint64_t first, uint64_t last) { take_slots(j, first, last); });
  if (!suspect.exists) return;
  double limit = end.expired ? double(j.timeout_ns) / 1e9 : 0;
  Death& d = j.died[suspect.position] = {end.pid, end.status, limit, end.peak, j.tried[suspect.position], suspect.reading};
  if (suspect.reading) {
    uint64_t evidence = j.owner.readers() + j.owner.settled_count() - j.without_result;
    if (evidence != j.evidence) j.unread = 0;
    j.evidence = evidence;
    ++j.unread;
    // Each of the pool's workers has tried, and some more: those to come would die as well.
    if (size_t(j.unread) >= workers_.count() + 2 + size_t(j.retries) && !j.owner.is_computed()) {
      j.given_up = true;
      j.lost_with = d;
      j.lost = j.owner.give_up(suspect.position, &j.lost_first);
    }
  }
  if (d.tries <= j.retries) j.died.erase(suspect.position); // it will be computed again
}

// Workers leave a closed pool when there is none for them, while others still compute.
bool JobTable::offers_chunk(size_t worker) const {
  for (auto& entry : jobs_) {
    const PoolJob& j = *entry.second;
    if (j.done()) continue; // also one without elements, which is never submitted
    if (!j.submitted || j.owner.offers_chunk(uint32_t(worker))) return true;
  }
  return false;
}

} // namespace mp::bind
