#include "condition.h"
#include "support.h"

namespace {

struct Pair {
  uint64_t lock = create_lock(true);
  uint64_t condition = create_condition(lock);
  ~Pair() {
    heap().drop(condition);
    heap().drop(lock);
  }
  void acquire() { acquire_lock(lock, Wait()); }
  void release() { release_lock(lock); }
  uint32_t tell(uint32_t n) {
    acquire();
    uint32_t woken = notify(condition, n);
    release();
    return woken;
  }
};

} // namespace

TEST_CASE("a notice wakes as many waiters as it is for, each with the lock", "[condition]") {
  Unchanged heap_is;
  {
    Pair p;
    bool died;
    REQUIRE(p.tell(1) == 0);
    p.acquire();
    p.acquire();
    REQUIRE(wait_for_notice(p.condition, within(5), &died) == Status::Timeout);
    REQUIRE(lock_depth(p.lock) == 2); // as before
    p.release();
    p.release();
    std::atomic<int> woken{0};
    REQUIRE(in_threads(7, [&](int i) {
      bool d;
      if (i < 6) {
        p.acquire();
        bool good = wait_for_notice(p.condition, Wait(), &d) == Status::Ok &&
                    lock_owner(p.lock) == self();
        ++woken;
        p.release();
        return good;
      }
      auto all = [&](int n) { return eventually([&, n] { return woken.load() == n; }); };
      if (!eventually([&] { return condition_waiting(p.condition) == 6; })) return false;
      if (p.tell(1) != 1 || !all(1) || condition_waiting(p.condition) != 5) return false;
      if (p.tell(2) != 2 || !all(3) || condition_waiting(p.condition) != 3) return false;
      return p.tell(kSlots) == 3 && all(6);
    }));
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a notice for one that is killed before it has it goes to the next", "[condition][fork]") {
  Unchanged heap_is;
  {
    Pair p;
    for (int round = 0; round < rounds(20, 500); ++round) {
      auto waits = [&] {
        bool died;
        p.acquire();
        Status s = wait_for_notice(p.condition, Wait(), &died);
        p.release();
        return s == Status::Ok ? 0 : 1;
      };
      Kid first(waits);
      REQUIRE(eventually([&] { return condition_waiting(p.condition) == 1; }));
      Kid second(waits);
      REQUIRE(eventually([&] { return condition_waiting(p.condition) == 2; }));
      p.acquire(); // so that the first cannot have it
      REQUIRE(notify(p.condition, 1) == 1);
      first.kill();
      REQUIRE(first.join() == -SIGKILL);
      p.release();
      REQUIRE(second.join() == 0);
      REQUIRE(heap_problem() == "");
      REQUIRE(condition_waiting(p.condition) == 0);
    }
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a process may die at any instruction of a wait for a notice", "[condition][fork]") {
  Unchanged at_first;
  {
    Pair p;
    Unchanged heap_is;
    auto body = [&] {
      bool died;
      from_here();
      p.acquire();
      notify(p.condition, 1);
      wait_for_notice(p.condition, Wait::until(platform::now_ns() + kMs), &died);
      p.release();
    };
    auto after = [&](uint64_t k) {
      INFO("instruction " << k);
      REQUIRE(heap_is.problem() == "");
      Status s = acquire_lock(p.lock, within(20'000));
      REQUIRE((s == Status::Ok || s == Status::OwnerDied));
      REQUIRE(notify(p.condition, 1) == 0);
      p.release();
    };
    if (!die_anywhere(body, after)) WARN("processes cannot be traced here");
  }
  REQUIRE(at_first.problem() == "");
}

TEST_CASE("of many waiters that are killed now and then, none waits for a notice that was given",
          "[condition][fork]") {
  Unchanged heap_is;
  {
    Pair p;
    Shared<std::atomic<int>> stock; // guarded by the lock, whose next owner sees it whole
    for (int round = 0; round < rounds(20, 1'000); ++round) {
      stock->store(0);
      auto take = [&]() -> int {
        for (;;) {
          bool died;
          p.acquire();
          while (stock->load() == 0)
            if (wait_for_notice(p.condition, Wait(), &died) != Status::Ok) return 1;
          --*stock;
          p.release();
        }
      };
      Kids kids;
      for (int i = 0; i < 3; ++i) kids.push_back(std::make_unique<Kid>(take));
      for (int i = 0; i < 30; ++i) {
        p.acquire();
        ++*stock;
        notify(p.condition, 1);
        p.release();
        if (i == 10 || i == 20) kids[size_t(i / 10 - 1)]->kill();
      }
      REQUIRE(eventually([&] { return stock->load() == 0; }, 30'000));
      for (auto& kid : kids) kid->kill();
      for (auto& kid : kids) REQUIRE(kid->join() == -SIGKILL);
      REQUIRE(heap_problem() == "");
    }
  }
  REQUIRE(heap_is.problem() == "");
}
