// Slots that are reserved for a process to come: others may die, fork or come first.
#include "support.h"

#include <cerrno>
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace {

// Called in every fork between our handler, which is registered later and so runs before, and the fork itself.
std::atomic<void (*)()> between{nullptr};
const int registered = pthread_atfork(
    [] {
      if (auto act = between.exchange(nullptr)) act();
    },
    nullptr, nullptr);

// The child's exit code, of a fork that this library does not know of.
int fork_elsewhere(int (*body)()) {
  pid_t pid = fork();
  if (pid == 0) platform::leave(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Above this size fallocate() is undone by a signal, as on some kernels under a profiler. 0: it works.
std::atomic<uint64_t> undone_above{0};
std::atomic<int> undone{0};

} // namespace

extern "C" int fallocate(int fd, int mode, off_t offset, off_t bytes) {
  uint64_t limit = undone_above.load();
  if (limit && mode == 0 && uint64_t(bytes) > limit) {
    errno = ++undone < 1000 ? EINTR : ENOSPC; // ends a loop without an end
    return -1;
  }
  return int(syscall(SYS_fallocate, fd, mode, offset, bytes));
}

TEST_CASE("two threads may fork at once, and both children have their slots", "[reservation][fork]") {
  session();
  Unchanged heap_is;
  REQUIRE(registered == 0);
  for (int round = 0; round < 20; ++round) {
    between = [] { std::thread([] { fork_elsewhere([] { return 0; }); }).join(); };
    REQUIRE(fork_elsewhere([] { return self() != 0 ? 0 : 5; }) == 0);
    REQUIRE(between.load() == nullptr); // the other fork was in the middle of this one
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a process that dies as it reserves a slot leaves none that is not looked at", "[reservation][fork]") {
  session();
  Unchanged heap_is;
  HeapHeader& h = header();
  uint32_t top = h.top_slot.load(), used = 0;
  for (uint32_t slot = 0; slot < kSlots; ++slot)
    if (h.participants[slot].look().life != Life::Free) used = slot + 1;
  std::vector<Token> below; // the next slot is the first that was never used
  while (below.empty() || slot_of(below.back()) < used) below.push_back(require_slot());
  uint32_t first = slot_of(below.back()) + 1;
  auto restore = [&] {
    for (uint32_t slot = first; slot < kSlots; ++slot) {
      SlotState s = h.participants[slot].look();
      if (s.life == Life::Reserved) abandon_slot(make_token(slot, s.generation));
    }
    reap();
    h.top_slot.store(first);
  };
  bool lost = false;
  restore();
  auto body = [] {
    from_here();
    reserve_slot();
  };
  auto after = [&](uint64_t) {
    uint32_t end = h.top_slot.load();
    for (uint32_t slot = end; slot < kSlots; ++slot)
      lost = lost || h.participants[slot].look().life == Life::Reserved;
    h.top_slot.store(kSlots);
    restore();
  };
  if (!die_anywhere(body, after)) WARN("processes cannot be traced here");
  REQUIRE_FALSE(lost);
  for (Token t : below) abandon_slot(t);
  h.top_slot.store(std::max(top, first));
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a slot whose process has ended is free although another has its number", "[reservation][fork]") {
  session();
  Unchanged heap_is;
  constexpr int64_t kSecond = 1'000'000'000;
  {
    Kid other(sleep_for_ever);
    REQUIRE(eventually([&] { return is_alive(other.token()); }));
    for (bool reused : {false, true}) {
      Token t = require_slot();
      REQUIRE(expect_from(t, 0, other.child().pid));
      if (reused) participant(t).noted_at.store(platform::boot_ns() - 3600 * kSecond);
      reap();
      REQUIRE(is_expected(t) == !reused);
      abandon_slot(t);
    }
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("memory is reserved although signals undo large steps of it", "[reservation]") {
  session();
  Unchanged heap_is;
  int fd = platform::create_memory("test", 64u << 20);
  REQUIRE(fd >= 0);
  undone = 0;
  undone_above = 1u << 20;
  int problem = platform::back_memory(fd, 0, 40u << 20);
  undone_above = 0;
  close(fd);
  REQUIRE(problem == 0);
  REQUIRE(undone.load() > 0);
  REQUIRE(undone.load() < 10);
}
