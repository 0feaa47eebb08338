#include "support.h"

#include "condition.h"
#include "dict.h"
#include "event.h"
#include "heap_internal.h"
#include "semaphore.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>

CATCH_TRANSLATE_EXCEPTION(mp::Error& e) { return e.kind + ": " + e.message; }

namespace test {
namespace {

std::mt19937_64& generator() {
  static thread_local std::mt19937_64 g(std::random_device{}());
  static thread_local pid_t mine = getpid();
  if (mine != getpid()) { // a fork would repeat its parent's numbers
    mine = getpid();
    g.seed(std::random_device{}());
  }
  return g;
}

} // namespace

int open_files() {
  int n = 0;
  for (int fd = 0; fd < 1024; ++fd) n += fcntl(fd, F_GETFD) >= 0;
  return n;
}

bool filter_calls(sock_filter* filter, size_t count) {
  sock_fprog program{static_cast<unsigned short>(count), filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

void session() {
  if (self()) return;
  Heap::create(uint64_t(1) << 30);
  install_fork_handlers();
  join_session();
}

bool soak() {
  const char* v = std::getenv("MULTIPROCESSING_SOAK");
  return v && std::strcmp(v, "1") == 0;
}

Wait within(int64_t ms) { return Wait::until(platform::now_ns() + ms * kMs); }
uint64_t random_below(uint64_t n) { return generator()() % n; }
void pause_us(uint64_t us) { std::this_thread::sleep_for(std::chrono::microseconds(us)); }

bool eventually(const std::function<bool()>& condition, int64_t ms) {
  int64_t end = platform::now_ns() + ms * kMs;
  for (;;) {
    bool late = platform::now_ns() >= end;
    if (condition()) return true;
    if (late) return false;
    pause_us(200);
  }
}

int64_t Delays::percentile(size_t p) const {
  std::vector<int64_t> sorted(all_);
  std::sort(sorted.begin(), sorted.end());
  return sorted.empty() ? INT64_MAX : sorted[(sorted.size() - 1) * p / 100];
}

bool fork_child(Child& child, Output output) {
  StartOrder order{output};
  fork_method.prepare(child, order);
  return fork_method.launch({&child}, order) == 0;
}

void spawn_child(Child& child, const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment, uint64_t process) {
  StartOrder order{Output::Captured, true, arguments, environment};
  child.process = process;
  spawn_method.prepare(child, order);
  spawn_method.launch({&child}, order);
}

Kid::Kid(const std::function<int()>& body) {
  if (!fork_child(child_, Output::Captured)) return;
  int code = 98;
  try {
    code = body();
  } catch (const Error& e) {
    std::fprintf(stderr, "%s: %s\n", e.kind.c_str(), e.message.c_str());
  }
  leave_process(0, code);
}

Kid::~Kid() {
  kill();
  join();
  close_child(child_);
}

int Kid::join(int64_t ms) {
  bool said = child_.reaped;
  if (!eventually([&] { return poll_child(child_); }, ms)) {
    kill();
    eventually([&] { return poll_child(child_); });
    child_.status = kStuck;
  }
  if (!said && child_.status != 0 && child_.status != -SIGKILL)
    for (int stream : {0, 1})
      std::fprintf(stderr, "%s", read_output(child_, stream, 10'000).c_str());
  return child_.status;
}

Stopped::Stopped()
    : kid_([] {
        HeapSection section(heap());
        raise(SIGSTOP);
        return 0;
      }) {
  pid_t pid = kid_.child().pid;
  if (!eventually([&] { return platform::process_stopped(pid); })) throw Error{"TestError", "it did not stop"};
}

bool Stopped::ends_by(int signal) {
  kid_.kill(signal);
  return kid_.join() == (signal == SIGCONT ? 0 : -signal);
}

bool in_threads(int n, const std::function<bool(int)>& body) {
  std::vector<char> good(size_t(n), 0);
  std::vector<std::thread> threads;
  for (int i = 0; i < n; ++i)
    threads.emplace_back([&, i] {
      join_session();
      good[size_t(i)] = body(i);
      leave_session();
    });
  bool all = true;
  for (int i = 0; i < n; ++i) {
    threads[size_t(i)].join();
    all = all && good[size_t(i)];
  }
  return all;
}

std::string heap_problem() {
  HeapHeader& h = heap().header();
  auto others = [&] {
    reap();
    int n = 0;
    for (Participant& p : h.participants) n += SlotState::unpack(p.state.load()).life != Life::Free;
    return n - 1 - (native::token() != 0);
  };
  if (!eventually([&] { return others() == 0; })) return "the dead keep their slots";
  return heap().check().problem;
}

Unchanged::Unchanged() {
  session();
  std::string p = heap_problem();
  if (!p.empty()) throw Error{"TestError", p};
  blocks_ = heap().check().used_blocks;
}

std::string Unchanged::problem() {
  std::string p = heap_problem();
  uint64_t now = heap().check().used_blocks;
  if (p.empty() && now != blocks_)
    p = std::to_string(now) + " blocks, there were " + std::to_string(blocks_);
  return p;
}

void fill_message(uint8_t* data, uint64_t sender, uint64_t number, uint64_t bytes) {
  auto* w = reinterpret_cast<uint64_t*>(data);
  w[0] = sender;
  w[1] = number;
  w[2] = bytes;
  for (uint64_t i = 24; i < bytes; ++i) data[i] = uint8_t(sender * 31 + number * 7 + i);
}

bool is_whole(const uint8_t* data, uint64_t bytes, uint64_t* sender, uint64_t* number) {
  uint64_t w[3];
  if (bytes < 24) return false;
  std::memcpy(w, data, 24);
  *sender = w[0];
  *number = w[1];
  if (w[2] != bytes) return false;
  for (uint64_t i = 24; i < bytes; ++i)
    if (data[i] != uint8_t(w[0] * 31 + w[1] * 7 + i)) return false;
  return true;
}

Letter::Letter(uint64_t sender, uint64_t number, uint64_t bytes) {
  out_.size = bytes;
  if (bytes > kInlineBytes) {
    out_.segment = create_segment(bytes);
    fill_message(segment_data(out_.segment), sender, number, bytes);
  } else {
    small_.resize(bytes);
    fill_message(small_.data(), sender, number, bytes);
    out_.bytes = small_.data();
  }
}
Letter::~Letter() {
  if (out_.segment) heap().drop(out_.segment);
}
Status Letter::sent(Status s) {
  if (s == Status::Ok) out_.segment = 0;
  return s;
}
Status Letter::put(uint64_t queue, const Wait& wait) {
  return sent(put_message(queue, out_, wait));
}
Status Letter::send(uint64_t c, const Wait& wait) { return sent(send_message(c, out_, wait)); }

Status send(uint64_t queue, uint64_t sender, uint64_t number, uint64_t bytes, const Wait& wait) {
  return Letter(sender, number, bytes).put(queue, wait);
}

} // namespace test
