// Linux behind the seam: clocks, and futexes for bells.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../bell.h"
#include "../clock.h"

#include <cerrno>
#include <ctime>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

namespace mp::platform {
namespace {

constexpr int kFutexWait = 0;     // FUTEX_WAIT, shared between processes
constexpr int kFutexWake = 1;     // FUTEX_WAKE
constexpr uint32_t kFutexU32 = 2; // FUTEX_32 for futex_waitv
constexpr int kMaxWatch = 128;    // FUTEX_WAITV_MAX
constexpr int64_t kTickNs = 10'000'000;

struct WaitVector { // struct futex_waitv of the kernel
  uint64_t value;
  uint64_t address;
  uint32_t flags;
  uint32_t reserved;
};

bool waitv_missing = false; // process-local: ENOSYS was seen (before Linux 5.16, or a sandbox)

int64_t read_clock(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return int64_t(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

timespec to_timespec(int64_t ns) {
  timespec t;
  t.tv_sec = ns / 1'000'000'000;
  t.tv_nsec = ns % 1'000'000'000;
  return t;
}

void wait_one(const Watch& w, int64_t deadline_ns) {
  int64_t left = deadline_ns - now_ns();
  if (left <= 0) return;
  timespec t = to_timespec(left);
  syscall(SYS_futex, w.word, kFutexWait, w.expected, deadline_ns == kForever ? nullptr : &t,
          nullptr, 0);
}

} // namespace

int64_t now_ns() { return read_clock(CLOCK_MONOTONIC); }
int64_t boot_ns() { return read_clock(CLOCK_BOOTTIME); }

void sleep_on(const Watch* words, int count, int64_t deadline_ns) {
  if (count <= 1) return wait_one(words[0], deadline_ns);
  if (!waitv_missing) {
    if (count > kMaxWatch) count = kMaxWatch;
    WaitVector v[kMaxWatch];
    for (int i = 0; i < count; ++i)
      v[i] = {words[i].expected, reinterpret_cast<uint64_t>(words[i].word), kFutexU32, 0};
    timespec t = to_timespec(deadline_ns == kForever ? 0 : deadline_ns);
    long rc = syscall(SYS_futex_waitv, v, count, 0, deadline_ns == kForever ? nullptr : &t,
                      CLOCK_MONOTONIC);
    if (rc >= 0 || errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT) return;
    waitv_missing =
        true; // an old kernel, or a sandbox that refuses what it does not know: any error
  }
  int64_t tick = now_ns() + kTickNs;
  wait_one(words[0], tick < deadline_ns ? tick : deadline_ns);
}

void wake(std::atomic<uint32_t>* word, int count) {
  syscall(SYS_futex, word, kFutexWake, count, nullptr, nullptr, 0);
}

void nap(int64_t ns) {
  timespec t = to_timespec(ns);
  nanosleep(&t, nullptr);
}

} // namespace mp::platform
