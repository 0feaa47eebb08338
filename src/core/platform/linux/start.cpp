// Linux behind the seam: how processes start, and what a child does first.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../memory.h"
#include "../process.h"
#include "../programs.h"
#include "internal.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4u
#endif

extern char** environ;

namespace mp::platform {

// fork() of the C library cannot give the child to another parent, so this is the bare system call,
// after which two things of the library's thread are made the child's: the number of the thread
// (written by the kernel) and the list of robust mutexes that it holds, which is empty.
namespace {
struct LibraryThread {
  pid_t* number = nullptr;             // where the C library keeps it
  robust_list_head* mutexes = nullptr; // registered with the kernel
  size_t bytes = 0;
  bool known() const { return number && mutexes; }
};

LibraryThread library_thread() {
  LibraryThread t;
#if defined(__GLIBC__) && (defined(__x86_64__) || defined(__aarch64__))
  if (prctl(PR_GET_TID_ADDRESS, &t.number) != 0 || !t.number ||
      *t.number != pid_t(syscall(SYS_gettid)))
    t.number = nullptr;
  if (syscall(SYS_get_robust_list, 0, &t.mutexes, &t.bytes) != 0) t.mutexes = nullptr;
#endif
  return t;
}
} // namespace

bool can_fork_siblings() {
  const char* preloaded = std::getenv("LD_PRELOAD"); // valgrind knows no such system call
  return library_thread().known() && !(preloaded && std::strstr(preloaded, "valgrind"));
}

pid_t fork_sibling(std::atomic<int32_t>* born) {
  LibraryThread t = library_thread();
  if (!t.known()) {
    errno = ENOSYS;
    return -1;
  }
  unsigned long flags =
      CLONE_PARENT | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD;
#if defined(__x86_64__)
  long pid = syscall(SYS_clone, flags, nullptr, born, t.number, 0);
#else
  long pid = syscall(SYS_clone, flags, nullptr, born, 0, t.number);
#endif
  if (pid == 0) {
    t.mutexes->list.next = &t.mutexes->list;
    t.mutexes->list_op_pending = nullptr;
    syscall(SYS_set_robust_list, t.mutexes, t.bytes);
  }
  return pid_t(pid);
}

pid_t start_program(char* const* argv, char* const* envp, void (*prepare)(void*), void* data) {
  sigset_t all, none, before;
  sigfillset(&all);
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &all, &before); // our handlers would run in the child, too
  pid_t pid = vfork();
  if (pid == 0) {
    for (int s = 1; s < NSIG; ++s) {
      struct sigaction now;
      if (sigaction(s, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) std::signal(s, SIG_DFL);
    }
    sigprocmask(SIG_SETMASK, &none, nullptr);
    prepare(data);
    execve(argv[0], argv, envp);
    leave(127);
  }
  int e = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = e;
  return pid;
}

namespace {

// The kernel's message that the parent has ended. SIGKILL would leave the programs that the process has
// started. SIGCONT reaches a stopped process, and takes back a stop that is on its way; so it does
// whatever it is sent for, and the handler asks whether the parent has ended. A program that has no handler yet
// gets a signal that ends it and has no other use.
#ifdef SIGSTKFLT
int ending_signal() { return SIGSTKFLT; }
#else
int ending_signal() { return SIGRTMAX - 1; }
#endif

pid_t ends_with = 0; // the parent; written before the handler's signal is asked for
pid_t own = 0;       // a fork has copies of these, and is not meant
void (*before_end)() = nullptr;

void on_continue(int) {
  if (getpid() != own || getppid() == ends_with) return;
  if (before_end) before_end();
  signal_own_group(SIGKILL);
  kill(getpid(), SIGKILL);
}

} // namespace

bool lead_group() {
  std::signal(SIGTTIN, SIG_IGN);
  std::signal(SIGTTOU, SIG_IGN);
  return setpgid(0, 0) == 0;
}

bool die_with_parent(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, ending_signal());
  return getppid() == parent; // it may have ended before the line above
}

void signal_own_group(int signal) {
  if (getpgrp() == getpid()) kill(0, signal); // not in a fork of that process
}

void on_end(void (*work)()) { before_end = work; }

bool take_group_along(pid_t parent) {
  ends_with = parent;
  own = getpid();
  struct sigaction action;
  std::memset(&action, 0, sizeof action);
  action.sa_handler = on_continue;
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  sigaction(SIGCONT, &action, nullptr);
  sigset_t it;
  sigemptyset(&it);
  sigaddset(&it, SIGCONT);
  sigprocmask(SIG_UNBLOCK, &it, nullptr);
  prctl(PR_SET_PDEATHSIG, SIGCONT);
  return getppid() == parent; // as above
}

int cancel_signal() { return SIGRTMAX - 2; }

void keep_standard_files() {
  if (syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) == 0) return;
  // Before Linux 5.11, or in a sandbox. No allocation: the memory is the parent's.
  int folder = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) {
    long most = sysconf(_SC_OPEN_MAX);
    for (int fd = 3; fd < (most > 0 && most < 65536 ? most : 65536); ++fd)
      fcntl(fd, F_SETFD, FD_CLOEXEC);
    return;
  }
  alignas(8) char entries[2048];
  for (long n; (n = syscall(SYS_getdents64, folder, entries, sizeof entries)) > 0;)
    for (long at = 0; at < n;) {
      auto* e = reinterpret_cast<FolderEntry*>(entries + at);
      int fd = 0;
      for (const char* c = e->name; *c >= '0' && *c <= '9'; ++c) fd = 10 * fd + (*c - '0');
      if (fd > 2) fcntl(fd, F_SETFD, FD_CLOEXEC);
      at += e->bytes;
    }
  close(folder);
}

void volunteer_for_oom() {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t ignored = write(fd, "300", 3);
  (void)ignored;
  close(fd);
}

void leave(int code) {
  for (;;) syscall(SYS_exit_group, code);
}

pid_t fork_process() { return fork(); }

std::vector<std::string> environment_with(const std::vector<std::string>& lines) {
  std::vector<std::string> all;
  for (char** e = environ; *e; ++e) {
    const char* eq = std::strchr(*e, '=');
    bool replaced = false;
    for (const std::string& l : lines)
      replaced =
          replaced || (eq && l.compare(0, size_t(eq - *e) + 1, *e, size_t(eq - *e) + 1) == 0);
    if (!replaced) all.push_back(*e);
  }
  all.insert(all.end(), lines.begin(), lines.end());
  return all;
}

namespace {

constexpr int kDefaultSignals[] = {SIGSEGV, SIGBUS,  SIGILL,  SIGFPE, SIGABRT,
                                   SIGUSR1, SIGUSR2, SIGTERM, SIGQUIT};

void redirect(int from, int to) {
  if (from >= 0 && from != to) dup2(from, to);
}

} // namespace

void default_signals() {
  for (int s : kDefaultSignals) std::signal(s, SIG_DFL);
  struct sigaction hangup; // if it is ignored, the user said nohup, for the children, too
  if (sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
    std::signal(SIGHUP, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void hold_interrupts(bool hold) {
  sigset_t interrupts;
  sigemptyset(&interrupts);
  sigaddset(&interrupts, SIGINT);
  sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &interrupts, nullptr);
}

void set_standard_files(int out, int err) {
  int null = open("/dev/null", O_RDWR);
  redirect(null, 0);
  redirect(out == kNowhere ? null : out, 1);
  redirect(err, 2);
  if (null > 2) close(null);
}

int open_again(pid_t pid, int fd) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/fd/%d", int(pid), fd);
  return open(path, O_RDWR | O_CLOEXEC);
}

void hand_down(int fd, bool yes) { fcntl(fd, F_SETFD, yes ? 0 : FD_CLOEXEC); }

} // namespace mp::platform
