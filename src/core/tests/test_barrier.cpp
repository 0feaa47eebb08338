// Barriers between participants.
#include "barrier.h"
#include "support.h"

using namespace mp;
using namespace test;

TEST_CASE("nobody passes a barrier before all have come, round after round", "[barrier]") {
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

TEST_CASE("a party killed while it waits has come; the others pass", "[barrier][fork]") {
  Unchanged heap_is;
  for (int round = 0; round < rounds(10, 300); ++round) {
    uint64_t barrier = create_barrier(2);
    Kid kid([&] { return int(wait_at_barrier(barrier, Wait())); });
    REQUIRE(eventually([&] {
      return look_at(barrier, {0, false}) == RoundState::Open &&
             anybody_waits(barrier_waiters(barrier));
    }));
    kid.kill();
    REQUIRE(kid.join() == -SIGKILL);
    REQUIRE(wait_at_barrier(barrier, within(5'000)) == Status::Ok);
    heap().drop(barrier);
  }
  REQUIRE(heap_is.problem() == "");
}
