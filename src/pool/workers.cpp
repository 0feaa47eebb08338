#include "pool/workers.h"

#include "session/output.h"
#include "session/waits.h"

#include "core/barrier.h"
#include "core/heap.h"
#include "core/job_board.h"
#include "core/reaper.h"

#include <algorithm>
#include <csignal>
#include <cstring>

namespace mp::bind {
namespace {

constexpr int64_t kLeaveNs = 100'000'000;       // for workers to die, some may still be starting
constexpr int64_t kLookNs = 1'000'000;          // a worker that dies before it has its slot wakes no process
constexpr int64_t kGoneNs = 2'000'000;          // enough until the workers of a small session have ended
constexpr int64_t kTakenDownNs = 1'000'000'000; // and of a large one
// Workers that end by themselves before they can work will always do so; those that are killed, by whatever
// process, are replaced, but only so many times in a row.
constexpr int kFailedStarts = 3;
constexpr size_t kKilledStarts = 50;

uint32_t left_with(const RChild& c) { // 1 + its exit code, once it has begun to leave
  return process_shared(c.child.process).left.load();
}

} // namespace

std::vector<size_t> Workers::missing() const {
  std::vector<size_t> found;
  for (size_t i = 0; i < children_.size(); ++i)
    if (!children_[i]) found.push_back(i);
  return found;
}

WorkerPlan Workers::plan() const {
  Protected call(protect([&] { return Rf_lang1(start_); }));
  Protected list(evaluate(call, package_namespace()));
  return {Preserved(list), start_method(CHAR(STRING_ELT(element(list, "method"), 0)))};
}

void Workers::start(const WorkerPlan& plan, const std::vector<size_t>& which, bool busy) {
  ChildTask task{element(plan.list, "what"), Output::Captured, {which.begin(), which.end()}, busy};
  if (Rf_asLogical(element(plan.list, "silent")) == TRUE) task.output = Output::Discarded;
  SEXP names = element(plan.list, "names");
  std::vector<ChildRef> fresh = start_children(plan.method, task);
  for (size_t k = 0; k < which.size(); ++k) children_[which[k]] = fresh[k];
  for (size_t k = 0; k < which.size() && TYPEOF(names) == STRSXP; ++k)
    fresh[k]->name = CHAR(STRING_ELT(names, R_xlen_t(which[k])));
}

void Workers::await_births(const Wait& limit) {
  Waiter waiter(limit); // a worker that was forked takes its slot, and rings
  check(waiter.until([&] {
    bool known = true;
    for (const ChildRef& c : children_) {
      if (!c || state_of(c->child) != ChildState::Unborn) continue;
      waiter.watch(c->child.token);
      known = false;
    }
    return known;
  }));
}

bool Workers::known() const {
  bool all = true;
  for (const ChildRef& c : children_) all = all && (!c || meet_child(c->child));
  return all;
}

bool Workers::new_ones() const {
  for (size_t i = 0; i < children_.size(); ++i)
    if (worker_at(pool_, uint32_t(i)).chunks_done.load(std::memory_order_relaxed)) return false;
  return true;
}

std::vector<int> Workers::pids() const {
  std::vector<int> found;
  for (const ChildRef& c : children_) found.push_back(c ? int(c->child.pid) : NA_INTEGER);
  return found;
}

std::vector<Token> Workers::tokens() const {
  std::vector<Token> found;
  for (const ChildRef& c : children_)
    if (c) found.push_back(c->child.token);
  return found;
}

bool Workers::any_ended() const {
  for (const ChildRef& c : children_)
    if (c && state_of(c->child) >= ChildState::Ended) return true;
  return false;
}

std::vector<size_t> Workers::ended() const {
  std::vector<size_t> found;
  for (size_t i = 0; i < children_.size(); ++i)
    if (children_[i] && state_of(children_[i]->child) >= ChildState::Ended) found.push_back(i);
  return found;
}

bool Workers::reap(size_t i) {
  ChildRef c = children_[i];
  if (!c || state_of(c->child) < ChildState::Ended || !await_child(c->child, 20)) return false;
  child_has_ended(*c);
  return children_[i] == c; // what shows output may run R code that ends the pool, or replaces the worker
}

WorkerEnd Workers::end_of(size_t i) const {
  RChild& c = *children_[i];
  WorkerEnd end;
  end.token = c.child.token;
  end.pid = int(c.child.pid);
  end.status = exit_status(c);
  end.peak = double(c.child.peak_bytes);
  end.expired = c.expired;
  // acquire: pairs with the worker's first entry
  end.began = worker_at(pool_, uint32_t(i)).token.load(std::memory_order_acquire) == end.token;
  end.never_ran = c.child.pid == 0 || (c.child.status == kNoSlot && left_with(c) == 0);
  end.refused = c.child.refused;
  end.name = c.name;
  return end;
}

std::string Workers::retire(size_t i, const WorkerEnd& end) {
  children_[i].reset();
  if (end.refused) return "";
  std::string last = " (pid " + std::to_string(end.pid);
  if (end.began) {
    failed_starts_ = killed_starts_ = 0;
  } else if (!end.never_ran && end.status < 0) {
    if (size_t(++killed_starts_) >= kKilledStarts + count())
      return std::to_string(killed_starts_) +
             " workers in a row were killed before they could work, the last one" + last +
             (end.status == kUnknownEnd ? ")" : ") by signal " + std::to_string(-end.status));
  } else if (!end.never_ran && ++failed_starts_ >= kFailedStarts) {
    return "the pool's workers end before they can work, the last one" + last + ") with exit code " +
           std::to_string(end.status) +
           ": see what they printed above, and look at what runs first (`initializer`, packages)";
  }
  return "";
}

bool Workers::has_left(size_t i) const {
  return children_[i] && left_with(*children_[i]) == 1 && worker_at(pool_, uint32_t(i)).job.load() == 0;
}

void Workers::forget(size_t i) {
  children_[i]->output_is_final = children_[i]->child.spare = true;
  children_[i].reset();
}

void Workers::signal_all(int signal) noexcept {
  for (const ChildRef& c : children_)
    if (c) signal_child(c->child, signal);
}

void Workers::signal_at(uint64_t job, int signal) {
  for (size_t i = 0; i < children_.size(); ++i)
    if (children_[i] && worker_at(pool_, uint32_t(i)).job.load() == job) signal_child(children_[i]->child, signal);
}

void Workers::expire(size_t i) {
  children_[i]->expired = true;
  signal_child(children_[i]->child, SIGKILL);
}

void Workers::spare() {
  for (const ChildRef& c : children_)
    if (c) c->child.spare = true;
}

void Workers::end_idle() noexcept {
  for (const ChildRef& c : children_)
    if (c) mp::end_idle(c->child.token);
}

bool Workers::kill_all(int ms) {
  signal_all(SIGKILL);
  bool all = true;
  for (ChildRef& c : children_) {
    if (!c) continue;
    signal_child(c->child, SIGKILL); // it may exist only now
    if (await_child(c->child, ms)) {
      child_has_ended(*c); // shows the last of its output
      c.reset();
      mp::reap();
    } else {
      all = false;
    }
  }
  return all;
}

bool Workers::kill_and_forget() {
  Wait limit = Wait::until(platform::now_ns() + kLeaveNs);
  limit.tick_ns = kLookNs;
  Waiter waiter(limit);
  Status dead = waiter.until([&] {
    bool all = true;
    for (const ChildRef& c : children_) {
      if (!c) continue;
      signal_child(c->child, SIGKILL);
      if (state_of(c->child) >= ChildState::Ended) continue;
      waiter.watch(c->child.token);
      all = false;
    }
    return all;
  });
  if (dead != Status::Ok) return false;
  for (ChildRef& c : children_) {
    if (c) c->output_is_final = true;
    c.reset();
  }
  return true;
}

void reap_forgotten() {
  show_output(); // all that they printed
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

} // namespace mp::bind
