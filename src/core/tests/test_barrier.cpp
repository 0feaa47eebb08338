// Barriers between participants.
#include "barrier.h"
#include "support.h"

using namespace mp;
using namespace test;

TEST_CASE("no party passes a barrier before all have come, round after round", "[barrier]") {
  Unchanged heap_is;
  uint64_t barrier = create_barrier(3);
  std::atomic<int> came{0};
  REQUIRE(in_threads(3, [&](int) {
    for (int round = 1; round <= rounds(300, 10'000); ++round) {
      ++came;
      if (wait_at_barrier(barrier, Wait()) != Status::Ok || came.load() < 3 * round) return false;
      if (wait_at_barrier(barrier, Wait()) != Status::Ok) return false; // all have looked
    }
    return true;
  }));
  heap().drop(barrier);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a party that gives up breaks the barrier for all, until it is reset", "[barrier]") {
  Unchanged heap_is;
  uint64_t barrier = create_barrier(3);
  REQUIRE(in_threads(2, [&](int i) {
    Status s = wait_at_barrier(barrier, i ? within(20) : Wait());
    return i ? s == Status::Timeout || s == Status::Closed : s == Status::Closed;
  }));
  REQUIRE(wait_at_barrier(barrier, Wait()) == Status::Closed);
  reset_barrier(barrier);
  REQUIRE(wait_at_barrier(barrier, at_once()) == Status::Timeout);
  heap().drop(barrier);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a party killed while it waits breaks the barrier at once", "[barrier][fork]") {
  Unchanged heap_is;
  Delays delays;
  for (int round = 0; round < rounds(10, 300); ++round) {
    uint64_t barrier = create_barrier(3);
    Kid waits([&] { return wait_at_barrier(barrier, Wait()) == Status::Closed ? 0 : 1; });
    Kid dies([&] { return int(wait_at_barrier(barrier, Wait())); });
    REQUIRE(eventually([&] { return barrier_waiting(barrier) == 2; }));
    dies.kill();
    int64_t killed = platform::now_ns();
    REQUIRE(waits.join() == 0);
    delays.add(platform::now_ns() - killed);
    REQUIRE(dies.join() == -SIGKILL);
    REQUIRE(barrier_broken(barrier));
    REQUIRE(barrier_lost(barrier) == uint32_t(dies.child().pid));
    heap().drop(barrier);
  }
  REQUIRE(delays.usually_below(100));
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a party killed between two rounds is missed by the next of its fellows",
          "[barrier][fork]") {
  Unchanged heap_is;
  uint64_t barrier = create_barrier(2);
  Kid kid([&] { return wait_at_barrier(barrier, Wait()) == Status::Ok ? sleep_for_ever() : 1; });
  REQUIRE(wait_at_barrier(barrier, within(20'000)) == Status::Ok);
  kid.kill();
  REQUIRE(kid.join() == -SIGKILL);
  REQUIRE(wait_at_barrier(barrier, within(20'000)) == Status::Closed);
  reset_barrier(barrier);
  REQUIRE(barrier_lost(barrier) == 0);
  REQUIRE_FALSE(barrier_broken(barrier));
  heap().drop(barrier);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a party that ends by itself is not missed", "[barrier][fork]") {
  Unchanged heap_is;
  uint64_t barrier = create_barrier(2);
  for (int i = 0; i < 2; ++i) {
    Kid kid([&] { return wait_at_barrier(barrier, Wait()) == Status::Ok ? 0 : 1; });
    REQUIRE(wait_at_barrier(barrier, within(20'000)) == Status::Ok);
    REQUIRE(kid.join() == 0);
    REQUIRE(heap_problem() == "");
  }
  heap().drop(barrier);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a reset ends the waits of a round as broken, and the next round is whole", "[barrier]") {
  Unchanged heap_is;
  uint64_t barrier = create_barrier(3);
  REQUIRE(in_threads(3, [&](int i) {
    for (int round = 0; round < rounds(50, 2'000); ++round) {
      if (i == 2) {
        if (!eventually([&] { return barrier_waiting(barrier) == 2; })) return false;
        reset_barrier(barrier);
      } else if (wait_at_barrier(barrier, Wait()) != Status::Closed) return false;
      if (wait_at_barrier(barrier, Wait()) != Status::Ok) return false;
    }
    return true;
  }));
  heap().drop(barrier);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a barrier with an action waits until its last party has ended the round", "[barrier]") {
  Unchanged heap_is;
  BarrierPlan plan;
  plan.action = heap().allocate(8, BlockKind::Bytes);
  uint64_t barrier = create_barrier(2, plan);
  heap().drop(plan.action);
  std::atomic<int> acted{0}, seen{0};
  REQUIRE(in_threads(2, [&](int) {
    for (int round = 1; round <= rounds(200, 5'000); ++round) {
      Round r;
      if (wait_at_barrier(barrier, Wait(), &r) != Status::Ok) return false;
      if (r.last) {
        ++acted;
        if (!end_round(barrier, r)) return false;
      }
      if (acted.load() < round) return false;
      seen += r.index == 0;
    }
    return true;
  }));
  REQUIRE(seen.load() == rounds(200, 5'000));
  heap().drop(barrier);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a party may die at any instruction of its wait", "[barrier][fork]") {
  Unchanged at_first;
  uint64_t barrier = create_barrier(2);
  Unchanged heap_is;
  auto body = [&] {
    from_here();
    wait_at_barrier(barrier, Wait::until(platform::now_ns() + kMs));
  };
  auto after = [&](uint64_t k) {
    INFO("instruction " << k);
    REQUIRE(heap_is.problem() == "");
    reset_barrier(barrier);
    REQUIRE(in_threads(2, [&](int) { return wait_at_barrier(barrier, within(20'000)) == Status::Ok; }));
  };
  if (!die_anywhere(body, after)) WARN("processes cannot be traced here");
  heap().drop(barrier);
  REQUIRE(at_first.problem() == "");
}
