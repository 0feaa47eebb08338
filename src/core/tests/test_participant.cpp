#include "support.h"

#include <sys/wait.h>

namespace {

// A fork that this library does not know of, as other packages make them.
int foreign_fork(const std::function<int()>& body) {
  pid_t pid = fork();
  if (pid == 0) platform::leave(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

} // namespace

TEST_CASE("a killed process is dead at once, zombie or not", "[participant][fork]") {
  session();
  for (int round = 0; round < rounds(30, 1000); ++round) {
    Kid kid(sleep_for_ever);
    REQUIRE(eventually([&] { return is_alive(kid.token()); }));
    REQUIRE(pid_of(kid.token()) == kid.child().pid);
    kid.kill();
    REQUIRE(eventually([&] { return !is_alive(kid.token()); }, 1000)); // its parent has not waited for it
    REQUIRE(kid.join() == -SIGKILL);
  }
  REQUIRE(heap_problem() == "");
}

TEST_CASE("a child that dies before it takes its slot leaves none taken", "[participant][fork]") {
  Unchanged heap_is;
  for (int round = 0; round < rounds(50, 2000); ++round) {
    Kid kid(sleep_for_ever);
    pause_us(random_below(300));
    kid.kill();
    REQUIRE(eventually([&] { return !child_running(kid.child()); }, 1000));
    REQUIRE_FALSE(is_expected(kid.token()));
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a slot that is used again belongs to another participant", "[participant][fork]") {
  REQUIRE(Unchanged().problem() == "");
  Token old;
  {
    Kid kid(sleep_for_ever);
    old = kid.token();
  }
  REQUIRE(heap_problem() == "");
  Kid kid(sleep_for_ever);
  REQUIRE(eventually([&] { return is_alive(kid.token()); }));
  REQUIRE(slot_of(kid.token()) == slot_of(old));
  REQUIRE(generation_of(kid.token()) != generation_of(old));
  REQUIRE_FALSE(is_alive(old));
  REQUIRE_FALSE(is_expected(old));
}

TEST_CASE("an abandoned reservation cannot be claimed", "[participant]") {
  session();
  Token t = reserve_slot();
  REQUIRE(is_expected(t));
  REQUIRE_FALSE(is_alive(t));
  abandon_slot(t);
  REQUIRE_FALSE(is_expected(t));
  std::string kind;
  std::thread([&] {
    try {
      join_session(t);
    } catch (const Error& e) {
      kind = e.kind;
    }
  }).join();
  REQUIRE(kind == "ProcessError");
  REQUIRE(heap_problem() == "");
}

TEST_CASE("an abandoned reservation is swept although the one it names lives", "[participant]") {
  Unchanged heap_is;
  Token t = reserve_for_fork();
  REQUIRE(expect_from(t, 0, getppid()));
  abandon_slot(t);
  reap();
  REQUIRE(is_swept(t));
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a pid that is another process's by now is gone", "[participant][fork]") {
  session();
  int64_t before = platform::boot_ns() - 1'000'000'000; // the system rounds starts down to a tick
  {
    Kid kid(sleep_for_ever);
    REQUIRE(eventually([&] { return is_alive(kid.token()); }));
    pid_t pid = kid.child().pid;
    REQUIRE(platform::process_gone(pid, before)); // the one that had this pid a second ago is another
    REQUIRE_FALSE(platform::process_gone(pid, participant(kid.token()).claimed_at));
    REQUIRE_FALSE(platform::process_gone(pid, 0));
  }
  REQUIRE(heap_problem() == "");
}

TEST_CASE("when all 1,024 slots are taken a fork is an error, and nothing breaks",
          "[participant][fork]") {
  Unchanged heap_is;
  std::vector<Token> taken;
  while (Token t = reserve_slot()) taken.push_back(t);
  REQUIRE(taken.size() == kSlots - 1);
  std::string kind, message;
  try {
    Kid kid(sleep_for_ever);
  } catch (const Error& e) {
    kind = e.kind;
    message = e.message;
  }
  REQUIRE(kind == "ProcessError");
  REQUIRE(message.find("1024") != std::string::npos);
  // A foreign child without a slot is no participant: it must not pass for its parent.
  REQUIRE(foreign_fork([] { return self() == 0 ? 5 : 6; }) == 5);
  abandon_slot(taken.back());
  {
    Kid kid([] { return 0; }); // one is enough
    REQUIRE(kid.join() == 0);
  }
  for (Token t : taken) abandon_slot(t);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("all 1,024 slots can be lived in at once", "[participant]") {
  Unchanged heap_is;
  std::atomic<int> joined{0}, refused{0};
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  int n = int(kSlots) + 5;
  for (int i = 0; i < n; ++i)
    threads.emplace_back([&] {
      try {
        join_session();
      } catch (const Error&) {
        ++refused;
        return;
      }
      ++joined;
      while (!over) pause_us(2000);
      leave_session();
    });
  REQUIRE(eventually([&] { return joined + refused == n; }, 30'000));
  over = true;
  for (auto& t : threads) t.join();
  REQUIRE(joined == int(kSlots) - 1);
  REQUIRE(refused == 6);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("forks that are not ours change nothing that their parent holds", "[participant][fork]") {
  Unchanged heap_is;
  uint64_t block = heap().allocate(9000, BlockKind::Bytes), serial = heap().serial_of(block);
  uint64_t lock = create_lock(false);
  REQUIRE(acquire_lock(lock, Wait()) == Status::Ok);
  Token me = self();
  for (int round = 0; round < rounds(40, 1000); ++round) {
    int status = foreign_fork([&] {
      if (self() == me || self() == 0) return 1;
      if (lock_owner(lock) != me) return 2;
      if (acquire_lock(lock, at_once()) != Status::Timeout) return 3;
      heap().drop(block); // a copy of the parent's handle is collected
      heap().drop(lock);
      if (round % 4 == 1) raise(SIGKILL);
      if (round % 4 == 2) // and its own children
        return foreign_fork([&] { return self() == me ? 4 : 9; }) == 9 ? 0 : 5;
      uint64_t own = heap().allocate(100, BlockKind::Bytes);
      if (round % 4 == 3) heap().drop(own);
      return 0;
    });
    REQUIRE(status == (round % 4 == 1 ? -SIGKILL : 0));
    REQUIRE(self() == me);
    REQUIRE(lock_owner(lock) == me);
    REQUIRE(heap_problem() == "");
    REQUIRE(heap().hold(block, serial));
  }
  REQUIRE(release_lock(lock) == Released::Ok);
  heap().drop(block);
  heap().drop(lock);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a process may die at any instruction of joining and leaving", "[participant][fork]") {
  Unchanged heap_is;
  uint64_t inherited = heap().allocate(100, BlockKind::Bytes);
  Unchanged now;
  Token reserved = reserve_slot();
  auto body = [&] {
    from_here();
    leave_session();
    join_session(reserved);
    heap().drop(heap().allocate(5000, BlockKind::Bytes, false));
    leave_session();
  };
  auto after = [&](uint64_t k) {
    INFO("instruction " << k);
    abandon_slot(reserved); // as poll_child() does
    REQUIRE(now.problem() == "");
    reserved = reserve_slot();
  };
  if (!die_anywhere(body, after)) WARN("processes cannot be traced here");
  abandon_slot(reserved);
  heap().drop(inherited);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a thread that ends without leaving is dead, one that leaves too", "[participant]") {
  Unchanged heap_is;
  for (bool leaves : {true, false}) {
    Token t = 0;
    std::thread([&] {
      join_session();
      t = self();
      heap().allocate(5000, BlockKind::Bytes);
      if (leaves) leave_session();
    }).join();
    REQUIRE_FALSE(is_alive(t));
    REQUIRE(heap_is.problem() == "");
  }
}

TEST_CASE("threads join and leave at the same time", "[participant]") {
  Unchanged heap_is;
  std::atomic<int> twice{0};
  std::vector<std::atomic<Token>> at(kSlots);
  for (int round = 0; round < rounds(20, 500); ++round)
    in_threads(8, [&](int) {
      Token none = 0;
      twice += !at[slot_of(self())].compare_exchange_strong(none, self());
      uint64_t b = heap().allocate(100, BlockKind::Bytes);
      reap();
      if (!is_alive(self())) ++twice;
      heap().drop(b);
      at[slot_of(self())] = 0;
      return true;
    });
  REQUIRE(twice == 0);
  REQUIRE(heap_is.problem() == "");
}
