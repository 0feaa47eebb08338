#include "support.h"

#include <sys/resource.h>
#include <unistd.h>

namespace {

int64_t cpu_ns() { // of this thread
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return int64_t(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

struct Ball {
  WaiterMask waiters[2] = {};
  std::atomic<uint64_t> side{0};
};

// Waits for the ball and plays it back, `n` times. The tick is so rare that a lost wake-up is seen: a wait that the
// deadline ended looks once more, and finds the ball.
bool play(Ball& ball, uint64_t me, int n) {
  for (int i = 0; i < n; ++i) {
    Wait wait = within(20'000);
    wait.tick_ns = 30'000 * kMs;
    Waiter waiter(wait);
    waiter.add(ball.waiters[me]);
    if (waiter.until([&] { return ball.side.load() == me; }) != Status::Ok) return false;
    if (platform::now_ns() >= wait.deadline) return false;
    ball.side.store(1 - me);
    wake_one(ball.waiters[1 - me]);
  }
  return true;
}

bool count_ticks(void* data) {
  ++*static_cast<int*>(data);
  return false;
}
bool interrupt(void*) { return true; }

} // namespace

TEST_CASE("no wake-up is lost between threads", "[doorbell]") {
  session();
  Ball ball;
  int n = rounds(5000, 500'000);
  REQUIRE(in_threads(2, [&](int me) { return play(ball, uint64_t(me), n); }));
  REQUIRE(heap_problem() == "");
}

TEST_CASE("no wake-up is lost between processes", "[doorbell][fork]") {
  session();
  Shared<Ball> ball;
  int n = rounds(20'000, 1'000'000);
  Kid kid([&] { return play(*ball, 1, n) ? 0 : 1; });
  REQUIRE(play(*ball, 0, n));
  REQUIRE(kid.join() == 0);
}

TEST_CASE("a wait ends at its deadline, not before and not much later", "[doorbell]") {
  session();
  WaiterMask mask{};
  for (int64_t ms : {0, 1, 20, 120}) {
    Wait wait = within(ms);
    Waiter waiter(wait);
    waiter.add(mask);
    int64_t start = platform::now_ns();
    REQUIRE(waiter.until([] { return false; }) == Status::Timeout);
    int64_t took = platform::now_ns() - start;
    REQUIRE(took >= ms * kMs - kMs / 2);
    REQUIRE(took < (ms + 80) * kMs);
  }
  for (auto& w : mask.word) REQUIRE(w == 0);
}

TEST_CASE("the last look wins over the deadline", "[doorbell]") {
  session();
  WaiterMask mask{};
  Wait wait = at_once();
  Waiter waiter(wait);
  waiter.add(mask);
  int looks = 0;
  REQUIRE(waiter.until([&] { return ++looks == 2; }) == Status::Ok);
}

TEST_CASE("a wait ticks and can be interrupted within 100 ms", "[doorbell]") {
  session();
  WaiterMask mask{};
  int ticks = 0;
  Wait wait = within(260);
  wait.tick = count_ticks;
  wait.data = &ticks;
  {
    Waiter waiter(wait);
    waiter.add(mask);
    REQUIRE(waiter.until([] { return false; }) == Status::Timeout);
    REQUIRE(ticks >= 3);
  }
  wait = Wait();
  wait.tick = interrupt;
  Waiter waiter(wait);
  waiter.add(mask);
  int64_t start = platform::now_ns();
  REQUIRE(waiter.until([] { return false; }) == Status::Interrupted);
  REQUIRE(platform::now_ns() - start < 100 * kMs);
}

TEST_CASE("a process that waits uses no processor", "[doorbell]") {
  session();
  WaiterMask mask{};
  for (int i = 0; i < 3; ++i) {
    Wait wait = within(200);
    Waiter waiter(wait);
    waiter.add(mask);
    int64_t before = cpu_ns();
    REQUIRE(waiter.until([] { return false; }) == Status::Timeout);
    if (i > 0) REQUIRE(cpu_ns() - before < 10 * kMs); // the first one may have spun
  }
}

TEST_CASE("a wait for any of several objects ends with each of them", "[doorbell]") {
  session();
  std::vector<WaiterMask> masks(5);
  for (size_t i = 0; i < masks.size(); ++i) {
    std::atomic<bool> flag{false};
    std::thread other([&] {
      join_session();
      while (masks[4].word[0] == 0 && !flag) pause_us(100); // until it waits
      flag = true;
      wake_one(masks[i]);
      leave_session();
    });
    Wait wait = within(10'000);
    wait.tick_ns = 9'000 * kMs;
    Status s;
    int64_t start = platform::now_ns();
    {
      Waiter waiter(wait);
      for (WaiterMask& m : masks) waiter.add(m);
      s = waiter.until([&] { return flag.load(); });
    }
    int64_t took = platform::now_ns() - start;
    other.join();
    REQUIRE(s == Status::Ok);
    REQUIRE(took < 5000 * kMs);
    for (WaiterMask& m : masks) REQUIRE(m.word[0] == 0);
  }
  REQUIRE(heap_problem() == "");
}

TEST_CASE("a waiter that leaves with a wake-up in hand passes it on", "[doorbell]") {
  session();
  WaiterMask mask{};
  std::atomic<bool> open{false};
  std::atomic<int64_t> took{0};
  std::thread other([&] {
    join_session();
    Wait wait = within(20'000);
    wait.tick_ns = 15'000 * kMs;
    Waiter waiter(wait);
    waiter.add(mask);
    if (waiter.until([&] { return open.load(); }) == Status::Ok) took = platform::now_ns();
    leave_session();
  });
  REQUIRE(eventually([&] { return mask.word[0] != 0; }));
  pause_us(5000); // likely asleep by now; the test holds if it is not
  Wait wait;
  Waiter waiter(wait);
  waiter.add(mask);
  int64_t start = platform::now_ns();
  Status s = waiter.until([&] {
    open = true;
    wake_one(mask); // takes our bit, the lowest: we were woken
    return true;
  });
  other.join();
  REQUIRE(s == Status::Ok);
  REQUIRE(took > 0);
  REQUIRE(took - start < 5'000 * kMs);
  REQUIRE(heap_problem() == "");
}

TEST_CASE("the dead do not swallow a wake-up", "[doorbell][fork]") {
  session();
  Shared<Ball> ball;
  Kids kids;
  for (int i = 0; i < 3; ++i)
    kids.push_back(std::make_unique<Kid>([&] { return play(*ball, 1, 1) ? 0 : 1; }));
  auto waiting = [&] { return __builtin_popcountll(ball->waiters[1].word[0]); };
  REQUIRE(eventually([&] { return waiting() == 3; }));
  kids[0]->kill(); // the lowest bit, the first to be woken
  REQUIRE(eventually([&] { return !is_alive(kids[0]->token()); }));
  int64_t start = platform::now_ns();
  REQUIRE(play(*ball, 0, 1));
  REQUIRE(play(*ball, 0, 1)); // answered by one of the living
  REQUIRE(platform::now_ns() - start < 5'000 * kMs);
}

TEST_CASE("the death of a watched process ends a sleep at once", "[doorbell][fork]") {
  session();
  Delays delays;
  for (int round = 0; round < rounds(20, 1000); ++round) {
    Shared<std::atomic<int64_t>> died;
    Kid kid([&] {
      pause_us(3000 + random_below(3000)); // so that its parent sleeps
      died->store(platform::now_ns());
      return 0;
    });
    Wait wait = within(20'000);
    wait.tick_ns = 15'000 * kMs;
    Waiter waiter(wait);
    Status s = waiter.until([&] {
      if (!is_expected(kid.token())) return true;
      waiter.watch(kid.token());
      return false;
    });
    REQUIRE(s == Status::Ok);
    delays.add(platform::now_ns() - died->load());
    REQUIRE(kid.join() == 0);
  }
  REQUIRE(delays.usually_below(100));
}

TEST_CASE("no wake-up is lost, at whatever instruction it comes", "[doorbell][fork]") {
  Unchanged at_first;
  uint64_t lock = create_lock(false), queue = create_queue(1);
  Wait patient = within(600'000); // ticks that would find a lost wake-up come too late
  patient.tick_ns = 100'000 * kMs;
  auto none_lost = [&](const char* who, const std::function<int()>& wait,
                       const std::function<void()>& wake, const std::function<void()>& prepare) {
    prepare();
    auto body = [&] {
      from_here();
      return wait();
    };
    auto after = [&](uint64_t k, int code) {
      INFO(who << ", instruction " << k);
      REQUIRE(code == 0);
      REQUIRE(heap().check().problem == "");
      prepare();
    };
    if (!stop_anywhere(body, wake, after)) WARN("processes cannot be traced here");
  };

  none_lost(
      "a lock",
      [&] {
        return acquire_lock(lock, patient) != Status::Ok || release_lock(lock) != Released::Ok;
      },
      [&] { release_lock(lock); }, [&] { acquire_lock(lock, at_once()); });

  Incoming in;
  none_lost(
      "a get", [&] { return get_message(queue, in, patient) != Status::Ok; },
      [&] { send(queue, 1, 1, 100, at_once()); }, [] {});

  none_lost(
      "a put", [&] { return send(queue, 2, 2, 100, patient) != Status::Ok; },
      [&] { get_message(queue, in, at_once()); },
      [&] {
        get_message(queue, in, at_once());
        send(queue, 1, 1, 100, at_once());
      });

  // No process rings for a death: the kernel wakes us.
  release_lock(lock);
  std::unique_ptr<Kid> owner;
  none_lost(
      "a dead owner", [&] { return acquire_lock(lock, patient) != Status::OwnerDied; },
      [&] { owner->kill(); },
      [&] {
        owner.reset();
        owner = std::make_unique<Kid>([&] {
          acquire_lock(lock, Wait());
          return sleep_for_ever();
        });
        if (!eventually([&] { return lock_owner(lock) == owner->token(); }))
          throw Error{"TestError", "the lock is not taken"};
      });
  owner.reset();
  in.clear();
  heap().drop(queue);
  heap().drop(lock);
  REQUIRE(at_first.problem() == "");
}
