// The workers of a pool, from the owner's side: how they start, are met, are replaced and end.
#include "pool/pool.h"
#include "session/log.h"
#include "session/output.h"
#include "core/reaper.h"

#include "core/barrier.h"

#include <algorithm>
#include <csignal>
#include <cstring>

namespace mp::bind {
namespace {

constexpr int64_t kMeetNs = 10'000'000'000; // for workers to be forked, by each other
constexpr int kFailedStarts = 3;
constexpr int64_t kLeaveNs = 100'000'000;       // for workers to die, some may still be starting
constexpr int64_t kLookNs = 1'000'000;          // a worker that dies before it has its place wakes no process
constexpr int64_t kGoneNs = 2'000'000;          // enough until the workers of a small session have ended
constexpr int64_t kTakenDownNs = 1'000'000'000; // and of a large one

} // namespace

void PoolOwner::start(const std::vector<size_t>& lanes) {
  if (lanes.empty()) return;
  NoReentry busy(busy_); // a finalizer that uses the pool now would start the same ones
  if (!inherited_) { // what they will have from the start, see session/journal.h
    uint64_t version = journal().look();
    pages_.begin(version);
    Protected large(journal().mark_large());
    large_ = Preserved(large);
  }
  Protected call(codec::protect([&] { return Rf_lang1(start_); }));
  Protected how(evaluate(call, package_namespace()));
  ChildTask task{bind::element(how, "what"), Output::Captured, {lanes.begin(), lanes.end()}, !closing_};
  if (Rf_asLogical(bind::element(how, "silent")) == TRUE) task.output = Output::Discarded;
  SEXP names = bind::element(how, "names");
  const RStartMethod& method = start_method(CHAR(STRING_ELT(bind::element(how, "method"), 0)));
  if (method.copies && !inherited_) {
    pointers_.collect();
    exports_.set_pointers(pointers_.kept());
  }
  InheritedPointers::Fork fork(pointers_);
  std::vector<ChildRef> fresh = start_children(method, task);
  for (size_t i = 0; i < lanes.size(); ++i) {
    if (TYPEOF(names) == STRSXP) fresh[i]->name = CHAR(STRING_ELT(names, R_xlen_t(lanes[i])));
    workers_[lanes[i]].child = fresh[i];
  }
}

void PoolOwner::start_all() {
  std::vector<size_t> empty;
  for (size_t lane = 0; lane < workers_.size(); ++lane)
    if (!workers_[lane].child) empty.push_back(lane);
  start(empty);
}

// The chunks that a dead worker had claimed are offered again, without the element that it died in.
void PoolOwner::take_back(PoolJob& j, const RChild& dead, const Death& death) {
  collect(j);
  j.lost_a_worker = true;
  JobOwner::Suspect suspect = j.owner.recover(
      dead.child.token, [&](uint64_t position) { return j.tried[position]++ < j.retries; },
      [&](uint64_t first, uint64_t end) { take_slots(j, first, end); });
  if (!suspect.exists) return;
  Death& d = j.died[suspect.position] = death;
  d.limit = dead.expired ? double(j.timeout_ns) / 1e9 : 0;
  d.tries = j.tried[suspect.position];
  d.reading = suspect.reading;
  if (suspect.reading) {
    uint64_t evidence = j.owner.readers() + j.owner.settled_count() - j.without_result;
    if (evidence != j.evidence) j.unread = 0;
    j.evidence = evidence;
    ++j.unread;
    // Each of the pool's workers has tried, and some more: those to come would die as well.
    if (size_t(j.unread) >= workers_.size() + 2 + size_t(j.retries) && !j.owner.is_computed()) {
      j.given_up = true;
      j.lost_with = d;
      j.lost = j.owner.give_up(suspect.position, &j.lost_first);
    }
  }
  if (d.tries <= j.retries) j.died.erase(suspect.position); // it will be computed again
}

// Workers that end by themselves before they can work will always do so; those that are killed, by whatever
// process, are replaced, but only so many times in a row.
constexpr size_t kKilledStarts = 50;

void PoolOwner::retire_worker(size_t lane) {
  WorkerSlot& s = workers_[lane];
  ChildRef child = s.child;
  Token token = child->child.token;
  bool began = lane_at(block_, uint32_t(lane)).worker.load(std::memory_order_acquire) == token;
  // Not forked, or in vain: the worker that was to fork it, or did, was killed.
  bool never_ran =
      child->child.pid == 0 || (child->child.status == kNoPlace &&
                                heap().at<ProcessShared>(child->child.process)->left.load() == 0);
  if (int e = child->child.refused) {
    s.child.reset();
    try { // there may be room now
      if (!closing_ || offers_chunk(lane)) start({lane});
      return;
    } catch (const Error&) {
      end_with(std::string("the operating system could not start another process: ") + std::strerror(e));
    }
  }
  Death death;
  death.pid = int(child->child.pid);
  death.status = exit_status(*child);
  death.peak = double(child->child.peak_bytes);
  for (auto& entry : jobs_)
    if (entry.second->submitted && !entry.second->done()) take_back(*entry.second, *child, death);
  s.child.reset();
  log(death.status < 0 ? kWarning : kInfo, "worker_ended", child->name, death.pid, death.status);
  std::string last = std::to_string(death.pid);
  if (began) {
    failed_starts_ = killed_starts_ = 0;
  } else if (!never_ran && death.status < 0) {
    if (size_t(++killed_starts_) >= kKilledStarts + workers_.size())
      end_with(std::to_string(killed_starts_) +
               " workers in a row were killed before they could work, the last one (pid " + last +
               (death.status == kUnknownEnd ? ")" : ") by signal " + std::to_string(-death.status)));
  } else if (!never_ran && ++failed_starts_ >= kFailedStarts) {
    end_with("the pool's workers end before they can work, the last one (pid " + last +
             ") with exit code " + std::to_string(death.status) +
             ": see what they printed above, and look at what runs first (`initializer`, packages)");
  }
  if (!terminated_ && (!closing_ || offers_chunk(lane))) {
    start({lane});
    log(kInfo, "worker_replaced", child->name, death.pid);
  }
}

void PoolOwner::end_with(const std::string& why) {
  for (auto& entry : jobs_)
    if (!entry.second->done()) ended_.push_back(entry.first);
  why_ = why + "; the pool is terminated";
  terminate();
  throw Error{"BrokenProcessPool", why_};
}

// Can this lane claim a chunk? Workers leave a closed pool when
// there is none, while others still compute.
bool PoolOwner::offers_chunk(size_t lane) {
  for (auto& entry : jobs_) {
    const PoolJob& j = *entry.second;
    if (j.done()) continue; // also one without elements, which is never submitted
    if (!j.submitted || j.owner.offers_chunk(uint32_t(lane))) return true;
  }
  return false;
}

// It left the closed pool by itself, as nothing was left for it. (A chunk that is free now may be
// one that was offered to another, which has not claimed it yet: retire_worker() opens it to all.)
bool PoolOwner::has_left(size_t lane) {
  uint32_t left = heap().at<ProcessShared>(workers_[lane].child->child.process)->left.load();
  return closing_ && left == 1 && lane_at(block_, uint32_t(lane)).job.load() == 0 &&
         !offers_chunk(lane);
}

void PoolOwner::end_idle_workers() noexcept {
  if (unfinished()) return; // one may compute, and so may one whose job was cancelled
  for (const RetiredJob& g : retired_)
    if (g.kill_ns != INT64_MAX) return;
  for (WorkerSlot& s : workers_)
    if (s.child) end_idle(s.child->child.token);
}

void PoolOwner::dismiss_workers() noexcept {
  end_idle_workers();
  close_pool(block_); // those that are still to be forked leave by themselves
  for (WorkerSlot& s : workers_)
    if (s.child) signal_child(s.child->child, SIGKILL);
}

// Waits for `ms` at most for each worker. True when all have ended; false also when one that has ended
// was to fork others, which become known now.
bool PoolOwner::kill_all(int ms) {
  for (WorkerSlot& s : workers_)
    if (s.child) signal_child(s.child->child, SIGKILL);
  bool all = true;
  for (WorkerSlot& s : workers_) {
    if (!s.child) continue;
    signal_child(s.child->child, SIGKILL); // it may exist only now
    if (await_child(s.child->child, ms)) {
      child_has_ended(*s.child); // shows the last of its output
      s.child.reset();
      reap();
    } else {
      all = false;
    }
  }
  return all;
}

// The workers are dead before their blocks are used again. Taking their memory down then takes the system as long as
// the forks did; a thread waits for that, and show_output() forgets them later.
void PoolOwner::dismiss() {
  if (terminated_) return;
  if (unfinished() == 0) // they end as if they left by themselves: what they have started stays
    for (WorkerSlot& s : workers_)
      if (s.child) s.child->child.spare = true;
  end_idle_workers();
  forget_unfinished();
  Wait limit = Wait::until(platform::now_ns() + kLeaveNs);
  limit.tick_ns = kLookNs;
  Waiter waiter(limit);
  Status dead = waiter.until([&] {
    bool all = true;
    for (WorkerSlot& s : workers_) {
      if (!s.child) continue;
      signal_child(s.child->child, SIGKILL);
      if (state_of(s.child->child) >= ChildState::Ended) continue;
      waiter.watch(s.child->child.token);
      all = false;
    }
    return all;
  });
  if (dead != Status::Ok) return terminate();
  for (WorkerSlot& s : workers_) {
    if (s.child) s.child->output_is_final = true;
    s.child.reset();
  }
  drop_retired(); // a worker's main thread alone writes there, and it has ended
  show_output();  // all that they printed
  std::vector<Child*> leaving, awaited;
  for (const ChildRef& c : children())
    if (c->output_is_final && !c->child.reaping && state_of(c->child) == ChildState::Ended)
      (c->child.spare ? leaving : awaited).push_back(&c->child);
  // If a child of the session ended meanwhile, they would have no parent to reap them: it waits.
  if (own_process() || !reap_in_background(leaving)) awaited.insert(awaited.end(), leaving.begin(), leaving.end());
  int64_t deadline = platform::now_ns() + (own_process() ? kTakenDownNs : kGoneNs);
  for (Child* c : awaited) {
    int64_t left = std::max<int64_t>(0, deadline - platform::now_ns());
    await_child(*c, int((left + 999'999) / 1'000'000));
  }
  if (!awaited.empty()) show_output();
}

// Lanes that should have a worker and have none: the system refused one when it was to be replaced.
std::vector<size_t> PoolOwner::vacant() {
  std::vector<size_t> lanes;
  for (size_t lane = 0; lane < workers_.size() && !terminated_; ++lane)
    if (!workers_[lane].child && (closing_ ? offers_chunk(lane) : unfinished() > 0))
      lanes.push_back(lane);
  return lanes;
}

void PoolOwner::meet_all() {
  Wait limit = Wait::until(platform::now_ns() + kMeetNs);
  limit.tick = interruptible_tick;
  for (bool all = false; !all && platform::now_ns() < limit.deadline;) {
    Waiter waiter(limit); // a worker that was forked takes its place, and rings
    check(waiter.until([&] {
      bool known = true;
      for (WorkerSlot& s : workers_) {
        if (!s.child || state_of(s.child->child) != ChildState::Unborn) continue;
        waiter.watch(s.child->child.token);
        known = false;
      }
      return known;
    }));
    attend(); // replaces those that will never be forked
    all = true;
    for (WorkerSlot& s : workers_) all = all && (!s.child || meet_child(s.child->child));
  }
}

std::vector<Token> PoolOwner::tokens() const {
  std::vector<Token> t;
  for (const WorkerSlot& s : workers_)
    if (s.child) t.push_back(s.child->child.token);
  return t;
}

bool PoolOwner::is_new() const {
  for (size_t lane = 0; lane < workers_.size(); ++lane)
    if (lane_at(block_, uint32_t(lane)).chunks_done.load(std::memory_order_relaxed)) return false;
  return true;
}

} // namespace mp::bind
