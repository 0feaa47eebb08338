// Jobs whose values have a place each in one block.
#include "platform/pages.h"
#include "worker_team.h"

namespace {

struct Placed : AnyJob { // a job of `n` numbers
  uint64_t places;

  Placed(uint64_t pool_, uint64_t n, std::vector<uint64_t> starts)
      : Placed(pool_, n, std::move(starts),
               heap().allocate(platform::kVectorLead + n * sizeof(uint64_t), BlockKind::Bytes)) {}
  Placed(uint64_t pool_, uint64_t n, std::vector<uint64_t> starts, uint64_t places_)
      : AnyJob(pool_, plan(n, std::move(starts), places_),
               {{Heap::page_of(places_), heap().serial_of(places_)}}),
        places(places_) {}
  static JobPlan plan(uint64_t n, std::vector<uint64_t> starts, uint64_t places) {
    JobPlan plan;
    plan.count = n;
    plan.starts = std::move(starts);
    plan.place_bytes = sizeof(uint64_t);
    plan.places = places;
    plan.references = 1;
    return plan;
  }
  static void compute(Worker& worker, const Claim& claim, uint64_t p) {
    *reinterpret_cast<uint64_t*>(worker.place(claim, p)) = p + 1;
  }
  void take() override {
    owner.drain([&](const ResultRecord&) { ++wrong; }); // nothing is published here
  }
  bool is_right(uint64_t p) override {
    return taken[p] == 1 || heap().at<uint64_t>(places + platform::kVectorLead)[p] == p + 1;
  }
  void over() override {
    AnyJob::over();
    heap().drop(places);
  }
};

} // namespace

TEST_CASE("threads put every value into its place", "[job_board][places]") {
  check_in_threads([](uint64_t pool, int k) {
    uint64_t n = 1 + random_below(2000);
    return std::make_unique<Placed>(
        pool, n, k % 2 ? guided_chunks(n, 3) : equal_chunks(n, 1 + random_below(50)));
  });
}

TEST_CASE("chunks of a job with places are finished in a heap that is full",
          "[job_board][places]") {
  Unchanged heap_is;
  uint64_t pool = create_pool(1), n = 2000;
  Placed job(pool, n, equal_chunks(n, 1));
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
      compute<Placed>(w, claim, claim.first, claim.end);
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

TEST_CASE("a worker may die at any instruction of its work with places",
          "[job_board][places][fork]") {
  check_deaths([](uint64_t pool) { return std::make_unique<Placed>(pool, 6, equal_chunks(6, 3)); });
}
