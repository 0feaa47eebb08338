#include "support.h"

#include <cstring>

namespace {

Status say(uint64_t end, uint64_t number, uint64_t bytes, const Wait& wait) {
  return Letter(1, number, bytes).send(end, wait);
}

// The number that was received whole, or -1 and how it ended.
int64_t hear(uint64_t end, const Wait& wait, Status* how = nullptr) {
  Incoming in;
  Status s = receive_message(end, in, wait);
  if (how) *how = s;
  uint64_t sender, number;
  return s == Status::Ok && is_whole(in.data(), in.size(), &sender, &number) ? int64_t(number) : -1;
}

} // namespace

TEST_CASE("what one end sends the other receives, both ways", "[pipe]") {
  Unchanged heap_is;
  uint64_t ends[2];
  create_pipe(true, ends);
  for (int from : {0, 1}) {
    REQUIRE(can_send(ends[from]));
    REQUIRE(can_receive(ends[from]));
    for (uint64_t i = 0; i < 5; ++i)
      REQUIRE(say(ends[from], i, 24 + i * 5000, Wait()) == Status::Ok);
    REQUIRE(is_readable(ends[1 - from]));
    REQUIRE_FALSE(is_readable(ends[from]));
    for (int64_t i = 0; i < 5; ++i) REQUIRE(hear(ends[1 - from], Wait()) == i);
  }
  Status s;
  hear(ends[0], within(30), &s);
  REQUIRE(s == Status::Timeout);
  heap().drop(ends[0]);
  heap().drop(ends[1]);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a pipe that is not duplex has a reader and a writer", "[pipe]") {
  Unchanged heap_is;
  uint64_t ends[2];
  create_pipe(false, ends);
  REQUIRE(can_receive(ends[0]));
  REQUIRE_FALSE(can_send(ends[0]));
  REQUIRE(can_send(ends[1]));
  REQUIRE_FALSE(can_receive(ends[1]));
  heap().drop(ends[0]);
  heap().drop(ends[1]);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a closed end is end-of-file, after what it had sent", "[pipe]") {
  Unchanged heap_is;
  uint64_t ends[2];
  create_pipe(true, ends);
  REQUIRE(say(ends[0], 7, 30'000, Wait()) == Status::Ok);
  heap().drop(ends[0]);
  REQUIRE(is_readable(ends[1]));
  REQUIRE(hear(ends[1], Wait()) == 7);
  Status s = Status::Ok;
  hear(ends[1], Wait(), &s);
  REQUIRE(s == Status::Ended);
  REQUIRE(say(ends[1], 1, 24, Wait()) == Status::Closed);
  REQUIRE(say(ends[1], 1, 30'000, Wait()) == Status::Closed);
  heap().drop(ends[1]);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a process that waits for a pipe is woken when the other end is closed", "[pipe]") {
  Unchanged heap_is;
  uint64_t ends[2];
  create_pipe(true, ends);
  std::atomic<int64_t> ended{0};
  std::atomic<Token> reader{0};
  std::thread other([&] {
    join_session();
    heap().hold(ends[1]);
    reader = self();
    Status s = Status::Ok;
    hear(ends[1], within(20'000), &s);
    if (s == Status::Ended) ended = platform::now_ns();
    heap().drop(ends[1]);
    leave_session();
  });
  WaiterMask& waiters = connection_waiters(ends[1]);
  REQUIRE(eventually([&] { return reader && waiters.word[0] != 0; }));
  int64_t start = platform::now_ns();
  heap().drop(ends[0]);
  other.join();
  REQUIRE(ended - start > 0);
  REQUIRE(ended - start < 100 * kMs);
  heap().drop(ends[1]);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a pipe there and back between processes is right", "[pipe][fork]") {
  Unchanged heap_is;
  uint64_t ends[2];
  create_pipe(true, ends);
  {
    Kid echo([&] {
      heap().drop(ends[0]);
      Status s = Status::Ok;
      for (int64_t got; (got = hear(ends[1], within(20'000), &s)) >= 0;)
        if (say(ends[1], uint64_t(got) + 1, 24 + uint64_t(got) % 20'000, Wait()) != Status::Ok)
          return 1;
      return s == Status::Ended ? 0 : 2;
    });
    heap().drop(ends[1]);
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < uint64_t(rounds(3000, 300'000)); ++i) {
      REQUIRE(say(ends[0], i, 24 + i % 9'000, Wait()) == Status::Ok);
      wrong += hear(ends[0], within(20'000)) != int64_t(i + 1);
    }
    REQUIRE(wrong == 0);
    heap().drop(ends[0]);
    REQUIRE(echo.join() == 0);
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("the death of the other end is end-of-file within 100 ms", "[pipe][fork]") {
  Unchanged heap_is;
  Delays delays;
  for (int round = 0; round < rounds(60, 1000); ++round) {
    uint64_t ends[2];
    create_pipe(true, ends);
    Shared<std::atomic<int64_t>> killed;
    Kid other([&]() -> int {
      heap().drop(ends[0]);
      for (uint64_t i = 0;; ++i)
        if (say(ends[1], i, i % 3 ? 100 : 200'000, Wait()) != Status::Ok) return 1;
    });
    heap().drop(ends[1]);
    Kid killer([&] {
      heap().drop(ends[0]);
      pause_us(random_below(2500));
      killed->store(platform::now_ns());
      return platform::signal_process(-1, other.child().pid, SIGKILL);
    });
    Status s = Status::Ok;
    int64_t expected = 0;
    while (hear(ends[0], within(5'000), &s) == expected) ++expected;
    delays.add(platform::now_ns() - killed->load());
    REQUIRE(s == Status::Ended); // every message whole and in order before
    REQUIRE(say(ends[0], 0, 24, Wait()) == Status::Closed);
    heap().drop(ends[0]);
    REQUIRE(killer.join() == 0);
  }
  REQUIRE(delays.usually_below(100));
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("an end that two processes hold ends with the second", "[pipe][fork]") {
  Unchanged heap_is;
  uint64_t ends[2];
  create_pipe(true, ends);
  {
    Kid one(sleep_for_ever);
    Kid two([&] {
      heap().drop(ends[0]);
      return sleep_for_ever();
    });
    heap().drop(ends[1]);
    one.kill();
    one.join();
    Status s = Status::Ok;
    hear(ends[0], within(120), &s);
    REQUIRE(s == Status::Timeout);
    two.kill();
    hear(ends[0], within(5'000), &s);
    REQUIRE(s == Status::Ended);
  }
  heap().drop(ends[0]);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a process may die at any instruction of making and closing a pipe", "[pipe][fork]") {
  Unchanged heap_is;
  auto body = [] {
    from_here();
    uint64_t ends[2];
    create_pipe(true, ends);
    heap().drop(ends[0]);
    heap().drop(ends[1]);
  };
  auto after = [&](uint64_t k) {
    // Dirty pages where the next one makes his pipe: a half-made end must not be acted upon.
    for (uint64_t bytes : {4096, 8192, 4096, 4096, 4096, 4096}) {
      uint64_t b = heap().allocate(bytes, BlockKind::Bytes, false);
      std::memset(heap().at(b), 0xee, bytes);
      heap().drop(b);
    }
    INFO("instruction " << k);
    REQUIRE(heap_is.problem() == "");
  };
  if (!die_anywhere(body, after, 3'000)) WARN("processes cannot be traced here");
}
