#include "support.h"

#include <cstring>
#include <map>

namespace {

struct Received {
  std::atomic<uint32_t> times[8][20'000]; // by sender and number
  std::atomic<uint64_t> broken{0};
  std::atomic<uint64_t> disorder{0};
};

// Takes messages until none comes for `ms`. Of each sender they must come in its order.
Status take_all(uint64_t queue, Received& r, int64_t ms, uint64_t limit = UINT64_MAX) {
  std::map<uint64_t, uint64_t> last;
  Incoming in;
  for (uint64_t n = 0; n < limit; ++n) {
    Status s = get_message(queue, in, within(ms));
    if (s != Status::Ok) return s;
    uint64_t sender = 0, number = 0;
    if (!is_whole(in.data(), in.size(), &sender, &number)) {
      ++r.broken;
      continue;
    }
    ++r.times[sender][number];
    auto known = last.find(sender);
    if (known != last.end() && known->second >= number) ++r.disorder;
    last[sender] = number;
  }
  return Status::Ok;
}

uint64_t mixed_size(uint64_t number) { // mostly small, some at the limit, some large
  switch (number % 11) {
  case 0: return kInlineBytes;
  case 1: return kInlineBytes + 1;
  case 2: return 100'000;
  default: return 24 + number % 500;
  }
}

bool interrupt(void*) { return true; }

// Empties it; the number of messages, or an error.
std::string drain(uint64_t queue, uint64_t* count) {
  Incoming in;
  uint64_t sender, number;
  for (*count = 0; get_message(queue, in, at_once()) == Status::Ok; ++*count)
    if (!is_whole(in.data(), in.size(), &sender, &number)) return "half a message";
  return queue_length(queue) == 0 ? "" : "a wrong length";
}

} // namespace

TEST_CASE("what goes into a queue comes out in order, small and large", "[queue]") {
  Unchanged heap_is;
  uint64_t queue = create_queue(0);
  auto received = std::make_unique<Received>();
  uint64_t n = 5000;
  for (uint64_t i = 0; i < n; ++i) REQUIRE(send(queue, 1, i, mixed_size(i), Wait()) == Status::Ok);
  REQUIRE(queue_length(queue) == n);
  REQUIRE(take_all(queue, *received, 0) == Status::Timeout);
  for (uint64_t i = 0; i < n; ++i) REQUIRE(received->times[1][i] == 1);
  REQUIRE(received->disorder + received->broken == 0);
  REQUIRE(queue_length(queue) == 0);
  heap().drop(queue);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a queue of 4 is full at the fifth put", "[queue]") {
  Unchanged heap_is;
  uint64_t queue = create_queue(4);
  for (uint64_t i = 0; i < 4; ++i) REQUIRE(send(queue, 0, i, 24, at_once()) == Status::Ok);
  REQUIRE(queue_full(queue));
  REQUIRE(queue_capacity(queue) == 4);
  REQUIRE(send(queue, 0, 4, 24, at_once()) == Status::Timeout);
  REQUIRE(send(queue, 0, 4, 50'000, within(30)) == Status::Timeout);
  Incoming in;
  REQUIRE(get_message(queue, in, at_once()) == Status::Ok);
  REQUIRE(send(queue, 0, 5, 50'000, at_once()) == Status::Ok);
  uint64_t count = 0;
  REQUIRE(drain(queue, &count) == "");
  REQUIRE(count == 4);
  heap().drop(queue);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a queue that goes takes what is in it along", "[queue]") {
  Unchanged heap_is;
  uint64_t queue = create_queue(0);
  for (uint64_t i = 0; i < 300; ++i) send(queue, 0, i, mixed_size(i), Wait());
  heap().drop(queue);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a message keeps the blocks that it refers to", "[queue]") {
  Unchanged heap_is;
  uint64_t queue = create_queue(0);
  uint64_t target = heap().allocate(70'000, Kind::Bytes), serial = heap().serial_of(target);
  Outgoing out;
  out.segment = create_segment(64 + sizeof(Reference));
  out.size = 64 + sizeof(Reference);
  Reference r{Heap::page_of(target), serial};
  std::memcpy(segment_data(out.segment) + 64, &r, sizeof r);
  seal_segment(out.segment, 64, 1);
  REQUIRE(put_message(queue, out, Wait()) == Status::Ok);
  heap().drop(target);
  {
    Incoming in;
    REQUIRE(get_message(queue, in, at_once()) == Status::Ok);
    REQUIRE(heap().hold(target, serial)); // the message still has it
    heap().drop(target);
  }
  REQUIRE_FALSE(heap().hold(target, serial));
  heap().drop(queue);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("get and put wait until their deadline, or an interrupt", "[queue]") {
  Unchanged heap_is;
  uint64_t queue = create_queue(1);
  Incoming in;
  auto took = [](const std::function<bool()>& f) {
    int64_t start = platform::now_ns();
    return f() ? (platform::now_ns() - start) / kMs : -1;
  };
  Wait interrupted;
  interrupted.tick = interrupt;
  REQUIRE(took([&] { return get_message(queue, in, within(60)) == Status::Timeout; }) >= 59);
  int64_t ms = took([&] { return get_message(queue, in, interrupted) == Status::Interrupted; });
  REQUIRE(ms >= 0);
  REQUIRE(ms < 100);
  REQUIRE(send(queue, 0, 0, 24, Wait()) == Status::Ok);
  REQUIRE(took([&] { return send(queue, 0, 1, 24, within(60)) == Status::Timeout; }) >= 59);
  ms = took([&] { return send(queue, 0, 1, 50'000, interrupted) == Status::Interrupted; });
  REQUIRE(ms >= 0);
  REQUIRE(ms < 100);
  REQUIRE(get_message(queue, in, interrupted) == Status::Ok); // the next call is right
  REQUIRE(queue_length(queue) == 0);
  heap().drop(queue);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("many processes put and get everything exactly once", "[queue][fork]") {
  for (uint64_t places : {0, 3, 64}) {
    Unchanged heap_is;
    uint64_t queue = create_queue(places);
    Shared<Received> r;
    uint64_t n = uint64_t(rounds(1500, 20'000));
    Kids kids;
    for (uint64_t p = 0; p < 3; ++p)
      kids.push_back(std::make_unique<Kid>([&, p] {
        for (uint64_t i = 0; i < n; ++i)
          if (send(queue, p, i, mixed_size(i), within(20'000)) != Status::Ok) return 1;
        return 0;
      }));
    for (int c = 0; c < 3; ++c)
      kids.push_back(std::make_unique<Kid>([&] {
        return take_all(queue, *r, 20'000, n) == Status::Ok ? 0 : 1; // n each: they share
      }));
    for (auto& kid : kids) REQUIRE(kid->join(100'000) == 0);
    uint64_t wrong = 0;
    for (uint64_t p = 0; p < 3; ++p)
      for (uint64_t i = 0; i < n; ++i) wrong += r->times[p][i] != 1;
    REQUIRE(wrong == 0);
    REQUIRE(r->broken == 0);
    REQUIRE(r->disorder == 0);
    REQUIRE(queue_length(queue) == 0);
    heap().drop(queue);
    REQUIRE(heap_is.problem() == "");
  }
}

TEST_CASE("threads put and get everything exactly once", "[queue]") {
  Unchanged heap_is;
  uint64_t queue = create_queue(10);
  auto r = std::make_unique<Received>();
  uint64_t n = uint64_t(rounds(600, 20'000));
  REQUIRE(in_threads(4, [&](int me) {
    if (me >= 2) return take_all(queue, *r, 20'000, n) == Status::Ok;
    for (uint64_t i = 0; i < n; ++i)
      if (send(queue, uint64_t(me), i, mixed_size(i), within(20'000)) != Status::Ok) return false;
    return true;
  }));
  uint64_t wrong = 0;
  for (uint64_t p = 0; p < 2; ++p)
    for (uint64_t i = 0; i < n; ++i) wrong += r->times[p][i] != 1;
  REQUIRE(wrong + r->broken + r->disorder == 0);
  heap().drop(queue);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a producer killed in a put of 1 MB leaves no half message and nobody waiting", "[queue][fork]") {
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
    REQUIRE(send(queue, 2, 9, 200, within(2'000)) == Status::Ok); // there is room, and no dead guard
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
