// Semaphores and events.
#include "event.h"
#include "semaphore.h"
#include "support.h"

TEST_CASE("a semaphore has as many permits as were given back", "[semaphore]") {
  Unchanged heap_is;
  uint64_t s = create_semaphore(2, true);
  REQUIRE(acquire_semaphore(s, at_once(), false) == Status::Ok);
  REQUIRE(acquire_semaphore(s, at_once(), true) == Status::Ok);
  REQUIRE(semaphore_value(s) == 0);
  REQUIRE(owned_permits(s) == 1);
  REQUIRE(acquire_semaphore(s, at_once(), false) == Status::Timeout);
  REQUIRE(acquire_semaphore(s, within(20), true) == Status::Timeout);
  release_owned(s);
  REQUIRE(owned_permits(s) == 0);
  REQUIRE(release_semaphore(s));
  REQUIRE_FALSE(release_semaphore(s));
  release_owned(s); // has none
  REQUIRE(semaphore_value(s) == 2);
  heap().drop(s);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("never more are inside than a semaphore has permits", "[semaphore]") {
  Unchanged heap_is;
  uint64_t s = create_semaphore(2, true);
  std::atomic<int> inside{0}, most{0};
  REQUIRE(in_threads(4, [&](int t) {
    for (int i = 0; i < rounds(2'000, 100'000); ++i) {
      bool owned = (i + t) % 2;
      if (acquire_semaphore(s, within(20'000), owned) != Status::Ok) return false;
      int n = ++inside;
      if (n > most.load()) most = n;
      --inside;
      if (owned) release_owned(s);
      else if (!release_semaphore(s)) return false;
    }
    return true;
  }));
  REQUIRE(most.load() <= 2);
  REQUIRE(semaphore_value(s) == 2);
  heap().drop(s);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("permits that were owned come back when their owner is killed", "[semaphore][fork]") {
  Unchanged heap_is;
  Delays delays;
  uint64_t s = create_semaphore(3, true);
  for (int round = 0; round < rounds(30, 1'000); ++round) {
    Kid owner([&] {
      for (int i = 0; i < 3; ++i) acquire_semaphore(s, Wait(), true);
      return sleep_for_ever();
    });
    REQUIRE(eventually([&] { return semaphore_value(s) == 0; }));
    owner.kill();
    int64_t killed = platform::now_ns();
    REQUIRE(acquire_semaphore(s, within(20'000), false) == Status::Ok);
    delays.add(platform::now_ns() - killed);
    REQUIRE(release_semaphore(s));
    REQUIRE(owner.join() == -SIGKILL);
    REQUIRE(eventually([&] { return reap(), semaphore_value(s) == 3; }));
  }
  REQUIRE(delays.usually_below(100));
  heap().drop(s);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a process may die at any instruction with a permit of its own", "[semaphore][fork]") {
  Unchanged at_first;
  uint64_t s = create_semaphore(2, true);
  Unchanged heap_is;
  auto body = [&] {
    from_here();
    acquire_semaphore(s, Wait(), true);
    acquire_semaphore(s, Wait(), true);
    release_owned(s);
    release_owned(s);
  };
  auto after = [&](uint64_t k) {
    INFO("instruction " << k);
    REQUIRE(heap_is.problem() == ""); // the dead are swept
    REQUIRE(semaphore_value(s) == 2);
    for (int i = 0; i < 2; ++i) REQUIRE(acquire_semaphore(s, at_once(), true) == Status::Ok);
    REQUIRE(acquire_semaphore(s, at_once(), true) == Status::Timeout);
    for (int i = 0; i < 2; ++i) release_owned(s);
  };
  if (!die_anywhere(body, after)) WARN("processes cannot be traced here");
  heap().drop(s);
  REQUIRE(at_first.problem() == "");
}

TEST_CASE("owners killed at random lose and double no permit", "[semaphore][fork]") {
  Unchanged heap_is;
  uint64_t s = create_semaphore(2, true);
  for (int round = 0; round < rounds(50, 3'000); ++round) {
    Kids kids;
    for (int i = 0; i < 3; ++i)
      kids.push_back(std::make_unique<Kid>([&]() -> int {
        for (;;) {
          acquire_semaphore(s, Wait(), true);
          release_owned(s);
        }
      }));
    pause_us(random_below(3'000));
    for (auto& kid : kids) kid->kill();
    for (auto& kid : kids) REQUIRE(kid->join() == -SIGKILL);
    REQUIRE(heap_problem() == "");
    REQUIRE(semaphore_value(s) == 2);
  }
  heap().drop(s);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("an event wakes all waiters, also if it is cleared at once", "[event]") {
  Unchanged heap_is;
  uint64_t e = create_event();
  REQUIRE(wait_for_event(e, at_once()) == Status::Timeout);
  REQUIRE(wait_for_event(e, within(20)) == Status::Timeout);
  std::atomic<int> waiting{0};
  REQUIRE(in_threads(3, [&](int i) {
    if (i < 2) {
      ++waiting;
      return wait_for_event(e, Wait()) == Status::Ok;
    }
    eventually([&] { return waiting.load() == 2 && event_waiters(e).word[0].load() != 0; });
    pause_us(20'000);
    set_event(e);
    clear_event(e);
    return true;
  }));
  REQUIRE_FALSE(event_is_set(e));
  set_event(e);
  REQUIRE(wait_for_event(e, at_once()) == Status::Ok);
  heap().drop(e);
  REQUIRE(heap_is.problem() == "");
}
