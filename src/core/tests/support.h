// What the tests share: a session, child processes that answer with their exit code, and deaths at
// a chosen machine instruction. Every wait here ends with its condition, or with a failure.
#pragma once

#include "catch.h"

#include "guard.h"
#include "heap.h"
#include "job_board.h"
#include "lock.h"
#include "native.h"
#include "pipe.h"
#include "start.h"
#include "queue.h"
#include "joining.h"
#include "reaper.h"

#include <csignal>
#include <functional>
#include <random>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <vector>

struct sock_filter;

namespace test {

// The heap, with this process as a participant: the first line of every test case.
void session();

// MULTIPROCESSING_SOAK=1: all rounds. Otherwise as many as fit into a minute for everything.
bool soak();
inline int rounds(int quick, int all) { return soak() ? all : quick; }

constexpr int64_t kMs = 1'000'000;
mp::Wait within(int64_t ms); // from now
inline mp::Wait at_once() { return mp::Wait::until(0); }

// A start method, for one child.
bool fork_child(mp::Child& child, mp::Output output); // true in the child
void spawn_child(mp::Child& child, const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment, uint64_t process);

int open_files(); // of this process, of the first 1,024 descriptors
// From here on this process's calls pass the filter, as in a sandbox. False: the system has none.
bool filter_calls(sock_filter* filter, size_t count);

uint64_t random_below(uint64_t n);
void pause_us(uint64_t us);

// Looks every now and then until it is true; false after `ms`.
bool eventually(const std::function<bool()>& condition, int64_t ms = 10'000);

// How long something took, again and again. A machine that is busy with other things delays some.
class Delays {
public:
  void add(int64_t ns) { all_.push_back(ns); }
  int64_t percentile(size_t p) const; // in ns
  bool usually_below(int64_t ms) const { return percentile(90) < ms * kMs; }

private:
  std::vector<int64_t> all_;
};

// Memory that forked processes share, apart from the heap that is tested.
template <class T> class Shared {
public:
  Shared() {
    void* p = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw mp::Error{"TestError", "no shared memory"};
    value_ = new (p) T();
  }
  ~Shared() { munmap(value_, sizeof(T)); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  T* operator->() const { return value_; }
  T& operator*() const { return *value_; }

private:
  T* value_;
};

// Also one that may have died before it took its slot.
inline bool child_running(mp::Child& child) {
  return mp::state_of(child) == mp::ChildState::Running || !mp::poll_child(child);
}

// A forked process of the session. What `body` returns is its exit code; if it is not 0, what it
// said is printed.
class Kid {
public:
  explicit Kid(const std::function<int()>& body);
  ~Kid();
  Kid(const Kid&) = delete;
  Kid& operator=(const Kid&) = delete;
  void kill(int signal = SIGKILL) { mp::signal_child(child_, signal); }
  int join(int64_t ms = 30'000); // exit code or -signal; kStuck when it did not end in time
  mp::Child& child() { return child_; }
  mp::Token token() const { return child_.token; }
  static constexpr int kStuck = 1000;

private:
  mp::Child child_;
};
inline int sleep_for_ever() {
  for (;;) pause();
}
using Kids = std::vector<std::unique_ptr<Kid>>;

// A process that is stopped while it holds the heap's guard.
class Stopped {
public:
  Stopped();
  bool ends_by(int signal);
  std::string pid() { return std::to_string(kid_.child().pid); }

private:
  Kid kid_;
};

// Threads that are participants of their own. True if each body returned true.
bool in_threads(int n, const std::function<bool(int)>& body);

// Compares the heap with what it was: empty if nothing was lost or left, otherwise what was.
class Unchanged {
public:
  Unchanged();
  std::string problem();
  uint64_t blocks() const { return blocks_; }

private:
  uint64_t blocks_;
};
// Waits until the dead are swept. Empty, or what is wrong with the heap.
std::string heap_problem();

// Runs `body` in a child, from where it calls from_here() one machine instruction at a time, and
// kills it at instruction after instruction, spread over the whole length, as many as fit into the
// time; calls `after(k)` after each death. False where processes cannot be traced.
bool die_anywhere(const std::function<void()>& body, const std::function<void(uint64_t)>& after,
                  int64_t quick_ms = 1'200);

void from_here();

// The same, but the child is only stopped there, while `meanwhile` runs here, and then continues;
// `after` gets what `body` returned, or kStuck if it did not return in three seconds.
bool stop_anywhere(const std::function<int()>& body, const std::function<void()>& meanwhile,
                   const std::function<void(uint64_t, int)>& after, int64_t quick_ms = 1'200);

// A message that proves itself whole: its bytes follow from its first words. At least 24 of them.
void fill_message(uint8_t* data, uint64_t sender, uint64_t number, uint64_t bytes);
bool is_whole(const uint8_t* data, uint64_t bytes, uint64_t* sender, uint64_t* number);
class Letter {
public:
  Letter(uint64_t sender, uint64_t number, uint64_t bytes);
  ~Letter(); // drops its segment, unless it was sent
  Letter(const Letter&) = delete;
  Letter& operator=(const Letter&) = delete;
  mp::Status put(uint64_t queue, const mp::Wait& wait);
  mp::Status send(uint64_t connection, const mp::Wait& wait);

private:
  mp::Status sent(mp::Status s);
  mp::Outgoing out_;
  std::vector<uint8_t> small_;
};
mp::Status send(uint64_t queue, uint64_t sender, uint64_t number, uint64_t bytes,
                const mp::Wait& wait);

} // namespace test

using namespace mp;
using namespace test;
