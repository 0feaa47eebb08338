// Systems that refuse a call, as sandboxes, old kernels and limits do.
#include "support.h"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

namespace {

// From here on one call of this process fails where its third argument is this one.
bool refuse_call(uint32_t call, uint32_t third, uint32_t error) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, third, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  return filter_calls(filter, sizeof filter / sizeof *filter);
}

// From here on these two calls of this process fail.
bool refuse_calls(uint32_t error) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex_waitv, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  return filter_calls(filter, sizeof filter / sizeof *filter);
}

} // namespace

TEST_CASE("where waiting for several words is refused, a wait sleeps all the same",
          "[sandbox][fork]") {
  Unchanged heap_is;
  for (int error : {EPERM, ENOSYS, EACCES, EINVAL}) {
    Kid kid([&] {
      if (!refuse_calls(uint32_t(error))) return 77;
      std::atomic<uint32_t> words[2] = {{0}, {0}};
      platform::Watch watched[2] = {{&words[0], 0}, {&words[1], 0}};
      int returns = 0;
      for (int64_t end = platform::now_ns() + 200 * kMs; platform::now_ns() < end; ++returns)
        platform::sleep_on(watched, 2, end);
      return returns < 200 ? 0 : 1; // a tick is 10 ms
    });
    int code = kid.join();
    if (code != 77) REQUIRE(code == 0); // 77: this system knows no such filters
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("where descriptors of processes are refused, a dead one is known by its number",
          "[sandbox][fork]") {
  Unchanged heap_is;
  for (int error : {EPERM, ENOSYS, EACCES}) {
    Kid kid([&] {
      Kid dead([] { return 0; });
      pid_t pid = pid_of(dead.token());
      if (dead.join() != 0 || !refuse_calls(uint32_t(error))) return 77;
      if (!platform::process_gone(pid, 0)) return 1;
      return platform::process_gone(getpid(), platform::boot_ns()) ? 2 : 0;
    });
    int code = kid.join();
    if (code != 77) REQUIRE(code == 0);
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("where pages cannot be made through a mapping, they are reserved, and filled all the same", "[sandbox][fork]") {
  Unchanged heap_is;
  for (int error : {EINVAL, ENOSYS, EPERM, EFAULT}) {
    Kid kid([&] {
      constexpr uint32_t populate = 23; // MADV_POPULATE_WRITE
      if (!refuse_call(SYS_madvise, populate, uint32_t(error))) return 77;
      std::vector<uint8_t> bytes(3'000'000, 7);
      heap().trim(0);
      heap().header().filler = self(); // not by writing
      uint64_t b = heap().allocate_copy(bytes.data(), bytes.size(), 48);
      return std::memcmp(heap().at(b + 48), bytes.data(), bytes.size()) == 0 ? 0 : 1;
    });
    int code = kid.join();
    if (code != 77) REQUIRE(code == 0);
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a limit on file sizes that is lowered later is an error, and not the end of the process",
          "[sandbox][fork]") {
  Unchanged heap_is;
  Kid kid([] {
    rlimit few{1 << 20, 1 << 20};
    if (setrlimit(RLIMIT_FSIZE, &few) != 0) return 77;
    std::vector<uint8_t> bytes(8 << 20);
    heap().trim(0);
    for (int way : {0, 1, 2}) {
      heap().header().filler = way == 1 ? self() : 0; // written, through the mapping, reserved
      try {
        if (way < 2) heap().allocate_copy(bytes.data(), bytes.size());
        else heap().allocate(256 << 20, BlockKind::Bytes, false);
        return 1;
      } catch (const Error& e) {
        if (e.kind != "HeapFullError" || e.message.find("ulimit -f") == std::string::npos) return 2;
      }
    }
    return 0;
  });
  int code = kid.join();
  if (code != 77) REQUIRE(code == 0);
  REQUIRE(heap_is.problem() == "");
}
