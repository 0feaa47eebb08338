// The core's own figures, without R: what the R functions could cost at best.
//   core lock     seconds per acquire + release of a free lock
//   core queue    seconds per 8-byte item from one process to another
//   core echo     seconds per item to another process and back
// Built by sync.R from src/core.
#include "heap.h"
#include "joining.h"
#include "lock.h"
#include "participant.h"
#include "pipe.h"
#include "process.h"
#include "start.h"
#include "queue.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

using namespace mp;

namespace {

double seconds_since(int64_t start) { return double(platform::now_ns() - start) * 1e-9; }

double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

// In a child that ends when `work` does.
template <class F> void start_child(Child& child, F work) {
  StartOrder order;
  order.output = Output::Inherited;
  fork_method.prepare(child, order);
  if (fork_method.launch({&child}, order) < 0) return;
  work();
  leave_process(0, 0);
}

void join(Child& child) {
  while (!poll_child(child)) {
  }
  close_child(child);
}

double lock() {
  constexpr int n = 1'000'000;
  uint64_t one = create_lock(false);
  std::vector<double> times;
  for (int batch = 0; batch < 7; ++batch) {
    int64_t start = platform::now_ns();
    for (int i = 0; i < n; ++i) {
      acquire_lock(one, Wait());
      release_lock(one);
    }
    times.push_back(seconds_since(start) / n);
  }
  return median(times);
}

double queue() {
  constexpr int n = 500'000;
  uint64_t items = create_queue(0), go = create_queue(0);
  double x = 1;
  Outgoing message{reinterpret_cast<const uint8_t*>(&x), sizeof x, 0};
  Child producer;
  start_child(producer, [&] {
    Incoming in;
    get_message(go, in, Wait());
    for (int i = 0; i < n; ++i) put_message(items, message, Wait());
  });
  Incoming in;
  int64_t start = platform::now_ns();
  put_message(go, message, Wait());
  for (int i = 0; i < n; ++i) get_message(items, in, Wait());
  double taken = seconds_since(start) / n;
  join(producer);
  return taken;
}

double echo() {
  constexpr int n = 20'000;
  uint64_t ends[2];
  create_pipe(true, ends);
  double x = 1;
  Outgoing message{reinterpret_cast<const uint8_t*>(&x), sizeof x, 0};
  Child other;
  start_child(other, [&] {
    Incoming in;
    for (int i = 0; i < 7 * n; ++i) {
      receive_message(ends[1], in, Wait());
      send_message(ends[1], message, Wait());
    }
  });
  std::vector<double> times;
  Incoming in;
  for (int batch = 0; batch < 7; ++batch) {
    int64_t start = platform::now_ns();
    for (int i = 0; i < n; ++i) {
      send_message(ends[0], message, Wait());
      receive_message(ends[0], in, Wait());
    }
    times.push_back(seconds_since(start) / n);
  }
  join(other);
  return median(times);
}

} // namespace

int main(int argc, char** argv) {
  std::string what = argc == 2 ? argv[1] : "";
  install_fork_handlers();
  Heap::create();
  join_session();
  double figure = 0;
  if (what == "lock") figure = lock();
  else if (what == "queue") figure = queue();
  else if (what == "echo") figure = echo();
  else {
    std::fprintf(stderr, "usage: core lock | queue | echo\n");
    return 2;
  }
  std::printf("%.3e\n", figure);
  return 0;
}
