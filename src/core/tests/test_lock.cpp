#include "support.h"

namespace {

struct Counted {
  uint64_t count = 0;              // guarded by the lock that is tested
  std::atomic<uint64_t> inside{0}; // how many hold it
  std::atomic<uint64_t> together{0};
  std::atomic<bool> stop{false};
};

// Takes the lock n times and counts, the slow way.
bool count_up(uint64_t lock, Counted& c, int n, bool recursive) {
  for (int i = 0; i < n; ++i) {
    Status s = acquire_lock(lock, within(20'000));
    if (s != Status::Ok && s != Status::OwnerDied) return false;
    if (recursive && acquire_lock(lock, Wait()) != Status::Ok) return false;
    if (c.inside.fetch_add(1) != 0) ++c.together;
    uint64_t seen = c.count;
    if (i % 64 == 0) pause_us(1);
    c.count = seen + 1;
    c.inside.fetch_sub(1);
    if (recursive && release_lock(lock) != Released::Ok) return false;
    if (release_lock(lock) != Released::Ok) return false;
  }
  return true;
}

bool interrupt(void*) { return true; }

} // namespace

TEST_CASE("a lock is held by one of four processes at a time", "[lock][fork]") {
  Unchanged heap_is;
  for (bool recursive : {false, true}) {
    uint64_t lock = create_lock(recursive);
    Shared<Counted> c;
    int n = rounds(3000, 200'000);
    Kids kids;
    for (int i = 0; i < 4; ++i)
      kids.push_back(
          std::make_unique<Kid>([&] { return count_up(lock, *c, n, recursive) ? 0 : 1; }));
    for (auto& kid : kids) REQUIRE(kid->join(100'000) == 0);
    REQUIRE(c->count == uint64_t(4 * n));
    REQUIRE(c->together == 0);
    heap().drop(lock);
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a lock is held by one of four threads at a time", "[lock]") {
  Unchanged heap_is;
  uint64_t lock = create_lock(false);
  Counted c;
  int n = rounds(2000, 50'000);
  REQUIRE(in_threads(4, [&](int) { return count_up(lock, c, n, false); }));
  REQUIRE(c.count == uint64_t(4 * n));
  REQUIRE(c.together == 0);
  heap().drop(lock);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a lock that is free is not released, and one of another may be", "[lock]") {
  Unchanged heap_is;
  uint64_t lock = create_lock(false);
  REQUIRE(release_lock(lock) == Released::NotLocked);
  REQUIRE_FALSE(is_locked(lock));
  REQUIRE(acquire_lock(lock, at_once()) == Status::Ok);
  REQUIRE(is_locked(lock));
  REQUIRE(lock_owner(lock) == self());
  REQUIRE(in_threads(1, [&](int) {
    return acquire_lock(lock, at_once()) == Status::Timeout && release_lock(lock) == Released::Ok &&
           release_lock(lock) == Released::NotLocked;
  }));
  REQUIRE_FALSE(is_locked(lock));
  REQUIRE(acquire_lock(lock, at_once()) == Status::Ok);
  REQUIRE(release_lock(lock) == Released::Ok);
  heap().drop(lock);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("an RLock counts how often its owner has it, and only he gives it back", "[lock]") {
  Unchanged heap_is;
  uint64_t lock = create_lock(true);
  for (int i = 0; i < 3; ++i) REQUIRE(acquire_lock(lock, Wait()) == Status::Ok);
  auto others = [&](int) {
    return release_lock(lock) == Released::NotOwner &&
           acquire_lock(lock, within(5)) == Status::Timeout;
  };
  for (int i = 0; i < 3; ++i) {
    REQUIRE(in_threads(1, others));
    REQUIRE(release_lock(lock) == Released::Ok);
  }
  REQUIRE(release_lock(lock) == Released::NotLocked);
  REQUIRE(in_threads(1, [&](int) {
    return acquire_lock(lock, at_once()) == Status::Ok && release_lock(lock) == Released::Ok;
  }));
  heap().drop(lock);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("waiting for a lock honours the deadline and the interrupt", "[lock]") {
  Unchanged heap_is;
  uint64_t lock = create_lock(false);
  REQUIRE(acquire_lock(lock, Wait()) == Status::Ok);
  // Its own owner would wait without an end.
  REQUIRE(acquire_lock(lock, Wait()) == Status::Closed);
  for (int64_t ms : {1, 60}) {
    int64_t start = platform::now_ns();
    REQUIRE(acquire_lock(lock, within(ms)) == Status::Timeout);
    REQUIRE(platform::now_ns() - start >= (ms - 1) * kMs);
    REQUIRE(platform::now_ns() - start < (ms + 80) * kMs);
  }
  REQUIRE(in_threads(1, [&](int) {
    Wait wait;
    wait.tick = interrupt;
    int64_t start = platform::now_ns();
    return acquire_lock(lock, wait) == Status::Interrupted &&
           platform::now_ns() - start < 100 * kMs;
  }));
  REQUIRE(lock_owner(lock) == self()); // nothing of it was changed
  REQUIRE(release_lock(lock) == Released::Ok);
  heap().drop(lock);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("the lock of a killed owner goes to the next one within 100 ms, which is told",
          "[lock][fork]") {
  Unchanged heap_is;
  Delays delays;
  uint64_t plain = create_lock(false), recursive = create_lock(true);
  for (int round = 0; round < rounds(100, 1000); ++round) {
    uint64_t lock = round % 2 ? recursive : plain;
    Shared<std::atomic<bool>> holds;
    Kid owner([&] {
      for (int depth = 0; depth <= round % 2; ++depth)
        if (acquire_lock(lock, Wait()) != Status::Ok) return 1;
      holds->store(true);
      return sleep_for_ever();
    });
    REQUIRE(eventually([&] { return holds->load(); }));
    bool asleep = round % 4 < 2; // the next one waits already, or comes after the death
    Shared<std::atomic<int64_t>> killed;
    Kid killer([&] {
      if (asleep) pause_us(random_below(3000));
      killed->store(platform::now_ns());
      return platform::signal_process(-1, owner.child().pid, SIGKILL);
    });
    if (!asleep) REQUIRE(killer.join() == 0);
    Status s = acquire_lock(lock, within(5'000));
    delays.add(platform::now_ns() - killed->load());
    REQUIRE(s == Status::OwnerDied);
    REQUIRE(lock_owner(lock) == self());
    REQUIRE(release_lock(lock) == Released::Ok);
    REQUIRE(acquire_lock(lock, at_once()) == Status::Ok); // told once
    REQUIRE(release_lock(lock) == Released::Ok);
    REQUIRE(killer.join() == 0);
  }
  REQUIRE(delays.usually_below(100));
  heap().drop(plain);
  heap().drop(recursive);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("of many that wait for a dead owner's lock one has it, and is told", "[lock][fork]") {
  Unchanged heap_is;
  uint64_t lock = create_lock(false);
  for (int round = 0; round < rounds(20, 300); ++round) {
    Shared<std::atomic<int>> told, holds;
    Kid owner([&] {
      acquire_lock(lock, Wait());
      ++*holds;
      return sleep_for_ever();
    });
    REQUIRE(eventually([&] { return holds->load() == 1; }));
    Kids kids;
    for (int i = 0; i < 3; ++i)
      kids.push_back(std::make_unique<Kid>([&] {
        Status s = acquire_lock(lock, within(10'000));
        if (s == Status::OwnerDied) ++*told;
        else if (s != Status::Ok) return 1;
        return release_lock(lock) == Released::Ok ? 0 : 2;
      }));
    pause_us(random_below(4000));
    owner.kill();
    for (auto& kid : kids) REQUIRE(kid->join() == 0);
    REQUIRE(told->load() == 1);
    REQUIRE_FALSE(is_locked(lock));
  }
  heap().drop(lock);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a lock whose owners are killed at random can always be acquired again", "[lock][fork]") {
  Unchanged heap_is;
  uint64_t lock = create_lock(true);
  Shared<Counted> c;
  for (int round = 0; round < rounds(50, 3000); ++round) {
    Kids kids;
    for (int i = 0; i < 3; ++i)
      kids.push_back(std::make_unique<Kid>([&]() -> int {
        for (;;)
          if (acquire_lock(lock, Wait()) > Status::OwnerDied || release_lock(lock) != Released::Ok)
            return 1;
      }));
    pause_us(random_below(3000));
    kids[0]->kill();
    pause_us(random_below(300));
    kids[1]->kill();
    Status s = acquire_lock(lock, within(5'000));
    REQUIRE((s == Status::Ok || s == Status::OwnerDied));
    REQUIRE(release_lock(lock) == Released::Ok);
    kids[2]->kill();
    for (auto& kid : kids) REQUIRE(kid->join() == -SIGKILL);
  }
  heap().drop(lock);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a process may die at any instruction of acquire and release", "[lock][fork]") {
  Unchanged at_first;
  uint64_t lock = create_lock(true);
  Unchanged heap_is;
  auto body = [&] {
    from_here();
    acquire_lock(lock, Wait());
    acquire_lock(lock, Wait());
    release_lock(lock);
    release_lock(lock);
  };
  auto after = [&](uint64_t k) {
    INFO("instruction " << k);
    Status s = acquire_lock(lock, within(1'000));
    REQUIRE((s == Status::Ok || s == Status::OwnerDied));
    REQUIRE(release_lock(lock) == Released::Ok);
    REQUIRE_FALSE(is_locked(lock));
    REQUIRE(heap_is.problem() == "");
  };
  if (!die_anywhere(body, after)) WARN("processes cannot be traced here");
  heap().drop(lock);
  REQUIRE(at_first.problem() == "");
}
