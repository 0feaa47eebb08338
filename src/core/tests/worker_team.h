// A pool's workers and jobs of several kinds, as the tests of the job board use them.
#pragma once

#include "support.h"

namespace test {

// A job in flight, as its owner sees it. How values come is its kind's: a kind has a static
// compute(worker, claim, position) for the worker, and take() for the owner.
struct AnyJob {
  uint64_t pool, block = 0, index = 0;
  JobOwner owner;
  uint64_t wrong = 0;     // values, and jobs that are kept too long
  uint64_t lost = 0;      // elements whose worker died in them
  std::vector<int> taken; // how often each element was, or was lost

  AnyJob(uint64_t pool_, const JobPlan& plan, const std::vector<Reference>& references = {})
      : pool(pool_), block(create_job(pool, plan)), owner(pool, block), taken(plan.count) {
    seal_job(block, references);
  }
  virtual ~AnyJob() = default;
  AnyJob(const AnyJob&) = delete;
  AnyJob& operator=(const AnyJob&) = delete;
  virtual void take() = 0;
  virtual JobOwner::Slots slots() { return nullptr; }
  virtual bool is_right(uint64_t position) { return taken[position] == 1; }
  void submit() {
    if (!submit_job(pool, block, &index)) throw Error{"TestError", "the ring is full"};
  }
  // The element that the dead one was computing is lost, or done again.
  void recover(Token dead, bool again) {
    take();
    JobOwner::Suspect s = owner.recover(
        dead, [&](uint64_t) { return again; }, slots());
    if (!s.exists || again || !owner.settle(s.position)) return;
    ++lost;
    ++taken[s.position];
  }
  // Elements that have no value, or another one, or several.
  uint64_t amiss() {
    uint64_t n = 0;
    for (uint64_t p = 0; p < taken.size(); ++p) n += !is_right(p);
    return n;
  }
  virtual void over() {
    retire_job(pool, index);
    if (!eventually([&] { return free_job(pool, block); })) ++wrong;
  }
};

// The elements [first, end) of a claim; with the last one the chunk is finished.
template <class Kind>
void compute(Worker& worker, const Claim& claim, uint64_t first, uint64_t end) {
  for (uint64_t p = first; p < end; ++p) {
    worker.begin(claim, p);
    Kind::compute(worker, claim, p);
  }
  if (end == claim.end) worker.finish(claim);
}

// Values are published: of most elements a few words, of some a large result.
inline uint64_t result_bytes(uint64_t position) {
  if (position % 97 == 50) return 100'000;
  return position % 13 == 0 ? 3000 : 24 + position % 200;
}
struct Job : AnyJob {
  Job(uint64_t pool_, uint64_t n, std::vector<uint64_t> starts, bool each = false)
      : AnyJob(pool_, plan(n, std::move(starts), each)) {}
  Job(uint64_t pool_, const JobPlan& plan) : AnyJob(pool_, plan) {}
  static JobPlan plan(uint64_t n, std::vector<uint64_t> starts, bool each) {
    JobPlan plan;
    plan.count = n;
    plan.starts = std::move(starts);
    plan.body_bytes = 100;
    plan.input_bytes = 8 * n;
    plan.notify_each = each;
    return plan;
  }
  static void compute(Worker& worker, const Claim& claim, uint64_t p) {
    uint64_t bytes = result_bytes(p);
    fill_message(worker.room(claim, p, bytes), 0, p, bytes);
    worker.publish(claim, p % 5 == 3 ? ResultStatus::Error : ResultStatus::Value);
  }
  void take() override {
    owner.drain([&](const ResultRecord& r) {
      const auto* data = reinterpret_cast<const uint8_t*>(&r + 1);
      uint64_t sender, number;
      bool whole = r.bytes == result_bytes(r.position) && is_whole(data, r.bytes, &sender, &number);
      if (!whole || number != r.position || (r.position % 5 == 3) != (r.status == 1)) ++wrong;
      ++taken[r.position];
    });
  }
};

struct Watchers { // how often an element was begun
  std::atomic<uint32_t> begun[20'000];
};

// A worker's loop; 0 when the pool was closed.
template <class Kind = Job>
int work(uint64_t pool, uint32_t index, Watchers* watch = nullptr, uint64_t delay_us = 0) {
  Worker worker(pool, index);
  Claim claim;
  for (;;) {
    Status s = worker.next(claim, Wait());
    if (s != Status::Ok) return s == Status::Ended ? 0 : 1;
    bool stopped = false;
    for (uint64_t p = claim.first; p < claim.end && !stopped; ++p) {
      if ((stopped = worker.cancelled(claim))) break;
      if (worker_at(pool, index).job != claim.job) return 2; // its owner might free it
      worker.begin(claim, p);
      if (watch) ++watch->begun[p];
      if (delay_us) pause_us(delay_us);
      Kind::compute(worker, claim, p);
    }
    if (!stopped) worker.finish(claim);
  }
}

// Three threads compute jobs; offer(pool, k) makes the kth.
template <class Offer> void check_in_threads(Offer offer) {
  using Kind = typename decltype(offer(0, 0))::element_type;
  Unchanged heap_is;
  uint64_t pool = create_pool(3), wrong = 0;
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (uint32_t index = 0; index < 3; ++index)
    threads.emplace_back([&, index] {
      join_session();
      good += work<Kind>(pool, index) == 0;
      leave_session();
    });
  for (int k = 0; k < rounds(60, 2000); ++k) {
    auto job = offer(pool, k);
    job->submit();
    Wait wait = within(30'000);
    Waiter waiter(wait);
    REQUIRE(waiter.until([&] {
      job->take();
      return job->owner.settled();
    }) == Status::Ok);
    wrong += job->amiss();
    job->over();
    wrong += job->wrong;
  }
  close_pool(pool);
  for (auto& t : threads) t.join();
  REQUIRE(wrong == 0);
  REQUIRE(good == 3);
  heap().drop(pool);
  REQUIRE(heap_is.problem() == "");
}

// A worker dies at any instruction of its work: the first chunk, and some of the second. Another
// one computes what is left. offer(pool) makes a job of two chunks, each of three elements or more.
template <class Offer> void check_deaths(Offer offer) {
  using Kind = typename decltype(offer(0))::element_type;
  Unchanged heap_is;
  uint64_t pool = create_pool(2);
  auto job = offer(pool);
  job->submit();
  Shared<std::atomic<Token>> worker;
  auto body = [&] {
    worker->store(self());
    from_here();
    Worker w(pool, 0);
    Claim claim;
    for (int chunk = 0; chunk < 2; ++chunk) {
      w.next(claim, at_once());
      compute<Kind>(w, claim, claim.first, chunk == 0 ? claim.end : claim.first + 2);
    }
    w.detach();
  };
  auto after = [&](uint64_t k) {
    INFO("instruction " << k);
    job->recover(worker->load(), k % 2);
    Worker other(pool, 1);
    Claim claim;
    while (!job->owner.settled() && other.next(claim, within(2'000)) == Status::Ok) {
      compute<Kind>(other, claim, claim.first, claim.end);
      job->take();
    }
    other.detach();
    REQUIRE(job->owner.settled());
    REQUIRE(job->lost <= 1 - k % 2);
    REQUIRE(job->amiss() == 0);
    job->over();
    REQUIRE(job->wrong == 0);
    REQUIRE(heap_problem() == "");
    job = offer(pool);
    job->submit();
  };
  if (!die_anywhere(body, after, 3'000)) WARN("processes cannot be traced here");
  job->over();
  heap().drop(pool);
  REQUIRE(heap_is.problem() == "");
}

struct Team {
  uint64_t pool;
  Kids kids;
  Watchers* watch;
  uint64_t delay_us;
  Team(uint32_t workers, Watchers* w = nullptr, uint64_t delay = 0)
      : pool(create_pool(workers)), kids(workers), watch(w), delay_us(delay) {
    for (uint32_t i = 0; i < workers; ++i) hire(i);
  }
  ~Team() { heap().drop(pool); }
  void hire(uint32_t index) {
    kids[index].reset();
    kids[index] = std::make_unique<Kid>([=] { return work(pool, index, watch, delay_us); });
  }
  // Replaces the dead; tells every job. True if one had died.
  bool look_after(const std::vector<Job*>& jobs, bool again) {
    bool found = false;
    for (uint32_t i = 0; i < kids.size(); ++i) {
      if (child_running(kids[i]->child())) continue;
      found = true;
      for (Job* j : jobs) j->recover(kids[i]->token(), again);
      hire(i);
    }
    return found;
  }
  Status finish(Job& job, const std::vector<Job*>& jobs, bool again, int64_t ms = 30'000) {
    Wait wait = within(ms);
    Waiter waiter(wait);
    return waiter.until([&] {
      job.take();
      look_after(jobs, again);
      for (auto& kid : kids) waiter.watch(kid->token());
      return job.owner.settled();
    });
  }
  bool close() {
    close_pool(pool);
    bool good = true;
    for (auto& kid : kids) good = kid->join() == 0 && good;
    return good;
  }
};

} // namespace test
