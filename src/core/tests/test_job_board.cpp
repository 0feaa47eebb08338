#include "worker_team.h"

TEST_CASE("chunks cover every element once, large first and small at the end", "[job_board]") {
  for (uint64_t n : {0, 1, 2, 7, 1000, 10'000})
    for (uint32_t workers : {1, 2, 8}) {
      auto guided = guided_chunks(n, workers);
      auto equal = equal_chunks(n, 3);
      for (const auto& starts : {guided, equal}) {
        REQUIRE(starts.front() == 0);
        REQUIRE(starts.back() == n);
        for (size_t i = 1; i < starts.size(); ++i) REQUIRE(starts[i] > starts[i - 1]);
      }
      for (size_t i = 2; i < guided.size(); ++i)
        REQUIRE(guided[i] - guided[i - 1] <= guided[i - 1] - guided[i - 2]);
      if (n > 0) REQUIRE(n - guided[guided.size() - 2] == 1);
    }
}

TEST_CASE("every element of a job is computed exactly once", "[job_board][fork]") {
  Unchanged heap_is;
  {
    Shared<Watchers> watch;
    Team team(4, &*watch);
    uint64_t wrong = 0;
    int jobs = rounds(60, 2000);
    for (int k = 0; k < jobs; ++k) {
      uint64_t n = random_below(600);
      Job job(team.pool, n, k % 2 ? guided_chunks(n, 4) : equal_chunks(n, 1), k % 3 == 0);
      for (auto& b : watch->begun) b = 0;
      job.submit();
      REQUIRE(team.finish(job, {&job}, false) == Status::Ok);
      job.over();
      wrong += job.wrong + job.lost + job.amiss();
      for (uint64_t p = 0; p < n; ++p) wrong += watch->begun[p] != 1;
    }
    REQUIRE(wrong == 0);
    REQUIRE(team.close());
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("threads compute every element exactly once", "[job_board]") {
  check_in_threads([](uint64_t pool, int k) {
    uint64_t n = 1 + random_below(200);
    return std::make_unique<Job>(pool, n, guided_chunks(n, 3), k % 2);
  });
}

TEST_CASE("many jobs at once are all done", "[job_board][fork]") {
  Unchanged heap_is;
  {
    Team team(3);
    std::vector<std::unique_ptr<Job>> jobs;
    std::vector<Job*> all;
    for (int k = 0; k < 200; ++k) {
      uint64_t n = random_below(30);
      jobs.push_back(std::make_unique<Job>(team.pool, n, guided_chunks(n, 3)));
      all.push_back(jobs.back().get());
      all.back()->submit();
    }
    for (Job* j : all) {
      REQUIRE(team.finish(*j, all, false) == Status::Ok);
      REQUIRE(j->wrong + j->lost == 0);
      j->over();
    }
    REQUIRE(team.close());
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("workers killed at random lose the element that they were in, or nothing",
          "[job_board][fork]") {
  Unchanged heap_is;
  for (bool again : {false, true}) {
    Team team(3);
    for (int round = 0; round < rounds(60, 3000); ++round) {
      uint64_t n = 100 + random_below(2000);
      Job job(team.pool, n, round % 2 ? guided_chunks(n, 3) : equal_chunks(n, 1 + random_below(9)));
      Job next(team.pool, 50, equal_chunks(50, 1)); // waits behind it
      std::vector<Job*> both{&job, &next};
      job.submit();
      next.submit();
      uint64_t kills = 1 + random_below(3);
      for (uint64_t k = 0; k < kills; ++k) {
        pause_us(random_below(600));
        team.kids[random_below(3)]->kill();
        if (random_below(2)) team.look_after(both, again);
      }
      INFO("round " << round);
      REQUIRE(team.finish(job, both, again) == Status::Ok);
      REQUIRE(team.finish(next, both, again) == Status::Ok);
      REQUIRE(job.wrong + next.wrong == 0);
      REQUIRE(job.lost + next.lost <= (again ? 0 : kills));
      job.over();
      next.over();
      REQUIRE(job.wrong + next.wrong == 0);
    }
    close_pool(team.pool);
    for (auto& kid : team.kids) kid->join();
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a worker may die at any instruction of its work", "[job_board][fork]") {
  check_deaths([](uint64_t pool) { return std::make_unique<Job>(pool, 6, equal_chunks(6, 3)); });
}

TEST_CASE("a chunk that is put back is found, at whatever instruction of a worker's search",
          "[job_board][fork]") {
  Unchanged heap_is;
  uint64_t pool = 0;
  std::unique_ptr<Job> job;
  auto offer = [&] { // the first job of a pool; its only chunk is this process's
    pool = create_pool(2);
    job = std::make_unique<Job>(pool, 1, equal_chunks(1, 1));
    Worker mine(pool, 1);
    Claim claim;
    job->submit();
    bool good = mine.next(claim, at_once()) == Status::Ok;
    mine.detach();
    if (!good) throw Error{"TestError", "no chunk"};
  };
  Wait patient = within(600'000);
  patient.tick_ns = 100'000 * kMs;
  auto body = [&] {
    Worker worker(pool, 0);
    Claim claim;
    from_here();
    return worker.next(claim, patient) != Status::Ok || claim.first != 0;
  };
  auto after = [&](uint64_t k, int code) {
    INFO("instruction " << k);
    REQUIRE(code == 0);
    job->over();
    REQUIRE(job->wrong == 0);
    heap().drop(pool);
    REQUIRE(heap_problem() == "");
    offer();
  };
  offer();
  if (!stop_anywhere(
          body, [&] { job->recover(self(), true); }, after, 3'000))
    WARN("processes cannot be traced here");
  job->over();
  heap().drop(pool);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a cancelled job stops, and the next one is right", "[job_board][fork]") {
  Unchanged heap_is;
  {
    Shared<Watchers> watch;
    Team team(2, &*watch, 500);
    for (int round = 0; round < rounds(10, 200); ++round) {
      uint64_t n = 4000;
      for (auto& b : watch->begun) b = 0;
      Job job(team.pool, n, guided_chunks(n, 2));
      job.submit();
      pause_us(random_below(4000));
      int64_t start = platform::now_ns();
      job.owner.cancel();
      job.over(); // both have let it go
      REQUIRE(platform::now_ns() - start < 1'000 * kMs);
      uint64_t begun = 0;
      for (uint64_t p = 0; p < n; ++p) begun += watch->begun[p];
      REQUIRE(begun < n);
      Job next(team.pool, 20, equal_chunks(20, 1));
      next.submit();
      REQUIRE(team.finish(next, {&next}, false) == Status::Ok);
      next.over();
      REQUIRE(job.wrong + next.wrong == 0);
    }
    REQUIRE(team.close());
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("an owner that asks for it takes each chunk's results while the next one is computed", "[job_board]") {
  Unchanged heap_is;
  uint64_t pool = create_pool(1);
  JobPlan plan = Job::plan(12, equal_chunks(12, 3), false);
  plan.notify_chunks = true;
  Job job(pool, plan);
  std::atomic<uint64_t> settled{0};
  std::atomic<bool> good{false};
  std::thread other([&] { // computes a chunk only when the owner has all before it
    join_session();
    Worker worker(pool, 0);
    Claim claim;
    bool right = true;
    for (uint64_t chunk = 0; right && chunk < 4; ++chunk) {
      right = worker.next(claim, within(30'000)) == Status::Ok && eventually([&] { return settled == claim.first; });
      if (right) compute<Job>(worker, claim, claim.first, claim.end);
    }
    worker.detach();
    good = right;
    leave_session();
  });
  job.submit();
  Wait wait = within(60'000);
  wait.tick_ns = INT64_MAX / 4; // no look but at the bell's
  Waiter waiter(wait);
  bool all = waiter.until([&] {
    job.take();
    settled = job.owner.settled_count();
    return job.owner.settled();
  }) == Status::Ok;
  other.join();
  REQUIRE(all);
  REQUIRE(good);
  REQUIRE(job.amiss() == 0);
  job.over();
  REQUIRE(job.wrong == 0);
  heap().drop(pool);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("the ring refuses one job more than it holds", "[job_board]") {
  Unchanged heap_is;
  uint64_t pool = create_pool(1);
  Job job(pool, 1, equal_chunks(1, 1));
  uint64_t index = 0;
  for (uint32_t i = 0; i < kRing; ++i) REQUIRE(submit_job(pool, job.block, &index));
  REQUIRE_FALSE(submit_job(pool, job.block, &index));
  retire_job(pool, 0);
  REQUIRE(submit_job(pool, job.block, &index));
  REQUIRE(index == kRing);
  REQUIRE(free_job(pool, job.block));
  heap().drop(pool);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a worker that dies as it reads leaves its first element as the suspect, or none", "[job_board]") {
  Unchanged heap_is;
  uint64_t pool = create_pool(1);
  Job job(pool, 10, equal_chunks(10, 10));
  job.submit();
  Worker worker(pool, 0);
  Claim claim;
  Wait patient;
  auto claims_from = [&](uint64_t first) {
    return worker.next(claim, patient) == Status::Ok && claim.first == first;
  };
  auto dies = [&](bool again) { return job.owner.recover(self(), [&](uint64_t) { return again; }); };
  REQUIRE(claims_from(0));
  JobOwner::Suspect s = dies(true); // it read the function
  REQUIRE((s.exists && s.reading && s.position == 0));
  REQUIRE(claims_from(0));
  worker.read_slice();
  REQUIRE_FALSE(dies(true).exists); // one of ten
  REQUIRE(job_at(job.block).one_by_one.load() == 1);
  REQUIRE(claims_from(0));
  worker.note_read(claim);
  worker.begin(claim, 0);
  REQUIRE(job.owner.is_computed());
  s = dies(false);
  REQUIRE((s.exists && !s.reading && s.position == 0));
  REQUIRE(job.owner.readers() == 1);
  REQUIRE(claims_from(1));
  uint64_t first = 1;
  REQUIRE(job.owner.give_up(1, &first) == 10);
  REQUIRE(first == 0);
  dies(false);
  REQUIRE(worker.next(claim, Wait::until(0)) == Status::Timeout);
  retire_job(pool, job.index);
  worker.detach();
  REQUIRE(free_job(pool, job.block));
  heap().drop(pool);
  REQUIRE(heap_is.problem() == "");
}
