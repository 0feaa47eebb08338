// One child: its start, its output, its end. Several at once: siblings.cpp.
#include "process_internal.h"

#include "heap.h"
#include "participant.h"
#include "platform/platform.h"
#include "joining.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace mp {
namespace {

// Handlers of the parent's that make no sense in a child: R's own for these delete the parent's
// temporary folder, prompt on stdin, or save its workspace.
constexpr int kDefaultSignals[] = {SIGSEGV, SIGBUS,  SIGILL,  SIGFPE, SIGABRT,
                                   SIGUSR1, SIGUSR2, SIGTERM, SIGQUIT};

void default_signals() {
  for (int s : kDefaultSignals) std::signal(s, SIG_DFL);
  struct sigaction hangup; // if it is ignored, the user said nohup, for the children, too
  if (sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
    std::signal(SIGHUP, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// The same file, opened once more; -1 where /proc does not allow that.
int open_of_process(pid_t pid, int fd) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/fd/%d", int(pid), fd);
  return open(path, O_RDWR | O_CLOEXEC);
}

void redirect(int from, int to) {
  if (from >= 0 && from != to) dup2(from, to);
}

[[noreturn]] void cannot_start(Child& child, int e) {
  close_child(child);
  child.refused = e;
  throw Error{"ProcessError", std::string("the operating system could not start another process: ") +
                                  std::strerror(e) +
                                  "; start fewer, or raise the limits (`ulimit -u`, memory)"};
}

} // namespace

void child_files(const Child& child, Output output) {
  int null = open("/dev/null", O_RDWR);
  redirect(null, 0);
  for (int i = 0; i < 2; ++i) {
    if (output == Output::Discarded && i == 0) redirect(null, 1);
    else redirect(child.output[i], 1 + i);
  }
  if (null > 2) close(null);
}

bool begin_child(pid_t parent) {
  platform::lead_group();
  platform::take_group_along();
  return platform::die_with_parent(parent);
}

void note_start(Child& child) { child.watch_fd = platform::watch_process(child.pid); }

void no_place() { throw Error{"ProcessError", fork_problem()}; }

void prepare_outputs(Child& child, Output output) {
  if (output == Output::Inherited || child.output[0] >= 0) return;
  const char* labels[] = {"multiprocessing-stdout", "multiprocessing-stderr"};
  for (int i = 0; i < 2; ++i) {
    child.output[i] = platform::create_output(labels[i]);
    if (child.output[i] < 0) {
      int e = errno;
      close_child(child);
      throw Error{"ProcessError", std::string("cannot start a process: ") + std::strerror(e)};
    }
  }
}

namespace {

// A launcher may have handed down that SIGCHLD is ignored. The system would then forget how our
// children end, and give their numbers to other processes at once.
void keep_exit_states() {
  struct sigaction now;
  if (sigaction(SIGCHLD, nullptr, &now) != 0) return;
  if (now.sa_handler == SIG_IGN) now.sa_handler = SIG_DFL;
  else if (!(now.sa_flags & SA_NOCLDWAIT)) return;
  now.sa_flags &= ~SA_NOCLDWAIT;
  sigaction(SIGCHLD, &now, nullptr);
}

} // namespace

bool fork_child(Child& child, Output output, bool busy) {
  keep_exit_states();
  prepare_outputs(child, output);
  std::fflush(nullptr);
  pid_t parent = getpid();
  uint32_t cpu = platform::current_cpu();
  pid_t pid = fork(); // the fork handlers find a place for the child
  if (pid < 0) {
    int e = errno;
    abandon_slot(fork_place());
    cannot_start(child, e);
  }
  if (pid == 0) {
    // the system may let it wait there although other cores are idle
    if (busy) platform::leave_cpu(cpu);
    default_signals();
    if (!begin_child(parent)) platform::leave(1);
    child_files(child, output);
    if (self() == 0) platform::leave(kNoPlace);
    platform::volunteer_for_oom(); // as will those whom this child forks
    return true;
  }
  child.pid = pid;
  child.token = fork_place();
  expect_from(child.token, 0, pid);
  note_start(child);
  if (child.token == 0) { // the child has seen it too and left
    while (!poll_child(child)) platform::relax();
    close_child(child);
    no_place();
  }
  return false;
}

void spawn_child(Child& child, const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment, uint64_t process) {
  keep_exit_states();
  prepare_outputs(child, Output::Captured);
  Token place = 0;
  try {
    place = require_slot();
    heap().hold_for(process, place);
  } catch (...) {
    if (place) abandon_slot(place);
    close_child(child);
    throw;
  }
  char spawn[160];
  std::snprintf(spawn, sizeof spawn, "%s=%d:%llx:%u:%llx:%d", kSpawnVariable, heap().fd(),
                static_cast<unsigned long long>(heap().header().nonce), place,
                static_cast<unsigned long long>(process), int(getpid()));
  std::vector<std::string> lines(environment);
  lines.push_back(spawn);
  std::vector<char*> argv, envp;
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  for (char** e = environ; *e; ++e) {
    const char* eq = std::strchr(*e, '=');
    bool replaced = false;
    for (const std::string& l : lines)
      replaced =
          replaced || (eq && l.compare(0, size_t(eq - *e) + 1, *e, size_t(eq - *e) + 1) == 0);
    if (!replaced) envp.push_back(*e);
  }
  for (const std::string& l : lines) envp.push_back(const_cast<char*>(l.c_str()));
  envp.push_back(nullptr);
  struct Start {
    const Child& child;
    pid_t parent;
  } start{child, getpid()};
  auto prepare = [](void* data) {
    auto& s = *static_cast<Start*>(data);
    default_signals();
    hold_interrupts(true); // until it can tell whom a Ctrl-C is for
    platform::lead_group();
    if (!platform::die_with_parent(s.parent)) platform::leave(1);
    child_files(s.child, Output::Captured);
    platform::keep_standard_files();
    // It opens the heap itself. What cannot be opened is handed over, also to the programs that it
    // starts before it joins.
    int heap_again = open_of_process(s.parent, heap().fd());
    if (heap_again >= 0) close(heap_again);
    else fcntl(heap().fd(), F_SETFD, 0);
  };
  pid_t pid = platform::start_program(argv.data(), envp.data(), prepare, &start);
  if (pid < 0) {
    int e = errno;
    abandon_slot(place);
    cannot_start(child, e);
  }
  child.pid = pid;
  child.token = place;
  expect_from(place, 0, pid);
  note_start(child);
}

uint64_t join_spawned(const std::string& value) {
  int fd = -1, parent = 0;
  unsigned long long nonce = 0, process = 0;
  unsigned place = 0;
  if (std::sscanf(value.c_str(), "%d:%llx:%u:%llx:%d", &fd, &nonce, &place, &process, &parent) != 5)
    throw Error{"ProcessError", "this R was not started by multiprocessing"};
  platform::take_group_along();
  int own = platform::off_standard(open_of_process(parent, fd));
  if (own < 0) fcntl(own = fd, F_SETFD, FD_CLOEXEC);
  Heap::attach(own, nonce);
  join_session(place);
  platform::volunteer_for_oom();
  return process;
}

void hold_interrupts(bool hold) {
  sigset_t interrupts;
  sigemptyset(&interrupts);
  sigaddset(&interrupts, SIGINT);
  sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &interrupts, nullptr);
}

bool poll_child(Child& child) {
  if (child.over) return true;
  if (!meet_child(child)) {
    if (is_expected(child.token)) return false;
    if (!meet_child(child)) { // who was to fork it is gone, or could not
      child.over = true;
      child.status = 255;
      return true;
    }
  }
  // Until it is reaped no other group can have its number. What it started does not stay behind.
  if (!child.spare && platform::killed_by_signal(child.pid))
    platform::signal_group(child.pid, SIGKILL);
  int status = 0;
  rusage used;
  pid_t r = wait4(child.pid, &status, WNOHANG, &used);
  if (r == 0 || (r < 0 && errno == EINTR)) return false;
  child.over = true;
  if (r < 0) child.status = 255; // somebody else reaped it; its record may know more
  else child.status = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  if (r > 0) child.peak_bytes = uint64_t(used.ru_maxrss) * 1024;
  if (heap_exists()) abandon_slot(child.token); // it may have died before it took its place
  return true;
}

bool await_child(Child& child, int ms) {
  if (poll_child(child)) return true;
  if (child.pid == 0) ms = std::min(ms, 1); // there is nothing to watch yet
  pollfd p{child.watch_fd, POLLIN, 0};
  poll(&p, child.watch_fd >= 0 ? 1 : 0, ms);
  return poll_child(child);
}

bool child_running(Child& child) {
  return !child.over && (is_alive(child.token) || !poll_child(child));
}

int signal_child(Child& child, int signal) {
  if (child.over || !meet_child(child)) return 0;
  bool all = !child.spare && (signal == SIGTERM || signal == SIGKILL);
  if (all && platform::signal_process(child.watch_fd, child.pid, 0) == 0)
    platform::signal_group(child.pid, signal);
  return platform::signal_process(child.watch_fd, child.pid, signal);
}

uint64_t printed(Child& child, int stream) {
  int fd = child.output[stream];
  struct stat st;
  if (fd < 0 || !child.growth[stream].possible(fd, child.read[stream]) || fstat(fd, &st) != 0)
    return child.read[stream];
  return std::max(uint64_t(st.st_size), child.read[stream]);
}

std::string read_output(Child& child, int stream, size_t limit) {
  std::string text(std::min<uint64_t>(printed(child, stream) - child.read[stream], limit), '\0');
  if (text.empty()) return text;
  int fd = child.output[stream];
  ssize_t got = pread(fd, &text[0], text.size(), off_t(child.read[stream]));
  text.resize(got > 0 ? size_t(got) : 0);
  constexpr uint64_t step = uint64_t(1) << 20; // what was read is given back so much at a time
  uint64_t before = child.read[stream] / step;
  child.read[stream] += text.size();
  uint64_t after = child.read[stream] / step;
  if (after > before) platform::punch_memory(fd, before * step, (after - before) * step);
  return text;
}

void close_child(Child& child) {
  for (int* fd : {&child.watch_fd, &child.output[0], &child.output[1]}) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
  for (Growth& g : child.growth) g.forget();
}

void leave_process(uint64_t process, int code) {
  std::fflush(nullptr);
  if (process) // release: pairs with the parent's load once the life word says that we are gone
    heap().at<ProcessShared>(process)->left.store(uint32_t(1 + (code & 255)),
                                                  std::memory_order_release);
  end_participant();
  platform::leave(code);
}

} // namespace mp
