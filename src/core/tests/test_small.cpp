// Jobs with room for small values: a mark commits each, the end of the chunk tells the owner.
#include "team.h"

#include <cstring>

namespace {

constexpr uint8_t kMark = 7;

// Every fifth element has no small value but a published one.
bool published(uint64_t position) { return position % 5 == 3; }

void compute(Worker& w, const Claim& claim, uint64_t end, uint64_t done = 0) {
  for (uint64_t p = claim.first + done; p < end; ++p) {
    w.begin(claim, p);
    if (published(p)) {
      std::memcpy(w.room(claim, p, sizeof p), &p, sizeof p);
      w.publish(claim, ResultStatus::Value);
    } else {
      w.put_small(claim, p, kMark, p + 1);
    }
  }
  if (end == claim.end) w.finish(claim);
}

struct Small { // a job of `n` numbers
  uint64_t pool, block, index = 0;
  JobOwner owner;
  std::vector<int> taken; // how often each element was
  uint64_t wrong = 0;

  Small(uint64_t pool_, uint64_t n, std::vector<uint64_t> starts) : pool(pool_), taken(n) {
    JobPlan plan;
    plan.count = n;
    plan.starts = std::move(starts);
    plan.small = true;
    block = create_job(pool, plan);
    seal_job(block, {});
    owner = JobOwner(pool, block);
    if (!submit_job(pool, block, &index)) throw Error{"TestError", "the ring is full"};
  }
  JobOwner::Small small() {
    return [this](uint64_t first, uint64_t end) {
      owner.take_small(first, end, [&](uint64_t p, uint8_t mark, uint64_t value) {
        ++taken[p];
        wrong += mark != kMark || value != p + 1 || published(p);
      });
    };
  }
  void take() {
    owner.drain(
        [&](const ResultRecord& r) {
          ++taken[r.position];
          uint64_t value;
          std::memcpy(&value, &r + 1, sizeof value);
          wrong += value != r.position || !published(r.position);
        },
        small());
  }
  void over() {
    retire_job(pool, index);
    if (!eventually([&] { return free_job(pool, block); })) ++wrong;
  }
};

} // namespace

TEST_CASE("small values and published ones of one job all arrive, once", "[job_board][small]") {
  Unchanged heap_is;
  uint64_t pool = create_pool(3), wrong = 0;
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (uint32_t lane = 0; lane < 3; ++lane)
    threads.emplace_back([&, lane] {
      join_session();
      {
        Worker w(pool, lane);
        Claim claim;
        Status s;
        while ((s = w.next(claim, Wait())) == Status::Ok) compute(w, claim, claim.end);
        good += s == Status::Ended;
        w.detach();
      }
      leave_session();
    });
  for (int k = 0; k < rounds(60, 2000); ++k) {
    uint64_t n = 1 + random_below(2000);
    Small job(pool, n, k % 2 ? guided_chunks(n, 3) : equal_chunks(n, 1 + random_below(50)));
    Wait wait = within(30'000);
    Waiter waiter(wait);
    REQUIRE(waiter.until([&] {
      job.take();
      return job.owner.settled();
    }) == Status::Ok);
    job.over();
    wrong += job.wrong;
    for (int times : job.taken) wrong += times != 1;
  }
  close_pool(pool);
  for (auto& t : threads) t.join();
  REQUIRE(wrong == 0);
  REQUIRE(good == 3);
  heap().drop(pool);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("small values count as computed before the chunk's end, as settled after it",
          "[job_board][small]") {
  Unchanged heap_is;
  uint64_t pool = create_pool(1);
  Small job(pool, 8, {0, 8});
  Worker w(pool, 0);
  Claim claim;
  REQUIRE(w.next(claim, at_once()) == Status::Ok);
  compute(w, claim, 5); // the fifth is running, as long as no other began
  job.take();
  REQUIRE(job.owner.settled_count() == 1); // the published one
  REQUIRE(job.owner.computed() == 4);
  compute(w, claim, 8, 5);
  job.take();
  REQUIRE(job.owner.settled());
  REQUIRE(job.owner.computed() == 8);
  w.detach();
  job.over();
  REQUIRE(job.wrong == 0);
  heap().drop(pool);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("small values that could not be taken are offered again", "[job_board][small]") {
  Unchanged heap_is;
  uint64_t pool = create_pool(1);
  Small job(pool, 12, {0, 12});
  Worker w(pool, 0);
  Claim claim;
  REQUIRE(w.next(claim, at_once()) == Status::Ok);
  compute(w, claim, 12);
  int room = 4; // then it fails
  auto fail = [&](uint64_t first, uint64_t end) {
    job.owner.take_small(first, end, [&](uint64_t p, uint8_t, uint64_t) {
      if (room-- == 0) throw Error{"TestError", "no memory"};
      ++job.taken[p];
    });
  };
  REQUIRE_THROWS_AS(job.owner.drain([&](const ResultRecord& r) { ++job.taken[r.position]; }, fail),
                    Error);
  REQUIRE(!job.owner.settled());
  job.take();
  REQUIRE(job.owner.settled());
  for (int times : job.taken) REQUIRE(times == 1);
  w.detach();
  job.over();
  REQUIRE(job.wrong == 0);
  heap().drop(pool);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a worker may die at any instruction of its work with small values",
          "[job_board][small][fork]") {
  Unchanged heap_is;
  uint64_t pool = create_pool(2), n = 10;
  auto job = std::make_unique<Small>(pool, n, equal_chunks(n, 5));
  Shared<std::atomic<Token>> worker;
  auto body = [&] { // the first chunk, and some of the second
    worker->store(self());
    from_here();
    Worker w(pool, 0);
    Claim claim;
    for (int chunk = 0; chunk < 2; ++chunk) {
      w.next(claim, at_once());
      compute(w, claim, chunk == 0 ? claim.end : claim.first + 2);
    }
    w.detach();
  };
  auto after = [&](uint64_t k) {
    INFO("instruction " << k);
    uint64_t lost = n;
    job->take();
    auto suspect = job->owner.recover(
        worker->load(), [&](uint64_t) { return k % 2; }, job->small());
    if (suspect.running && k % 2 == 0 && job->owner.settle(suspect.position))
      lost = suspect.position;
    Worker other(pool, 1); // finishes what is left, in this process
    Claim claim;
    while (!job->owner.settled() && other.next(claim, within(2'000)) == Status::Ok) {
      compute(other, claim, claim.end);
      job->take();
    }
    other.detach();
    REQUIRE(job->owner.settled());
    for (uint64_t p = 0; p < n; ++p) REQUIRE(job->taken[p] == (p == lost ? 0 : 1));
    job->over();
    REQUIRE(job->wrong == 0);
    REQUIRE(heap_problem() == "");
    job = std::make_unique<Small>(pool, n, equal_chunks(n, 5));
  };
  if (!die_anywhere(body, after, 3'000)) WARN("processes cannot be traced here");
  job->over();
  heap().drop(pool);
  REQUIRE(heap_is.problem() == "");
}
