// Jobs whose values have a place each in one block.
#include "team.h"

namespace {

struct Placed { // a job of `n` numbers
  uint64_t pool, block, places, index = 0;
  JobOwner owner;
  uint64_t wrong = 0;

  Placed(uint64_t pool_, uint64_t n, uint64_t chunk) : pool(pool_) {
    JobPlan plan;
    plan.count = n;
    plan.starts = equal_chunks(n, chunk);
    plan.place_bytes = sizeof(uint64_t);
    plan.places = places = heap().allocate(n * sizeof(uint64_t), Kind::Bytes);
    plan.references = 1;
    block = create_job(pool, plan);
    seal_job(block, {{Heap::page_of(places), heap().serial_of(places)}});
    owner = JobOwner(pool, block);
    if (!submit_job(pool, block, &index)) throw Error{"TestError", "the ring is full"};
  }
  void take() {
    owner.drain([&](const ResultRecord&) { ++wrong; }); // nothing is published here
  }
  uint64_t value(uint64_t position) { return heap().at<uint64_t>(places)[position]; }
  void over() {
    retire_job(pool, index);
    if (!eventually([&] { return free_job(pool, block); })) ++wrong;
    heap().drop(places);
  }
};

void compute(Worker& w, const Claim& claim, uint64_t end) {
  for (uint64_t p = claim.first; p < end; ++p) {
    w.begin(claim, p);
    *reinterpret_cast<uint64_t*>(w.place(claim, p)) = p + 1;
  }
  if (end == claim.end) w.finish(claim);
}

} // namespace

TEST_CASE("chunks of a job with places are finished in a heap that is full",
          "[job_board][places]") {
  Unchanged heap_is;
  uint64_t pool = create_pool(1), n = 2000;
  Placed job(pool, n, 1);
  std::vector<uint64_t> filling;
  for (uint64_t bytes = uint64_t(1) << 30; bytes >= kPageBytes;) {
    try {
      filling.push_back(heap().allocate(bytes, Kind::Bytes, false));
    } catch (const Error&) {
      bytes /= 2;
    }
  }
  std::string problem;
  try {
    Worker w(pool, 0);
    Claim claim;
    while (!job.owner.settled() && w.next(claim, at_once()) == Status::Ok) {
      compute(w, claim, claim.end);
      job.take();
    }
    w.detach();
  } catch (const Error& e) {
    problem = e.kind;
  }
  for (uint64_t block : filling) heap().drop(block);
  REQUIRE(problem == "");
  REQUIRE(job.owner.settled());
  for (uint64_t p = 0; p < n; ++p) REQUIRE(job.value(p) == p + 1);
  job.over();
  REQUIRE(job.wrong == 0);
  heap().drop(pool);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a worker may die at any instruction of its work with places",
          "[job_board][places][fork]") {
  Unchanged heap_is;
  uint64_t pool = create_pool(2), n = 6;
  auto job = std::make_unique<Placed>(pool, n, 3);
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
    auto suspect = job->owner.recover(worker->load(), [&](uint64_t) { return k % 2; });
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
    for (uint64_t p = 0; p < n; ++p) REQUIRE((p == lost || job->value(p) == p + 1));
    job->over();
    REQUIRE(job->wrong == 0);
    REQUIRE(heap_problem() == "");
    job = std::make_unique<Placed>(pool, n, 3);
  };
  if (!die_anywhere(body, after, 3'000)) WARN("processes cannot be traced here");
  job->over();
  heap().drop(pool);
  REQUIRE(heap_is.problem() == "");
}
