// (1) The caller alone does a little of the work and looks at the clock. (2) If the rest is not
// worth a second thread, it continues alone. (3) Otherwise helpers are called, and all threads take grains
// from one counter. (4) When the caller finds nothing left, it shuts the door and waits for the helpers that are
// inside; a helper that comes later finds it shut. So a helper that never comes (a pool that is
// busy, or was lost in a fork) costs nothing but its share of the speed.
#include "loop.h"
#include "platform/platform.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

namespace mp {
namespace {

using platform::now_ns;

constexpr int64_t kPollNs = 20'000'000;
constexpr int64_t kGrainNs = 1'000'000;   // a grain takes about this long: few enough of them,
                                          // and the last one delays the end little
constexpr int64_t kGlanceNs = 5'000;      // less cannot be measured well
constexpr int64_t kWorthHelpNs = 100'000; // less is done before a helper has come

struct Crew {
  explicit Crew(const Loop& l) : loop(l) {}
  const Loop loop;
  std::atomic<uint64_t> next{0};     // by fetch_add; may go beyond the count
  std::atomic<bool> must_end{false}; // by any thread, never reset
  std::mutex door;
  std::condition_variable somebody_left;
  int inside = 0;    // helpers; under `door`
  bool shut = false; // by the caller; under `door`
};

thread_local const std::atomic<bool>* my_end = nullptr; // of the loop that this thread works for

struct AtWork {
  explicit AtWork(const std::atomic<bool>& end) { my_end = &end; }
  ~AtWork() { my_end = nullptr; }
};

// The caller's checks for Ctrl-C.
struct Polls {
  bool (*poll)();
  int64_t due = now_ns() + kPollNs;
  bool interrupted = false;
  bool operator()(int64_t now) {
    if (!poll || now < due) return interrupted;
    interrupted = interrupted || poll();
    due = now_ns() + kPollNs;
    return interrupted;
  }
};

void take_grains(Crew& crew, uint64_t grain, Polls* polls) {
  const Loop& loop = crew.loop;
  int64_t began = now_ns();
  // relaxed: a thread that sees it late does one grain more
  while (!crew.must_end.load(std::memory_order_relaxed)) {
    uint64_t first = crew.next.fetch_add(grain, std::memory_order_relaxed);
    if (first >= loop.count) return;
    uint64_t end = first + std::min(grain, loop.count - first);
    if (loop.body(loop.data, first, end)) crew.must_end.store(true, std::memory_order_relaxed);
    int64_t now = now_ns();
    if (polls && (*polls)(now)) crew.must_end.store(true, std::memory_order_relaxed);
    // Twice as long or half as long, and near the end ever shorter.
    if (now - began > kGrainNs) grain /= 2;
    else if (now - began < kGrainNs / 4) grain *= 2;
    grain = std::min(grain, (loop.count - end) / (2 * loop.threads));
    grain = std::max(grain, loop.least);
    began = now;
  }
}

void help(const std::shared_ptr<Crew>& crew, uint64_t grain) {
  {
    std::lock_guard<std::mutex> hold(crew->door);
    if (crew->shut || my_end) return; // too late, or a pool's thread that waits within a loop
    ++crew->inside;
  }
  {
    AtWork work(crew->must_end);
    take_grains(*crew, grain, nullptr);
  }
  std::lock_guard<std::mutex> hold(crew->door);
  if (--crew->inside == 0) crew->somebody_left.notify_all();
}

void wait_for_helpers(Crew& crew, Polls& polls) {
  std::unique_lock<std::mutex> hold(crew.door);
  crew.shut = true;
  while (crew.inside > 0) {
    if (!crew.loop.poll) {
      crew.somebody_left.wait(hold);
      continue;
    }
    crew.somebody_left.wait_for(hold, std::chrono::nanoseconds(kPollNs));
    hold.unlock(); // a poll may take its time
    if (polls(now_ns())) crew.must_end.store(true, std::memory_order_relaxed);
    hold.lock();
  }
}

// Within a loop already: a part of one thread's share.
LoopEnd run_alone(const Loop& loop) {
  for (uint64_t first = 0; first < loop.count; first += loop.least) {
    if (loop_must_end()) return LoopEnd::Stopped;
    if (loop.body(loop.data, first, first + std::min(loop.least, loop.count - first)))
      return LoopEnd::Stopped;
  }
  return LoopEnd::Done;
}

Launcher launcher = launch_threads;

} // namespace

bool loop_must_end() { return my_end && my_end->load(std::memory_order_relaxed); }

void launch_with(Launcher l) { launcher = l; }

void launch_threads(unsigned count, const std::function<void()>& helper) {
  try {
    while (count-- > 0) std::thread(helper).detach();
  } catch (const std::system_error&) { // no more threads: those that have started will do
  }
}

LoopEnd run_loop(const Loop& given) {
  Loop loop = given;
  loop.threads = std::max(1u, loop.threads);
  loop.least = std::max<uint64_t>(1, loop.least);
  if (my_end) return run_alone(loop);
  if (loop.count <= loop.least) // (2) before the first look at the clock
    return loop.count == 0 || loop.body(loop.data, 0, loop.count) == 0 ? LoopEnd::Done
                                                                       : LoopEnd::Stopped;

  auto crew = std::make_shared<Crew>(loop);
  AtWork work(crew->must_end);
  Polls polls{loop.poll};
  uint64_t grain = loop.least, helpers = loop.threads - 1;
  if (loop.probe && helpers > 0) {
    uint64_t done = 0;
    for (;;) { // (1)
      uint64_t end = done + std::min(grain, loop.count - done);
      int64_t began = now_ns();
      if (loop.body(loop.data, done, end)) return LoopEnd::Stopped;
      int64_t took = now_ns() - began;
      double rest = double(took) / double(end - done) * double(loop.count - end);
      done = end;
      if (done == loop.count) return LoopEnd::Done;
      if (took >= kGlanceNs) {
        if (rest < kWorthHelpNs) helpers = 0;
        helpers = std::min<uint64_t>(helpers, uint64_t(rest / (kWorthHelpNs / 2)));
        break;
      }
      grain *= 2;
    }
    crew->next.store(done, std::memory_order_relaxed);
  }
  helpers = std::min(helpers, loop.count - 1);
  if (helpers > 0) // (3)
    launcher(unsigned(helpers), [crew, grain] { help(crew, grain); });
  take_grains(*crew, grain, &polls);
  if (helpers > 0) wait_for_helpers(*crew, polls); // (4)
  if (polls.interrupted) return LoopEnd::Interrupted;
  return crew->must_end.load(std::memory_order_relaxed) ? LoopEnd::Stopped : LoopEnd::Done;
}

} // namespace mp
