// Jobs with room for small values: a mark commits each, the end of the chunk tells the owner.
#include "worker_team.h"

#include <cstring>

namespace {

constexpr uint8_t kMark = 7;

// Every fifth element has no small value but a published one.
bool published(uint64_t position) { return position % 5 == 3; }

struct Small : AnyJob { // a job of `n` numbers
  Small(uint64_t pool_, uint64_t n, std::vector<uint64_t> starts)
      : AnyJob(pool_, plan(n, std::move(starts))) {}
  static JobPlan plan(uint64_t n, std::vector<uint64_t> starts) {
    JobPlan plan;
    plan.count = n;
    plan.starts = std::move(starts);
    plan.small = true;
    return plan;
  }
  static void compute(Worker& worker, const Claim& claim, uint64_t p) {
    if (!published(p)) return worker.put_small(claim, p, kMark, p + 1);
    std::memcpy(worker.room(claim, p, sizeof p), &p, sizeof p);
    worker.publish(claim, ResultStatus::Value);
  }
  JobOwner::Small small() override {
    return [this](uint64_t first, uint64_t end) {
      owner.take_small(first, end, [&](uint64_t p, uint8_t mark, uint64_t value) {
        ++taken[p];
        wrong += mark != kMark || value != p + 1 || published(p);
      });
    };
  }
  void take() override {
    owner.drain(
        [&](const ResultRecord& r) {
          ++taken[r.position];
          uint64_t value;
          std::memcpy(&value, &r + 1, sizeof value);
          wrong += value != r.position || !published(r.position);
        },
        small());
  }
};

} // namespace

TEST_CASE("small values and published ones of one job all arrive, once", "[job_board][small]") {
  check_in_threads([](uint64_t pool, int k) {
    uint64_t n = 1 + random_below(2000);
    return std::make_unique<Small>(
        pool, n, k % 2 ? guided_chunks(n, 3) : equal_chunks(n, 1 + random_below(50)));
  });
}

TEST_CASE("small values count as computed before the chunk's end, as settled after it",
          "[job_board][small]") {
  Unchanged heap_is;
  uint64_t pool = create_pool(1);
  Small job(pool, 8, {0, 8});
  job.submit();
  Worker w(pool, 0);
  Claim claim;
  REQUIRE(w.next(claim, at_once()) == Status::Ok);
  compute<Small>(w, claim, 0, 5); // the fifth is running, as long as no other began
  job.take();
  REQUIRE(job.owner.settled_count() == 1); // the published one
  REQUIRE(job.owner.computed() == 4);
  compute<Small>(w, claim, 5, 8);
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
  job.submit();
  Worker w(pool, 0);
  Claim claim;
  REQUIRE(w.next(claim, at_once()) == Status::Ok);
  compute<Small>(w, claim, 0, 12);
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
  REQUIRE(job.amiss() == 0);
  w.detach();
  job.over();
  REQUIRE(job.wrong == 0);
  heap().drop(pool);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a worker may die at any instruction of its work with small values",
          "[job_board][small][fork]") {
  check_deaths(
      [](uint64_t pool) { return std::make_unique<Small>(pool, 10, equal_chunks(10, 5)); });
}
