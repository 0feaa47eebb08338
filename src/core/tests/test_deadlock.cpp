#include "support.h"

#include "deadlock.h"

#include "platform/process.h"

namespace {

bool is_waiting(Token t) { return participant(t).waits_for.load() != 0; }

constexpr int64_t kSeenNs = 1'000'000'000; // a circle is found well within this

// Waits for the lock. 0: acquired, 7: told of a deadlock
int wait_for_lock(uint64_t lock) {
  try {
    return acquire_lock(lock, Wait()) == Status::Ok ? 0 : 1;
  } catch (const Error& e) {
    return e.kind == "DeadlockError" ? 7 : 2;
  }
}

// A process that holds `own`, and then waits for `other` without a limit.
std::unique_ptr<Kid> crossing(uint64_t own, uint64_t other) {
  auto kid = std::make_unique<Kid>([=] {
    if (acquire_lock(own, Wait()) != Status::Ok) return 3;
    int code = wait_for_lock(other);
    if (code == 0) release_lock(other);
    release_lock(own);
    return code;
  });
  REQUIRE(eventually([&] { return is_waiting(kid->token()); }));
  return kid;
}

} // namespace

TEST_CASE("of processes that wait for each other one is told, and the others go on",
          "[deadlock][fork]") {
  Unchanged heap_is;
  uint64_t locks[3] = {create_lock(false), create_lock(true), create_lock(false)};
  for (int n = 2; n <= 3; ++n) {
    Shared<std::atomic<int>> holding, told;
    Kids kids;
    for (int k = 0; k < n; ++k)
      kids.push_back(std::make_unique<Kid>([&, k] {
        if (acquire_lock(locks[k], Wait()) != Status::Ok) return 1;
        ++*holding;
        if (!eventually([&] { return holding->load() == n; })) return 2;
        try {
          if (acquire_lock(locks[(k + 1) % n], Wait()) != Status::Ok) return 3;
          release_lock(locks[(k + 1) % n]);
        } catch (const Error& e) {
          if (e.kind != "DeadlockError") return 4;
          ++*told;
        }
        return release_lock(locks[k]) == Released::Ok ? 0 : 5;
      }));
    for (auto& kid : kids) REQUIRE(kid->join(60'000) == 0);
    REQUIRE(told->load() == 1);
  }
  for (uint64_t lock : locks) heap().drop(lock);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a lock that processes hand over closes no circle: another one may release it", "[deadlock][fork]") {
  Unchanged heap_is;
  uint64_t gate = create_lock(false);
  REQUIRE(acquire_lock(gate, Wait()) == Status::Ok);
  Kid first([&] { return release_lock(gate) == Released::Ok ? 0 : 1; }); // not its owner
  REQUIRE(first.join() == 0);
  REQUIRE(acquire_lock(gate, Wait()) == Status::Ok);
  Kid waiting([&] { return wait_for_lock(gate); });
  REQUIRE(eventually([&] { return is_waiting(waiting.token()); }));
  // This process waits for the end of that one, which waits for what this one holds: until a third one releases it.
  Blocked joining(Blocked::kEnd, waiting.token());
  int64_t end = platform::now_ns() + kSeenNs;
  while (platform::now_ns() < end) {
    joining.look();
    pause_us(10'000);
  }
  Kid third([&] { return release_lock(gate) == Released::Ok ? 0 : 1; });
  REQUIRE(third.join() == 0);
  REQUIRE(waiting.join() == 0);
  heap().drop(gate);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a wait within the tick of another one hides it only as long as it lasts", "[deadlock][fork]") {
  Unchanged heap_is;
  uint64_t mine = create_lock(false), its = create_lock(false), third = create_lock(false);
  REQUIRE(acquire_lock(mine, Wait()) == Status::Ok);
  auto other = crossing(its, mine);
  Blocked outer(Blocked::kLock, its);
  uint64_t what = participant(self()).waits_for;
  int64_t since = participant(self()).waits_since;
  {
    Blocked inner(Blocked::kLock, third);
    REQUIRE(participant(self()).waits_for.load() == third);
  }
  REQUIRE(participant(self()).waits_for.load() == what);
  REQUIRE(participant(self()).waits_since.load() == since);
  bool told = false;
  REQUIRE(eventually([&] {
    try {
      outer.look(); // began last
    } catch (const Error& e) {
      told = e.kind == "DeadlockError";
    }
    return told;
  }));
  REQUIRE(release_lock(mine) == Released::Ok);
  REQUIRE(other->join() == 0);
  for (uint64_t lock : {mine, its, third}) heap().drop(lock);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("where the one that began to wait last is stopped, another one is told", "[deadlock][fork]") {
  Unchanged heap_is;
  uint64_t first = create_lock(false), second = create_lock(false);
  Shared<std::atomic<bool>> held;
  Kid early([&] {
    if (acquire_lock(first, Wait()) != Status::Ok) return 3;
    *held = true;
    if (!eventually([&] { return is_locked(second); })) return 4;
    int code = wait_for_lock(second);
    release_lock(first);
    return code;
  });
  REQUIRE(eventually([&] { return held->load(); }));
  Kid late([&] {
    if (acquire_lock(second, Wait()) != Status::Ok) return 3;
    if (!eventually([&] { return is_waiting(early.token()); })) return 4;
    raise(SIGSTOP); // as if in the wait, which has begun for others to see
    int code = wait_for_lock(first);
    release_lock(second);
    return code;
  });
  pid_t pid = late.child().pid;
  REQUIRE(eventually([&] { return platform::process_stopped(pid); }));
  Participant& slot = participant(late.token()); // in its name: only a wait that it is stopped in is of interest
  slot.waits_since = platform::now_ns();
  slot.waits_for = first;
  REQUIRE(early.join(60'000) == 7);
  late.kill(SIGCONT);
  REQUIRE(late.join() == 0);
  heap().drop(first);
  heap().drop(second);
  REQUIRE(heap_is.problem() == "");
}
