#include "support.h"

#include <cerrno>
#include <cstddef>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <set>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace {

// Children that are forked at once, each of which evaluates `body` with its number.
class Family {
public:
  Family(size_t n, const std::function<int(size_t)>& body, bool busy = true) : children_(n) {
    StartOrder order{Output::Discarded, busy};
    std::vector<Child*> all;
    for (size_t i = 0; i < n; ++i) {
      fork_method.prepare(children_[i], order);
      children_[i].born = &born_->at[i];
      all.push_back(&children_[i]);
    }
    int me = fork_method.launch(all, order);
    if (me >= 0) platform::leave(body(size_t(me)));
  }
  ~Family() {
    for (Child& c : children_) signal_child(c, SIGKILL);
    eventually([&] { return over(); });
    for (Child& c : children_) close_child(c);
  }
  Child& operator[](size_t i) { return children_[i]; }
  bool met() {
    bool all = true;
    for (Child& c : children_) all = meet_child(c) && all;
    return all;
  }
  int unborn() { // that will never be
    reap();
    int n = 0;
    for (Child& c : children_) n += poll_child(c) && !c.pid && !c.refused;
    return n;
  }
  bool over() {
    reap(); // what a child was to fork that is gone will never be
    bool all = true;
    for (Child& c : children_) all = poll_child(c) && all;
    return all;
  }

private:
  struct Born {
    std::atomic<int32_t> at[64];
  };
  Shared<Born> born_;
  std::vector<Child> children_;
};

bool has_children() { return waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD; }

} // namespace

TEST_CASE("children that fork each other are all the parent's", "[fork_tree][fork]") {
  Unchanged heap_is;
  pid_t parent = getpid();
  for (size_t n : {1, 2, 3, 7, 8, 33}) {
    Family family(n, [&](size_t i) { return getppid() == parent && self() ? int(i) : 99; });
    REQUIRE(eventually([&] { return family.over(); }));
    std::set<pid_t> pids;
    for (size_t i = 0; i < n; ++i) {
      REQUIRE(family[i].status == int(i));
      pids.insert(family[i].pid);
    }
    REQUIRE(pids.size() == n);
  }
  REQUIRE_FALSE(has_children());
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a parent that only waits forks two itself, more it leaves to the first",
          "[fork_tree][fork]") {
  Unchanged heap_is;
  for (size_t n : {1, 2, 3, 8}) {
    for (bool busy : {false, true}) {
      Family family(
          n, [&](size_t i) { return int(i); }, busy);
      bool known = family[n - 1].pid != 0; // at once, as the parent forked it
      REQUIRE(known == (n == 1 || (n == 2 && !busy) || !platform::can_fork_siblings()));
      REQUIRE(eventually([&] { return family.over(); }));
      for (size_t i = 0; i < n; ++i) REQUIRE(family[i].status == int(i));
    }
  }
  REQUIRE_FALSE(has_children());
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a child that a sibling forked lives and dies like any other", "[fork_tree][fork]") {
  Unchanged heap_is;
  for (int round = 0; round < rounds(10, 300); ++round) {
    Family family(8, [](size_t) { return sleep_for_ever(); });
    REQUIRE(eventually([&] { return family.met(); }));
    for (size_t i = 0; i < 8; ++i) {
      REQUIRE(eventually([&] { return is_alive(family[i].token); }));
      REQUIRE(pid_of(family[i].token) == family[i].pid);
    }
    for (size_t i : {0, 5, 3}) { // others live on, also those that it forked
      REQUIRE(signal_child(family[i], SIGKILL) == 0);
      REQUIRE(eventually([&] { return !is_alive(family[i].token); }, 1000));
      REQUIRE(eventually([&] { return poll_child(family[i]); }, 1000));
      REQUIRE(family[i].status == -SIGKILL);
    }
    for (size_t i : {1, 2, 4, 6, 7}) REQUIRE(child_running(family[i]));
  }
  REQUIRE_FALSE(has_children());
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("locks are free after the death of a child that a sibling forked", "[fork_tree][fork]") {
  session();
  uint64_t lock = create_lock(false);
  for (int round = 0; round < rounds(20, 300); ++round) {
    Family family(3, [&](size_t i) {
      if (i == 2) acquire_lock(lock, within(5000));
      return i == 2 ? sleep_for_ever() : 0;
    });
    REQUIRE(eventually([&] { return lock_owner(lock) == family[2].token; }));
    signal_child(family[2], SIGKILL);
    REQUIRE(acquire_lock(lock, within(5000)) == Status::OwnerDied);
    release_lock(lock);
  }
  heap().drop(lock);
  REQUIRE(heap_problem() == "");
}

TEST_CASE("a child that dies while it forks others leaves none behind", "[fork_tree][fork]") {
  Unchanged heap_is;
  int lost = 0;
  for (int round = 0; round < rounds(200, 5000); ++round) {
    Family family(8, [](size_t) { return sleep_for_ever(); });
    size_t victim = random_below(3); // 1 and 2 fork others, too
    pause_us(random_below(1500));
    signal_child(family[victim], SIGKILL);
    if (!meet_child(family[victim])) signal_child(family[0], SIGKILL);
    // each is known, or will never exist
    REQUIRE(eventually([&] {
      reap();
      for (size_t i = 0; i < 8; ++i)
        if (!meet_child(family[i]) && !poll_child(family[i])) return false;
      return true;
    }));
    for (size_t i = 0; i < 8; ++i) lost += family[i].pid == 0;
  }
  REQUIRE(lost > 0); // it was early enough now and then
  REQUIRE_FALSE(has_children());
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a process that the system refuses to a sibling is told", "[fork_tree][fork]") {
  Unchanged heap_is;
  Kid kid([] { // as a user with few processes
    rlimit few{3, 3};
    if (setgid(65534) != 0 || setuid(65534) != 0 || setrlimit(RLIMIT_NPROC, &few) != 0) return 77;
    Family family(8, [](size_t) { return sleep_for_ever(); });
    int refused = 0;
    bool known = eventually([&] {
      reap();
      refused = 0;
      for (size_t i = 0; i < 8; ++i) {
        if (!meet_child(family[i]) && !poll_child(family[i])) return false;
        refused += family[i].refused == EAGAIN;
      }
      return true;
    });
    return known && refused == 6 ? 0 : 1;
  });
  int code = kid.join();
  if (code != 77) REQUIRE(code == 0); // 77: only root can try this
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("of two that the parent forks the first continues if the system refuses the second",
          "[fork_tree][fork]") {
  Unchanged heap_is;
  Kid kid([] {
    rlimit few{2, 2};
    if (setgid(65534) != 0 || setuid(65534) != 0 || setrlimit(RLIMIT_NPROC, &few) != 0) return 77;
    Family family(
        2, [](size_t) { return sleep_for_ever(); }, false);
    bool told = poll_child(family[1]) && family[1].refused == EAGAIN && family[1].pid == 0;
    return told && child_running(family[0]) ? 0 : 1;
  });
  int code = kid.join();
  if (code != 77) REQUIRE(code == 0);
  REQUIRE(heap_is.problem() == "");
}

namespace {

// As a sandbox may: clone() that names another parent fails.
bool refuse_siblings(uint32_t error) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_PARENT, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  return filter_calls(filter, sizeof filter / sizeof *filter);
}

} // namespace

TEST_CASE("where siblings cannot be forked the parent learns it, and forks all itself",
          "[fork_tree][fork]") {
  Unchanged heap_is;
  for (int error : {EPERM, ENOSYS, EINVAL}) {
    Kid kid([&] {
      if (!refuse_siblings(uint32_t(error))) return 77;
      {
        Family family(8, [](size_t) { return sleep_for_ever(); });
        Wait wait = within(20'000);
        wait.tick_ns = 60'000'000'000; // it is rung, not left to find it by itself
        Waiter waiter(wait);
        int64_t start = platform::now_ns();
        if (waiter.until([&] { return family.unborn() == 7; }) != Status::Ok) return 1;
        if (platform::now_ns() - start > 5'000'000'000) return 4;
      }
      Family family(8, [](size_t i) { return int(i); });
      if (!family.met() || !eventually([&] { return family.over(); })) return 2;
      for (int i = 0; i < 8; ++i)
        if (family[size_t(i)].status != i) return 3;
      return 0;
    });
    int code = kid.join();
    if (code != 77) REQUIRE(code == 0); // 77: this system knows no such filters
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE(
    "if one of several children cannot be forked by the parent, it is told, and the others continue",
    "[fork_tree][fork]") {
  Unchanged heap_is;
  Kid kid([] {
    rlimit few{3, 3};
    if (!refuse_siblings(EPERM) || setgid(65534) != 0 || setuid(65534) != 0) return 77;
    {
      Family family(2, [](size_t) { return sleep_for_ever(); });
      if (!eventually([&] { return family.unborn() == 1; })) return 1;
    }
    if (setrlimit(RLIMIT_NPROC, &few) != 0) return 77;
    {
      Family family(8, [](size_t) { return sleep_for_ever(); });
      for (size_t i = 0; i < 8; ++i) {
        if (i < 2 && !child_running(family[i])) return 2;
        if (i >= 2 && (!poll_child(family[i]) || family[i].refused != EAGAIN)) return 3;
      }
    }
    return has_children() ? 4 : 0;
  });
  int code = kid.join();
  if (code != 77) REQUIRE(code == 0);
  REQUIRE(heap_is.problem() == "");
}
