// Queues whose messages are tasks; and circles of waits.
#include "joinable.h"
#include "support.h"

namespace {
bool take(uint64_t q, const Wait& wait) {
  Incoming in;
  return get_message(q, in, wait) == Status::Ok;
}
} // namespace

TEST_CASE("a joinable queue is done when all that was put is", "[joinable]") {
  Unchanged heap_is;
  uint64_t q = create_joinable_queue(0);
  LostTasks lost;
  REQUIRE(join_queue(q, at_once(), &lost) == Status::Ok);
  REQUIRE_FALSE(mark_done(q));
  for (uint64_t i = 0; i < 3; ++i) REQUIRE(send(q, 1, i, i == 1 ? 20'000 : 24, Wait()) == Status::Ok);
  REQUIRE(unfinished_tasks(q) == 3);
  REQUIRE_FALSE(mark_done(q)); // none was taken
  REQUIRE(in_threads(2, [&](int i) {
    if (i == 0) return join_queue(q, Wait(), &lost) == Status::Ok && unfinished_tasks(q) == 0;
    for (int n = 0; n < 3; ++n)
      if (!take(q, Wait()) || !mark_done(q)) return false;
    return true;
  }));
  REQUIRE_FALSE(mark_done(q));
  heap().drop(q);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a process that joins is told of tasks whose taker was killed", "[joinable][fork]") {
  Unchanged heap_is;
  uint64_t q = create_joinable_queue(0);
  for (int round = 0; round < rounds(20, 500); ++round) {
    for (uint64_t i = 0; i < 3; ++i) send(q, 1, i, i == 1 ? 20'000 : 24, Wait());
    Kid kid([&] {
      take(q, Wait());
      take(q, Wait());
      return sleep_for_ever();
    });
    REQUIRE(eventually([&] { return queue_length(q) == 1 && unfinished_tasks(q) == 3; }));
    kid.kill();
    LostTasks lost;
    REQUIRE(join_queue(q, within(20'000), &lost) == Status::OwnerDied);
    REQUIRE(lost.count == 2);
    REQUIRE(lost.pid == uint32_t(kid.child().pid));
    REQUIRE(kid.join() == -SIGKILL);
    REQUIRE(take(q, Wait()));
    REQUIRE(mark_done(q));
    REQUIRE(join_queue(q, within(20'000), &lost) == Status::Ok);
  }
  heap().drop(q);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a process may die at any instruction with a task: it is in the queue, lost, or done",
          "[joinable][fork]") {
  Unchanged at_first;
  uint64_t q = create_joinable_queue(0);
  REQUIRE(send(q, 0, 0, 24, Wait()) == Status::Ok); // so that the queue has its segment
  take(q, Wait());
  mark_done(q);
  auto body = [&] {
    from_here();
    for (int i = 0; i < 2; ++i) {
      take(q, Wait());
      mark_done(q);
    }
  };
  auto after = [&](uint64_t k) {
    INFO("instruction " << k);
    REQUIRE(heap_problem() == ""); // the dead are swept
    uint64_t left = 0;
    while (take(q, at_once())) {
      ++left;
      REQUIRE(mark_done(q));
    }
    REQUIRE_FALSE(mark_done(q));
    LostTasks lost;
    Status s = join_queue(q, within(20'000), &lost);
    if (s == Status::OwnerDied) {
      REQUIRE(lost.count == 1);
      REQUIRE(left < 2);
      REQUIRE(join_queue(q, within(20'000), &lost) == Status::Ok);
    } else REQUIRE(s == Status::Ok);
    for (uint64_t i = 0; i < 2; ++i) REQUIRE(send(q, 1, i, i ? 20'000 : 24, Wait()) == Status::Ok);
  };
  for (uint64_t i = 0; i < 2; ++i) REQUIRE(send(q, 1, i, i ? 20'000 : 24, Wait()) == Status::Ok);
  if (!die_anywhere(body, after)) WARN("processes cannot be traced here");
  while (take(q, at_once())) mark_done(q);
  heap().drop(q);
  REQUIRE(at_first.problem() == "");
}

