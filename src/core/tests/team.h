// A pool's workers and jobs, as the tests of the job board use them.
#pragma once

#include "support.h"

namespace test {

// What a worker computes: of most elements a few words, of some a large result.
inline uint64_t result_bytes(uint64_t position) {
  if (position % 97 == 50) return 100'000;
  return position % 13 == 0 ? 3000 : 24 + position % 200;
}

struct Watchers { // how often an element was begun
  std::atomic<uint32_t> begun[20'000];
};

inline int work(uint64_t pool, uint32_t lane, Watchers* watch = nullptr, uint64_t delay_us = 0) {
  Worker worker(pool, lane);
  Claim claim;
  for (;;) {
    Status s = worker.next(claim, Wait());
    if (s != Status::Ok) return s == Status::Ended ? 0 : 1;
    bool stopped = false;
    for (uint64_t p = claim.first; p < claim.end && !stopped; ++p) {
      if ((stopped = worker.cancelled(claim))) break;
      worker.begin(claim, p);
      if (watch) ++watch->begun[p];
      if (delay_us) pause_us(delay_us);
      uint64_t bytes = result_bytes(p);
      fill_message(worker.room(claim, p, bytes), lane_at(pool, lane).job != claim.job, p, bytes);
      worker.publish(claim, p % 5 == 3 ? ResultStatus::Error : ResultStatus::Value);
    }
    if (!stopped) worker.finish(claim);
  }
}

// A job in flight, as its owner sees it.
struct Job {
  uint64_t pool, block, index = 0, n;
  JobOwner owner;
  uint64_t wrong = 0, lost = 0;

  Job(uint64_t pool_, uint64_t n_, std::vector<uint64_t> starts, bool each = false)
      : pool(pool_), n(n_) {
    JobPlan plan;
    plan.count = n;
    plan.starts = std::move(starts);
    plan.body_bytes = 100;
    plan.input_bytes = 8 * n;
    plan.notify_each = each;
    block = create_job(pool, plan);
    seal_job(block, {});
    owner = JobOwner(pool, block);
  }
  void take() {
    owner.drain([&](const ResultRecord& r) {
      const auto* data = reinterpret_cast<const uint8_t*>(&r + 1);
      uint64_t sender, number;
      bool whole = r.bytes == result_bytes(r.position) && is_whole(data, r.bytes, &sender, &number);
      if (!whole || number != r.position || sender != 0 || (r.position % 5 == 3) != (r.status == 1))
        ++wrong;
    });
  }
  // The element that the dead one was computing is lost, or done again.
  void recover(Token dead, bool again) {
    take();
    JobOwner::Suspect s = owner.recover(dead, [&](uint64_t) { return again; });
    if (s.running && !again && owner.settle(s.position)) ++lost;
  }
  void over() {
    retire_job(pool, index);
    if (!eventually([&] { return free_job(pool, block); })) ++wrong;
  }
};

struct Team {
  uint64_t pool;
  Kids kids;
  Watchers* watch;
  uint64_t delay_us;
  Team(uint32_t lanes, Watchers* w = nullptr, uint64_t delay = 0)
      : pool(create_pool(lanes)), kids(lanes), watch(w), delay_us(delay) {
    for (uint32_t i = 0; i < lanes; ++i) hire(i);
  }
  ~Team() { heap().drop(pool); }
  void hire(uint32_t lane) {
    kids[lane].reset();
    kids[lane] = std::make_unique<Kid>([=] { return work(pool, lane, watch, delay_us); });
  }
  // Replaces the dead; tells every job. True if somebody had died.
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
