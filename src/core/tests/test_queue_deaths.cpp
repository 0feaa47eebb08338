#include "queue_traffic.h"

TEST_CASE("a producer killed in a put of 1 MB leaves no half message and no waiter",
          "[queue][fork]") {
  Unchanged at_first;
  uint64_t queue = create_queue(0);
  Unchanged heap_is;
  for (int round = 0; round < rounds(60, 1000); ++round) {
    Kid producer([&]() -> int {
      for (uint64_t i = 0;; ++i)
        if (send(queue, 1, i, i % 2 ? 1'000'000 : 500, Wait()) != Status::Ok) return 1;
    });
    pause_us(random_below(5000));
    producer.kill();
    uint64_t count = 0;
    REQUIRE(drain(queue, &count) == "");
    int64_t start = platform::now_ns();
    Incoming in; // one may have come after the last look; then nothing
    while (get_message(queue, in, within(20)) == Status::Ok) {
    }
    REQUIRE(platform::now_ns() - start < 2'000 * kMs);
    REQUIRE(producer.join() == -SIGKILL);
    in.clear();
    // A common segment of 64 KiB may stay for the next put.
    while (get_message(queue, in, at_once()) == Status::Ok) {
    }
    REQUIRE(heap_problem() == "");
    REQUIRE(heap().check().used_blocks <= at_first.blocks() + 2);
  }
  heap().drop(queue);
  REQUIRE(at_first.problem() == "");
}

TEST_CASE("producers and consumers killed at random lose at most what they had", "[queue][fork]") {
  Unchanged at_first;
  for (int round = 0; round < rounds(50, 2000); ++round) {
    uint64_t queue = create_queue(round % 2 ? 0 : 4);
    Shared<Received> r;
    Shared<std::atomic<uint64_t>> sent[2];
    Kids kids;
    for (uint64_t p = 0; p < 2; ++p)
      kids.push_back(std::make_unique<Kid>([&, p]() -> int {
        for (uint64_t i = 0; i < 20'000; ++i) {
          if (send(queue, p, i, mixed_size(i), within(20'000)) != Status::Ok) return 1;
          sent[p]->store(i + 1);
        }
        return sleep_for_ever();
      }));
    for (int c = 0; c < 2; ++c)
      kids.push_back(std::make_unique<Kid>([&]() -> int {
        take_all(queue, *r, 20'000);
        return 1;
      }));
    pause_us(random_below(4000));
    size_t first = random_below(4);
    kids[first]->kill();
    pause_us(random_below(500));
    for (auto& kid : kids) kid->kill();
    REQUIRE(take_all(queue, *r, 0) == Status::Timeout);
    for (auto& kid : kids) REQUIRE(kid->join() == -SIGKILL);
    take_all(queue, *r, 0);
    REQUIRE(queue_length(queue) == 0);
    REQUIRE(r->broken == 0);
    REQUIRE(r->disorder == 0);
    uint64_t twice = 0, lost = 0;
    for (uint64_t p = 0; p < 2; ++p)
      for (uint64_t i = 0; i < 20'000; ++i) {
        twice += r->times[p][i] > 1;
        lost += i < *sent[p] && r->times[p][i] == 0;
      }
    REQUIRE(twice == 0);
    REQUIRE(lost <= 2); // one in the hands of each consumer
    heap().drop(queue);
    REQUIRE(at_first.problem() == "");
  }
}

TEST_CASE("a process may die at any instruction of a put", "[queue][fork]") {
  Unchanged at_first;
  uint64_t queue = create_queue(8);
  uint64_t bytes = 0;
  auto body = [&] {
    Letter first(1, 1, bytes), second(1, 2, bytes);
    from_here();
    first.put(queue, at_once());
    second.put(queue, at_once());
  };
  auto after = [&](uint64_t k) {
    INFO("instruction " << k);
    REQUIRE(send(queue, 2, 9, 200, within(2'000)) ==
            Status::Ok); // there is room, and no dead guard
    uint64_t count = 0;
    REQUIRE(drain(queue, &count) == "");
    REQUIRE(count >= 1);
    REQUIRE(count <= 3);
    REQUIRE(heap_problem() == "");
    REQUIRE(heap().check().used_blocks <= at_first.blocks() + 2);
  };
  for (uint64_t size : {100, 9000}) {
    bytes = size;
    if (!die_anywhere(body, after)) WARN("processes cannot be traced here");
  }
  heap().drop(queue);
  REQUIRE(at_first.problem() == "");
}

TEST_CASE("a process may die at any instruction of a get", "[queue][fork]") {
  Unchanged at_first;
  uint64_t queue = create_queue(3);
  uint64_t bytes = 0;
  auto fill = [&] {
    for (uint64_t i = 0; i < 3; ++i) REQUIRE(send(queue, 1, i, bytes, at_once()) == Status::Ok);
  };
  auto body = [&] {
    Incoming in;
    from_here();
    get_message(queue, in, at_once());
    get_message(queue, in, at_once());
  };
  auto after = [&](uint64_t k) {
    INFO("instruction " << k);
    uint64_t count = 0, there = queue_length(queue);
    // A count that a death left too high must not keep a producer out.
    if (there < 3) REQUIRE(send(queue, 2, 9, bytes, within(2'000)) == Status::Ok);
    REQUIRE(drain(queue, &count) == "");
    REQUIRE(count >= 1);
    REQUIRE(count <= 3);
    REQUIRE(heap_problem() == "");
    REQUIRE(heap().check().used_blocks <= at_first.blocks() + 2);
    fill();
  };
  for (uint64_t size : {100, 9000}) {
    bytes = size;
    fill();
    if (!die_anywhere(body, after)) WARN("processes cannot be traced here");
    uint64_t count = 0;
    REQUIRE(drain(queue, &count) == "");
  }
  heap().drop(queue);
  REQUIRE(at_first.problem() == "");
}
