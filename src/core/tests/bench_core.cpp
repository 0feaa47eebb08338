// What the core's parts cost, without R. Not a test: `make bench`.
#include "doorbell.h"
#include "heap.h"
#include "lock.h"
#include "process.h"
#include "queue.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <functional>
#include <unistd.h>

using namespace mp;

namespace {

// The median of some runs, in ns per operation.
double median_ns(int operations, const std::function<void()>& run) {
  std::vector<double> t;
  for (int i = 0; i < 9; ++i) {
    int64_t start = platform::now_ns();
    run();
    t.push_back(double(platform::now_ns() - start) / operations);
  }
  std::sort(t.begin(), t.end());
  return t[t.size() / 2];
}

void report(const char* what, double ns) { std::printf("%-52s %10.1f ns\n", what, ns); }

void expect_end(Child& child) {
  while (!poll_child(child)) usleep(100);
  close_child(child);
}

void free_lock(bool recursive, const char* what) {
  uint64_t lock = create_lock(recursive);
  constexpr int n = 1'000'000;
  report(what, median_ns(n, [&] {
           for (int i = 0; i < n; ++i) {
             acquire_lock(lock, Wait());
             release_lock(lock);
           }
         }));
  heap().drop(lock);
}

void heap_blocks(uint64_t bytes, const char* what) {
  constexpr int n = 20'000;
  report(what, median_ns(n, [&] {
           for (int i = 0; i < n; ++i) heap().drop(heap().allocate(bytes, Kind::Bytes, false));
         }));
}

// One process puts, the other gets.
void queue_items(uint64_t places, uint64_t bytes, int n, const char* what) {
  uint64_t queue = create_queue(places);
  std::vector<uint8_t> data(bytes, 1);
  Child child;
  if (fork_child(child, Output::Discarded)) {
    Incoming in;
    while (get_message(queue, in, Wait()) == Status::Ok && in.size() > 1) {
    }
    leave_process(0, 0);
  }
  auto put = [&](uint64_t size) {
    Outgoing out;
    out.size = size;
    if (size > kInlineBytes) {
      out.segment = create_segment(size);
      std::copy(data.begin(), data.end(), segment_data(out.segment));
    } else {
      out.bytes = data.data();
    }
    put_message(queue, out, Wait());
  };
  double ns = median_ns(n, [&] {
    for (int i = 0; i < n; ++i) put(bytes);
    while (queue_length(queue) > 0) platform::relax();
  });
  report(what, ns);
  if (bytes > 100'000) std::printf("%-52s %10.2f GB/s\n", "", double(bytes) / ns);
  put(1);
  expect_end(child);
  heap().drop(queue);
}

// There and back through two queues; `idle_us` before each turn, so that both sleep.
void round_trip(int n, unsigned idle_us, const char* what) {
  uint64_t there = create_queue(0), back = create_queue(0);
  auto put = [](uint64_t queue, uint8_t byte) { put_message(queue, {&byte, 1, 0}, Wait()); };
  auto get = [](uint64_t queue) {
    Incoming in;
    get_message(queue, in, Wait());
    return in.data()[0];
  };
  Child child;
  if (fork_child(child, Output::Discarded)) {
    while (uint8_t byte = get(there)) put(back, byte);
    leave_process(0, 0);
  }
  std::vector<double> t;
  for (int i = 0; i < n; ++i) {
    if (idle_us) usleep(idle_us);
    int64_t start = platform::now_ns();
    put(there, 1);
    get(back);
    t.push_back(double(platform::now_ns() - start));
  }
  std::sort(t.begin(), t.end());
  report(what, t[t.size() / 2]);
  put(there, 0);
  expect_end(child);
  heap().drop(there);
  heap().drop(back);
}

// From a killed owner to the next one, who waits.
void takeover(int n) {
  uint64_t lock = create_lock(false);
  std::vector<double> t;
  for (int i = 0; i < n; ++i) {
    Child owner, killer;
    if (fork_child(owner, Output::Discarded)) {
      acquire_lock(lock, Wait());
      for (;;) pause();
    }
    while (!is_locked(lock)) usleep(50);
    auto* when = heap().at<std::atomic<int64_t>>(lock + 2048);
    if (fork_child(killer, Output::Discarded)) {
      usleep(2000);
      when->store(platform::now_ns());
      signal_child(owner, SIGKILL);
      leave_process(0, 0);
    }
    acquire_lock(lock, Wait());
    t.push_back(double(platform::now_ns() - when->load()));
    release_lock(lock);
    expect_end(owner);
    expect_end(killer);
  }
  std::sort(t.begin(), t.end());
  report("lock of a killed owner: SIGKILL to takeover", t[t.size() / 2]);
  heap().drop(lock);
}

} // namespace

int main() {
  Heap::create(uint64_t(4) << 30);
  install_fork_handlers();
  register_lock_kind();
  register_queue_kind();
  join_session();
  free_lock(false, "free Lock, acquire + release");
  free_lock(true, "free RLock, acquire + release");
  heap_blocks(4096, "heap block of 4 KiB, allocate + drop");
  heap_blocks(1 << 20, "heap block of 1 MiB, allocate + drop");
  queue_items(0, 64, 100'000, "queue, 64 bytes, 1 producer 1 consumer");
  queue_items(100, 64, 50'000, "queue of 100 places, 64 bytes");
  queue_items(1, 64, 20'000, "queue of 1 place, 64 bytes");
  queue_items(0, 1'000'000, 200, "queue, 1 MB items");
  round_trip(20'000, 0, "two queues, there and back, busy");
  round_trip(500, 2000, "two queues, there and back, both asleep before");
  takeover(30);
  return 0;
}
