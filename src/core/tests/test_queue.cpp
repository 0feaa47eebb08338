#include "queue_traffic.h"

#include <cstring>

namespace {

bool interrupt(void*) { return true; }

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
  uint64_t target = heap().allocate(70'000, BlockKind::Bytes), serial = heap().serial_of(target);
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
  for (uint64_t bound : {0, 3, 64}) {
    Unchanged heap_is;
    uint64_t queue = create_queue(bound);
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
