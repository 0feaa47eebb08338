// Jobs with a slot for each element's value: a mark commits it, the end of the chunk tells the owner. The slots lie in a
// block of their own, which becomes the result, or in the job.
#include "platform/pages.h"
#include "worker_team.h"

#include <cstring>

namespace {

constexpr uint8_t kMark = 7;

// In the job, every fifth element has no value in its slot but a published one.
bool published(uint64_t position) { return position % 5 == 3; }

void put(Worker& worker, const Claim& claim, uint64_t position) {
  uint64_t value = position + 1;
  std::memcpy(worker.slot(claim, position), &value, sizeof value);
  worker.mark(claim, position, kMark);
}

struct SlotJob : AnyJob { // a job of `n` numbers
  uint64_t block_;

  SlotJob(uint64_t pool_, uint64_t n, std::vector<uint64_t> starts)
      : SlotJob(pool_, n, std::move(starts),
               heap().allocate(platform::kVectorLead + n * sizeof(uint64_t), BlockKind::Bytes)) {}
  SlotJob(uint64_t pool_, uint64_t n, std::vector<uint64_t> starts, uint64_t slots)
      : AnyJob(pool_, plan(n, std::move(starts), slots),
               {{Heap::page_of(slots), heap().serial_of(slots)}}),
        block_(slots) {}
  static JobPlan plan(uint64_t n, std::vector<uint64_t> starts, uint64_t slots) {
    JobPlan plan;
    plan.count = n;
    plan.starts = std::move(starts);
    plan.slots = true;
    plan.slot_block = slots;
    plan.references = 1;
    return plan;
  }
  static void compute(Worker& worker, const Claim& claim, uint64_t p) {
    put(worker, claim, p);
  }
  JobOwner::Slots slots() override {
    return [this](uint64_t first, uint64_t end) {
      owner.take_slots(first, end, [&](uint64_t p, uint8_t mark, const uint8_t*) {
        ++taken[p];
        wrong += mark != kMark;
      });
    };
  }
  void take() override {
    owner.drain([&](const ResultRecord&) { ++wrong; }, slots()); // nothing is published here
  }
  bool is_right(uint64_t p) override {
    // lost elements are no values
    uint64_t value = heap().at<uint64_t>(block_ + platform::kVectorLead)[p];
    return taken[p] == 1 && (value == p + 1 || lost > 0);
  }
  void over() override {
    AnyJob::over();
    heap().drop(block_);
  }
};

// A job of `n` numbers, whose slots are in the job.
struct Small : AnyJob {
  Small(uint64_t pool_, uint64_t n, std::vector<uint64_t> starts)
      : AnyJob(pool_, plan(n, std::move(starts))) {}
  static JobPlan plan(uint64_t n, std::vector<uint64_t> starts) {
    JobPlan plan;
    plan.count = n;
    plan.starts = std::move(starts);
    plan.slots = true;
    return plan;
  }
  static void compute(Worker& worker, const Claim& claim, uint64_t p) {
    if (!published(p)) return put(worker, claim, p);
    std::memcpy(worker.room(claim, p, sizeof p), &p, sizeof p);
    worker.publish(claim, ResultStatus::Value);
  }
  JobOwner::Slots slots() override {
    return [this](uint64_t first, uint64_t end) {
      owner.take_slots(first, end, [&](uint64_t p, uint8_t mark, const uint8_t* slot) {
        ++taken[p];
        uint64_t value;
        std::memcpy(&value, slot, sizeof value);
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
        slots());
  }
};

} // namespace

TEST_CASE("threads put every value into its slot", "[job_board][slots]") {
  check_in_threads([](uint64_t pool, int k) {
    uint64_t n = 1 + random_below(2000);
    return std::make_unique<SlotJob>(
        pool, n, k % 2 ? guided_chunks(n, 3) : equal_chunks(n, 1 + random_below(50)));
  });
}

TEST_CASE("chunks of a job with slots are finished in a heap that is full",
          "[job_board][slots]") {
  Unchanged heap_is;
  uint64_t pool = create_pool(1), n = 2000;
  SlotJob job(pool, n, equal_chunks(n, 1));
  job.submit();
  std::vector<uint64_t> filling;
  for (uint64_t bytes = uint64_t(1) << 30; bytes >= kPageBytes;) {
    try {
      filling.push_back(heap().allocate(bytes, BlockKind::Bytes, false));
    } catch (const Error&) {
      bytes /= 2;
    }
  }
  std::string problem;
  try {
    Worker w(pool, 0);
    Claim claim;
    while (!job.owner.settled() && w.next(claim, at_once()) == Status::Ok) {
      compute<SlotJob>(w, claim, claim.first, claim.end);
      job.take();
    }
    w.detach();
  } catch (const Error& e) {
    problem = e.kind;
  }
  for (uint64_t block : filling) heap().drop(block);
  REQUIRE(problem == "");
  REQUIRE(job.owner.settled());
  REQUIRE(job.amiss() == 0);
  job.over();
  REQUIRE(job.wrong == 0);
  heap().drop(pool);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a worker may die at any instruction of its work with slots of one block",
          "[job_board][slots][fork]") {
  check_deaths([](uint64_t pool) { return std::make_unique<SlotJob>(pool, 6, equal_chunks(6, 3)); });
}

TEST_CASE("small values and published ones of one job all arrive, once", "[job_board][slots]") {
  check_in_threads([](uint64_t pool, int k) {
    uint64_t n = 1 + random_below(2000);
    return std::make_unique<Small>(
        pool, n, k % 2 ? guided_chunks(n, 3) : equal_chunks(n, 1 + random_below(50)));
  });
}

TEST_CASE("small values count as computed before the chunk's end, as settled after it",
          "[job_board][slots]") {
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

TEST_CASE("small values that could not be taken are offered again", "[job_board][slots]") {
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
    job.owner.take_slots(first, end, [&](uint64_t p, uint8_t, const uint8_t*) {
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
          "[job_board][slots][fork]") {
  check_deaths(
      [](uint64_t pool) { return std::make_unique<Small>(pool, 10, equal_chunks(10, 5)); });
}
