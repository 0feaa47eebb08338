#include "start_internal.h"
#include "support.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace {

std::string all_output(Child& child, int stream) {
  std::string text, more;
  while (!(more = read_output(child, stream, 1000)).empty()) text += more;
  return text;
}

} // namespace

TEST_CASE("a child ends with its code, or with the signal that killed it", "[process][fork]") {
  Unchanged heap_is;
  for (int code : {0, 1, 7, 255}) {
    Child child;
    if (fork_child(child, Output::Discarded)) leave_process(0, code);
    REQUIRE(eventually([&] { return poll_child(child); }));
    REQUIRE(child.status == code);
    close_child(child);
  }
  for (int signal : {SIGKILL, SIGTERM, SIGSEGV, SIGUSR1}) {
    Child child;
    if (fork_child(child, Output::Discarded)) {
      std::signal(SIGSEGV, SIG_DFL); // a sanitizer may have taken it back
      sleep_for_ever();
    }
    REQUIRE(eventually([&] { return is_alive(child.token); }));
    pause_us(2000);
    signal_child(child, signal);
    REQUIRE(eventually([&] { return poll_child(child); }));
    REQUIRE(child.status == -signal);
    REQUIRE_FALSE(child_running(child));
    REQUIRE(signal_child(child, SIGKILL) == 0); // a process that has its pid now is not meant
    close_child(child);
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a child notes its exit code for processes that cannot wait for it", "[process][fork]") {
  Unchanged heap_is;
  uint64_t process = heap().allocate(sizeof(ProcessShared), BlockKind::Process);
  Child child;
  if (fork_child(child, Output::Discarded)) leave_process(process, 42);
  REQUIRE(eventually([&] { return poll_child(child); }));
  REQUIRE(heap().at<ProcessShared>(process)->left == 43);
  close_child(child);
  heap().drop(process);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("how a child ended that other code has reaped is known, or said to be unknown",
          "[process][fork]") {
  Unchanged heap_is;
  for (int way : {0, 7, -SIGKILL}) {
    Child child;
    if (fork_child(child, Output::Discarded)) {
      if (way < 0) raise(-way);
      leave_process(0, way);
    }
    REQUIRE(eventually([&] { return waitpid(child.pid, nullptr, WNOHANG) == child.pid; }));
    REQUIRE(poll_child(child));
    REQUIRE((child.status == way || child.status == kUnknownEnd));
    close_child(child);
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("what a child prints arrives, to the last byte, also when it was killed",
          "[process][fork]") {
  Unchanged heap_is;
  int before = open_files();
  for (int round = 0; round < rounds(20, 300); ++round) {
    Child child;
    if (fork_child(child, Output::Captured)) {
      for (int i = 0; i < 20'000; ++i) std::printf("line %d of the child\n", i);
      std::fprintf(stderr, "an error\n");
      std::fflush(nullptr);
      raise(SIGKILL);
    }
    REQUIRE(eventually([&] { return poll_child(child); }));
    std::string text = all_output(child, 0), expected;
    for (int i = 0; i < 20'000; ++i) expected += "line " + std::to_string(i) + " of the child\n";
    REQUIRE(text.size() == expected.size());
    REQUIRE(text == expected);
    REQUIRE(all_output(child, 1) == "an error\n");
    close_child(child);
    close_child(child); // twice is once
  }
  REQUIRE(open_files() == before);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("megabytes of output never block their writer, and their memory is given back",
          "[process][fork]") {
  session();
  Child child;
  uint64_t lines = uint64_t(rounds(40'000, 1'000'000));
  if (fork_child(child, Output::Captured)) {
    for (uint64_t i = 0; i < lines; ++i) std::printf("%099d\n", 0);
    leave_process(0, 0);
  }
  REQUIRE(eventually([&] { return poll_child(child); })); // nothing was read yet
  uint64_t bytes = 0;
  for (std::string more; !(more = read_output(child, 0, 65'536)).empty();) bytes += more.size();
  REQUIRE(bytes == lines * 100);
  struct stat st;
  REQUIRE(fstat(child.output[0], &st) == 0);
  REQUIRE(uint64_t(st.st_blocks) * 512 < uint64_t(2) << 20);
  close_child(child);
  REQUIRE(heap_problem() == "");
}

TEST_CASE("a child has no stdin and the default signals", "[process][fork]") {
  session();
  auto old = std::signal(SIGUSR1, SIG_IGN);
  {
    Kid kid([] {
      if (std::getchar() != EOF) return 1;
      struct sigaction a;
      sigaction(SIGUSR1, nullptr, &a);
      return a.sa_handler == SIG_DFL ? 0 : 2;
    });
    REQUIRE(kid.join() == 0);
  }
  std::signal(SIGUSR1, old);
  REQUIRE(heap_problem() == "");
}

TEST_CASE("a session that was started with nohup has children that ignore SIGHUP, too",
          "[process][fork]") {
  Unchanged heap_is;
  auto old = std::signal(SIGHUP, SIG_IGN);
  {
    Kid forked([] { return std::raise(SIGHUP); });
    REQUIRE(forked.join() == 0);
    uint64_t process = heap().allocate(sizeof(ProcessShared), BlockKind::Process);
    Child spawned;
    spawn_child(spawned, {"/bin/sh", "-c", "kill -HUP $$; exit 3"}, {}, process);
    REQUIRE(eventually([&] { return poll_child(spawned); }));
    REQUIRE(spawned.status == 3);
    close_child(spawned);
    heap().drop(process);
  }
  std::signal(SIGHUP, SIG_DFL);
  Kid other([] { return std::raise(SIGHUP); });
  REQUIRE(other.join() == -SIGHUP);
  std::signal(SIGHUP, old);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("when a process is killed its children are gone within a second", "[process][fork]") {
  Unchanged heap_is;
  for (int round = 0; round < rounds(10, 100); ++round) {
    Shared<std::atomic<pid_t>> children[4];
    Kid parent([&] {
      Kids kids;
      for (auto& pid : children)
        kids.push_back(std::make_unique<Kid>([&pid]() -> int {
          pid->store(getpid());
          for (volatile uint64_t busy = 0;; busy = busy + 1) {
          }
        }));
      return sleep_for_ever();
    });
    auto all = [&](const std::function<bool(pid_t)>& f) {
      for (auto& pid : children)
        if (!f(pid->load())) return false;
      return true;
    };
    REQUIRE(eventually([&] { return all([](pid_t p) { return p != 0; }); }));
    parent.kill();
    REQUIRE(eventually([&] { return all([](pid_t p) { return platform::process_gone(p, 0); }); },
                       1000));
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a spawned program gets the heap, and nothing else does", "[process][fork]") {
  Unchanged heap_is;
  uint64_t process = heap().allocate(sizeof(ProcessShared), BlockKind::Process);
  Child child;
  std::string script = "eval \"v=\\$" + std::string(kSpawnVariable) +
                       "\"; echo \"$v $OTHER\"; "
                       "readlink /proc/${v##*:}/fd/${v%%:*}; ls /proc/self/fd | wc -l";
  int other = open("/dev/null", O_RDONLY); // as the files of the session are, not close-on-exec
  spawn_child(child, {"/bin/sh", "-c", script}, {"OTHER=yes"}, process);
  close(other);
  REQUIRE(eventually([&] { return poll_child(child); }));
  REQUIRE(child.status == 0);
  std::string text = all_output(child, 0);
  REQUIRE(text.find(std::to_string(heap().fd()) + ":") == 0);
  REQUIRE(text.find(" yes\n") != std::string::npos);
  REQUIRE(text.find("memfd:multiprocessing") != std::string::npos);
  REQUIRE(text.find("\n4\n") != std::string::npos); // 0, 1, 2 and that of the listing itself
  close_child(child);
  pid_t pid = fork(); // any other program
  if (pid == 0) {
    std::string path = "/proc/self/fd/" + std::to_string(heap().fd());
    execl("/bin/sh", "sh", "-c", ("! readlink " + path + " >/dev/null").c_str(), nullptr);
    platform::leave(9);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  REQUIRE(status == 0);
  heap().drop(process);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("what a child has started ends when the child is killed, or its parent is",
          "[process][fork]") {
  Unchanged heap_is;
  Shared<std::atomic<pid_t>> started;
  auto start = [&] {
    pid_t pid = fork(); // not by us: it does not hear of the death of its parent
    if (pid != 0) started->store(pid);
    return sleep_for_ever();
  };
  auto pid_of_started = [&] {
    pid_t pid = 0;
    REQUIRE(eventually([&] { return (pid = started->exchange(0)) != 0; }));
    return pid;
  };
  auto gone = [](pid_t pid) {
    return eventually([&] { return platform::process_gone(pid, 0); });
  };
  for (int signal : {SIGKILL, SIGTERM, SIGUSR1}) {
    Kid kid(start);
    pid_t pid = pid_of_started();
    kill(kid.child().pid, signal); // by another process
    REQUIRE(kid.join() == -signal);
    REQUIRE(gone(pid));
  }
  {
    Kid parent([&] {
      Kid child(start);
      return sleep_for_ever();
    });
    pid_t pid = pid_of_started();
    parent.kill();
    REQUIRE(gone(pid));
  }
  Kid leaves([&] {
    if (fork() != 0) return 0;
    started->store(getpid()); // it has its slot
    return sleep_for_ever();
  });
  REQUIRE(leaves.join() == 0);
  pid_t stays = pid_of_started(); // of a child that ends by itself
  REQUIRE_FALSE(platform::process_gone(stays, 0));
  kill(stays, SIGKILL);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a child that is stopped in the moment in which its parent is killed ends with what it has started",
          "[process][fork]") {
  Unchanged heap_is;
  Shared<std::atomic<pid_t>> child, started;
  for (int round = 0; round < rounds(30, 500); ++round) {
    Kid parent([&] {
      Kid it([&] {
        pid_t pid = fork();
        if (pid == 0) return sleep_for_ever();
        started->store(pid);
        child->store(getpid());
        for (volatile int busy = 0;;) busy = busy + 1; // it runs when the signals come
      });
      return sleep_for_ever();
    });
    pid_t stopped = 0, pid = 0;
    REQUIRE(eventually([&] { return (stopped = child->exchange(0)) != 0; }));
    pid = started->exchange(0);
    kill(stopped, SIGSTOP);
    if (round % 3 == 1) pause_us(50 * round);
    if (round % 2) { // continued by another process: that ends nothing
      kill(stopped, SIGCONT);
      kill(stopped, SIGSTOP);
    }
    kill(parent.child().pid, SIGKILL);
    REQUIRE(parent.join() == -SIGKILL);
    bool over = eventually([&] { return platform::process_gone(stopped, 0) && platform::process_gone(pid, 0); });
    if (!over) for (pid_t p : {stopped, pid}) kill(p, SIGKILL);
    REQUIRE(over);
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a slot that a child reserved for a fork does not outlive the child that was killed",
          "[process][fork]") {
  Unchanged heap_is;
  for (int round = 0; round < rounds(5, 50); ++round) {
    Kid kid([] {
      reserve_for_fork(); // as the fork handler does; there is no fork
      raise(SIGKILL);
      return 0;
    });
    REQUIRE(kid.join() == -SIGKILL);
    REQUIRE(heap_is.problem() == ""); // in less than the 20 s after which reservations expire
  }
}

TEST_CASE("programs that lead groups of their own end with the child that has started them",
          "[process][fork]") {
  Unchanged heap_is;
  Shared<std::atomic<pid_t>> program, bare, daemon;
  auto start = [&] { // a program, a fork that is not one yet, and a program in a session of its own
    for (auto* pid : {&program, &bare, &daemon}) {
      if (fork() != 0) continue;
      if (pid == &daemon) setsid();
      else setpgid(0, 0);
      (*pid)->store(getpid());
      if (pid == &bare) return sleep_for_ever();
      execl("/bin/sleep", "sleep", "1000", nullptr);
      platform::leave(9);
    }
    return sleep_for_ever();
  };
  auto runs = [](pid_t pid, const char* wanted) {
    char path[64], name[16] = "";
    std::snprintf(path, sizeof path, "/proc/%d/comm", int(pid));
    FILE* f = std::fopen(path, "r");
    if (!f) return false;
    bool is = std::fgets(name, sizeof name, f) && std::string(name) == wanted;
    std::fclose(f);
    return is;
  };
  auto await = [&](Shared<std::atomic<pid_t>>& which, bool is_program) {
    pid_t pid = 0;
    REQUIRE(eventually([&] {
      return (pid = which->load()) != 0 && (!is_program || runs(pid, "sleep\n"));
    }));
    which->store(0);
    return pid;
  };
  auto gone = [](pid_t pid) { return eventually([&] { return platform::process_gone(pid, 0); }); };
  for (int way = 0; way < 4; ++way) {
    INFO("way " << way);
    Kid kid([&] {
      if (way != 0) return start();
      Kid child(start); // whose parent is killed
      return sleep_for_ever();
    });
    pid_t ends = await(program, true), fork = await(bare, false), stays = await(daemon, true);
    if (way == 1) signal_child(kid.child(), SIGTERM);
    else if (way == 2) signal_child(kid.child(), SIGKILL);
    else kill(kid.child().pid, SIGKILL); // by another process
    REQUIRE(kid.join() == (way == 1 ? -SIGTERM : -SIGKILL));
    REQUIRE(gone(ends));
    REQUIRE(gone(fork));
    REQUIRE_FALSE(platform::process_gone(stays, 0));
    kill(stays, SIGKILL);
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a program that cannot be started ends with 127 and leaves nothing", "[process][fork]") {
  Unchanged heap_is;
  int before = open_files();
  uint64_t process = heap().allocate(sizeof(ProcessShared), BlockKind::Process);
  Child child;
  spawn_child(child, {"/no/such/program"}, {}, process);
  REQUIRE(eventually([&] { return poll_child(child); }));
  REQUIRE(child.status == 127);
  close_child(child);
  heap().drop(process);
  REQUIRE(heap_is.problem() == "");
  REQUIRE(open_files() == before);
}

namespace {

pid_t handles = 0;             // whose handler it is
std::atomic<int> elsewhere{0}; // how often it ran in another process
void note_process(int) { elsewhere += pid_t(syscall(SYS_getpid)) != handles; }

} // namespace

TEST_CASE("no handler of the parent's runs in the process that will be a program",
          "[process][fork]") {
  Unchanged heap_is;
  Kid kid([] {
    setpgid(0, 0);
    handles = getpid();
    std::signal(SIGUSR1, note_process);
    std::atomic<bool> over{false};
    std::thread sender([&] { // to the whole group, as Ctrl-C is
      while (!over) {
        kill(0, SIGUSR1);
        pause_us(20);
      }
    });
    uint64_t process = heap().allocate(sizeof(ProcessShared), BlockKind::Process);
    for (int round = 0; round < rounds(100, 2000); ++round) {
      Child child;
      spawn_child(child, {"/bin/true"}, {}, process);
      if (!eventually([&] { return poll_child(child); })) return 1;
      close_child(child);
    }
    over = true;
    sender.join();
    return elsewhere == 0 ? 0 : 2;
  });
  REQUIRE(kid.join() == 0);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a program that another session started is refused", "[process][fork]") {
  session();
  std::string good = "/proc/self/fd"; // not what the spawn method writes
  std::string kind;
  try {
    join_spawned(good);
  } catch (const Error& e) {
    kind = e.kind;
  }
  REQUIRE(kind == "ProcessError");
  try {
    Heap::attach(heap().fd(), heap().header().nonce + 1);
  } catch (const Error& e) {
    kind = e.message;
  }
  REQUIRE(kind.find("another session") != std::string::npos);
}

TEST_CASE("hundreds of children leave no descriptor, slot or block", "[process][fork]") {
  Unchanged heap_is;
  int before = open_files();
  for (int round = 0; round < rounds(30, 1000); ++round) {
    Kids kids;
    for (int i = 0; i < 4; ++i)
      kids.push_back(std::make_unique<Kid>([=] {
        heap().allocate(10'000, BlockKind::Bytes); // not dropped
        return i == 3 ? sleep_for_ever() : 0;
      }));
    for (int i = 0; i < 3; ++i) REQUIRE(kids[size_t(i)]->join() == 0);
  }
  REQUIRE(open_files() == before);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a thread reaps children that have ended, and tells how they ended", "[process][fork]") {
  Unchanged heap_is;
  int before = open_files();
  Child left, killed;
  if (fork_child(left, Output::Captured)) leave_process(0, 7);
  if (fork_child(killed, Output::Captured)) sleep_for_ever();
  REQUIRE(eventually([&] { return is_alive(killed.token); }));
  REQUIRE_FALSE(reap_in_background({&killed})); // what it has started would be killed first
  left.spare = killed.spare = true;
  signal_child(killed, SIGKILL);
  for (Child* c : {&left, &killed})
    REQUIRE(eventually([&] { return state_of(*c) == ChildState::Ended; }));
  REQUIRE(reap_in_background({&left, &killed}));
  for (Child* c : {&left, &killed}) { // nothing asks the system for them here
    REQUIRE(eventually([&] { return kill(c->pid, 0) != 0 && errno == ESRCH; }));
    REQUIRE(signal_child(*c, SIGKILL) == 0);
    REQUIRE(eventually([&] { return await_child(*c, 20); }));
    REQUIRE(state_of(*c) == ChildState::Reaped);
  }
  REQUIRE(left.status == 7);
  REQUIRE(killed.status == -SIGKILL);
  REQUIRE(killed.peak_bytes > 0);
  REQUIRE(open_files() == before);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a child that other code has reaped has an unknown end for the thread", "[process][fork]") {
  Unchanged heap_is;
  Child child;
  if (fork_child(child, Output::Discarded)) leave_process(0, 7);
  child.spare = true;
  REQUIRE(waitpid(child.pid, nullptr, 0) == child.pid);
  if (reap_in_background({&child})) REQUIRE(eventually([&] { return poll_child(child); }));
  else REQUIRE(poll_child(child));
  REQUIRE((child.status == kUnknownEnd || child.status == 7)); // newer systems tell the descriptor's owner
  close_child(child);
  REQUIRE(heap_is.problem() == "");
}
