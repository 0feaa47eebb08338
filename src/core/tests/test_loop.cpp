// Loops in several threads of one process.
#include "loop.h"
#include "support.h"

#include <numeric>

using namespace mp;
using namespace test;

namespace {

// A loop whose body is any callable.
template <class Body> LoopEnd loop(uint64_t count, unsigned threads, Loop how, Body body) {
  how.count = count;
  how.threads = threads;
  how.data = &body;
  how.body = [](void* data, uint64_t begin, uint64_t end) {
    return int((*static_cast<Body*>(data))(begin, end));
  };
  return run_loop(how);
}

Loop known_to_be_long() {
  Loop l;
  l.probe = false;
  return l;
}

std::atomic<bool> wanted{false};
bool interrupt_when_wanted() { return wanted.load(); }

} // namespace

TEST_CASE("a loop does each element once, whatever the threads and the grain", "[loop]") {
  for (unsigned threads : {1, 2, 3, 8})
    for (uint64_t count : {0, 1, 2, 7, 1000, 200'000})
      for (uint64_t least : {1, 64}) {
        std::vector<uint8_t> seen(count);
        Loop how = threads % 2 ? known_to_be_long() : Loop();
        how.least = least;
        LoopEnd end = loop(count, threads, how, [&](uint64_t first, uint64_t last) {
          for (uint64_t i = first; i < last; ++i) ++seen[i];
          return 0;
        });
        REQUIRE(end == LoopEnd::Done);
        REQUIRE(std::accumulate(seen.begin(), seen.end(), uint64_t(0)) == count);
        REQUIRE(std::all_of(seen.begin(), seen.end(), [](uint8_t n) { return n == 1; }));
      }
}

TEST_CASE("what helpers wrote is seen by the caller", "[loop]") {
  for (int round = 0; round < rounds(200, 5000); ++round) {
    std::vector<uint64_t> out(64);
    loop(64, 3, known_to_be_long(), [&](uint64_t first, uint64_t last) {
      for (uint64_t i = first; i < last; ++i) out[i] = i * i;
      return 0;
    });
    for (uint64_t i = 0; i < 64; ++i) REQUIRE(out[i] == i * i);
  }
}

TEST_CASE("two threads are at work at the same time", "[loop]") {
  std::atomic<int> inside{0};
  std::atomic<bool> met{false};
  LoopEnd end = loop(2, 2, known_to_be_long(), [&](uint64_t, uint64_t) {
    ++inside;
    bool came = eventually([&] { return inside.load() == 2 || met.load(); });
    met.store(true);
    return came ? 0 : 1;
  });
  REQUIRE(end == LoopEnd::Done);
}

TEST_CASE("a body that stops the loop ends it soon for all threads", "[loop]") {
  std::atomic<uint64_t> done{0};
  constexpr uint64_t kMany = 1'000'000'000'000;
  LoopEnd end = loop(kMany, 3, Loop(), [&](uint64_t first, uint64_t last) {
    done += last - first;
    return first > 100'000;
  });
  REQUIRE(end == LoopEnd::Stopped);
  REQUIRE(done.load() < kMany);
  REQUIRE_FALSE(loop_must_end()); // it is over for this thread
}

TEST_CASE("an interrupt ends a loop, and the waits within it", "[loop]") {
  wanted = false;
  std::atomic<int> waiting{0};
  Loop how = known_to_be_long();
  how.poll = interrupt_when_wanted;
  LoopEnd end = loop(2, 2, how, [&](uint64_t, uint64_t) {
    bool caller = waiting++ == 0;
    if (caller) return int(!eventually([&] { return waiting.load() == 2; }));
    wanted = true; // seen by the caller, which waits for us
    return int(!eventually([] { return loop_must_end(); }));
  });
  REQUIRE(end == LoopEnd::Interrupted);
  wanted = false;
}

TEST_CASE("a loop within a loop runs in its own thread", "[loop]") {
  std::atomic<uint64_t> sum{0};
  LoopEnd end = loop(8, 2, known_to_be_long(), [&](uint64_t first, uint64_t last) {
    for (uint64_t i = first; i < last; ++i) {
      std::thread::id me = std::this_thread::get_id();
      bool mine = true;
      loop(1000, 4, known_to_be_long(), [&](uint64_t a, uint64_t b) {
        mine = mine && std::this_thread::get_id() == me;
        sum += b - a;
        return 0;
      });
      if (!mine) return 1;
    }
    return 0;
  });
  REQUIRE(end == LoopEnd::Done);
  REQUIRE(sum.load() == 8000);
}

TEST_CASE("helpers that never come, or come too late, hold up no other", "[loop]") {
  static std::vector<std::function<void()>> kept;
  launch_with([](unsigned, const std::function<void()>& helper) { kept.push_back(helper); });
  std::atomic<uint64_t> sum{0};
  LoopEnd end = loop(1000, 2, known_to_be_long(), [&](uint64_t first, uint64_t last) {
    sum += last - first;
    return 0;
  });
  launch_with(launch_threads);
  REQUIRE(end == LoopEnd::Done);
  REQUIRE(kept.size() == 1);
  for (auto& late : kept) late(); // what the loop referred to is gone
  kept.clear();
  REQUIRE(sum.load() == 1000);
}

TEST_CASE("a forked child runs loops with threads of its own", "[loop][fork]") {
  session();
  auto sums = [](uint64_t n) {
    std::atomic<uint64_t> sum{0};
    loop(n, 2, known_to_be_long(), [&](uint64_t first, uint64_t last) {
      for (uint64_t i = first; i < last; ++i) sum += i;
      return 0;
    });
    return sum.load() == n * (n - 1) / 2;
  };
  REQUIRE(sums(1000));
  for (int round = 0; round < rounds(50, 1000); ++round) {
    Kid kid([&] { return sums(1000) ? 0 : 1; });
    REQUIRE(sums(100));
    REQUIRE(kid.join() == 0);
  }
}
