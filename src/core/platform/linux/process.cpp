// Linux behind the seam: processes, and the cores that they run on.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../process.h"
#include "../memory.h"

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4u
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

namespace mp::platform {

int cpu_count() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return int(sysconf(_SC_NPROCESSORS_ONLN));
}

uint32_t current_cpu() {
  int cpu = sched_getcpu();
  return cpu < 0 ? 0 : uint32_t(cpu);
}

void leave_cpu(uint32_t cpu) {
  cpu_set_t all, others;
  if (current_cpu() != cpu || sched_getaffinity(0, sizeof all, &all) != 0) return;
  others = all;
  CPU_CLR(cpu, &others);
  if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others) != 0) return;
  if (sched_setaffinity(0, sizeof all, &all) == 0) return;
  std::memset(&all, 0xff, sizeof all); // what was allowed has changed meanwhile: all that is now
  sched_setaffinity(0, sizeof all, &all);
}

void yield_cpu() { sched_yield(); }

namespace {

// From the third field on, which is the state. "": there is no such process.
std::string process_facts(pid_t pid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/stat", int(pid));
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "";
  char text[1024];
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return "";
  text[n] = 0;
  const char* p = std::strrchr(text, ')'); // the name may hold spaces and brackets
  return p && p[1] == ' ' ? p + 2 : "";
}

// When it started, by the clock of boot_ns(), rounded down to the system's tick. 0: not known.
int64_t process_started(pid_t pid) {
  std::string facts = process_facts(pid);
  const char* p = facts.c_str();
  for (int field = 3; field < 22 && p; ++field) {
    p = std::strchr(p, ' ');
    if (p) ++p;
  }
  return p ? std::strtoll(p, nullptr, 10) * (1'000'000'000 / sysconf(_SC_CLK_TCK)) : 0;
}

} // namespace

bool process_stopped(pid_t pid) {
  std::string facts = process_facts(pid);
  return !facts.empty() && (facts[0] == 'T' || facts[0] == 't');
}

bool process_gone(pid_t pid, int64_t seen_at) {
  int fd = watch_process(pid);
  if (fd < 0) {
    // EINVAL, ENOENT: the number now names a thread of some other process
    if (errno == ESRCH || errno == EINVAL || errno == ENOENT) return true;
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) return false; // try again later
    // An old kernel, or a sandbox that refuses what it does not know.
    if (kill(pid, 0) != 0 && errno == ESRCH) return true;
    return seen_at != 0 && process_started(pid) > seen_at;
  }
  // The pid was found, so this reads the same process or none.
  bool another = seen_at != 0 && process_started(pid) > seen_at;
  pollfd p{fd, POLLIN, 0};
  bool gone = another || poll(&p, 1, 0) > 0;
  close(fd);
  return gone;
}

bool runs_without(pid_t pid, int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0) return false;
  char line[PATH_MAX + 128];
  std::snprintf(line, sizeof line, "/proc/%d/maps", int(pid));
  FILE* f = std::fopen(line, "re");
  if (!f) return false;
  bool any = false, found = false;
  while (!found && std::fgets(line, sizeof line, f)) { // address rights offset device inode name
    unsigned long long inode;
    if (std::sscanf(line, "%*s %*s %*s %*s %llu", &inode) != 1) continue;
    any = true;
    found = inode == st.st_ino && std::strstr(line, "/memfd:") != nullptr;
  }
  std::fclose(f);
  return any && !found; // no line at all: it is on its way out, and its other threads may still run
}

pid_t own_pid() { return getpid(); }
uint32_t thread_id() { return uint32_t(syscall(SYS_gettid)); }
void on_fork(void (*before)(), void (*in_child)()) { pthread_atfork(before, nullptr, in_child); }

// pidfd_open() sets close-on-exec by itself.
int watch_process(pid_t pid) { return off_standard(int(syscall(SYS_pidfd_open, pid, 0))); }

int signal_process(int watch_fd, pid_t pid, int signal) {
  if (watch_fd >= 0) {
    int rc = int(syscall(SYS_pidfd_send_signal, watch_fd, signal, nullptr, 0));
    if (rc == 0 || errno == ESRCH) return rc;
  }
  return kill(pid, signal); // as above
}

void signal_group(pid_t leader, int signal) {
  if (leader > 1) kill(-leader, signal);
}

bool killed_by_signal(pid_t pid) {
  siginfo_t how;
  how.si_pid = 0;
  return waitid(P_PID, id_t(pid), &how, WEXITED | WNOHANG | WNOWAIT) == 0 && how.si_pid == pid &&
         how.si_code != CLD_EXITED;
}

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

// The kernel's message that the parent is gone. A signal that can be handled, as SIGKILL would leave
// the programs that the process has started. It has no other use, so nobody blocks or replaces it.
// A stopped process hears of it, too: with its parent its group loses its last tie to the session,
// and the kernel continues the stopped processes of such a group. One that is about to stop takes
// the lower number first, which is this one's.
#ifdef SIGSTKFLT
int orphan_signal() { return SIGSTKFLT; }
#else
int orphan_signal() { return SIGRTMAX - 1; }
#endif

void end_group(int) {
  if (getpgrp() == getpid()) kill(0, SIGKILL); // not in a fork of that process
  kill(getpid(), SIGKILL);
}

} // namespace

bool lead_group() {
  std::signal(SIGTTIN, SIG_IGN);
  std::signal(SIGTTOU, SIG_IGN);
  return setpgid(0, 0) == 0;
}

bool die_with_parent(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, orphan_signal());
  return getppid() == parent; // it may have ended before the line above
}

void take_group_along() {
  struct sigaction action;
  std::memset(&action, 0, sizeof action);
  action.sa_handler = end_group;
  sigfillset(&action.sa_mask);
  sigaction(orphan_signal(), &action, nullptr);
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
  struct Entry { // linux_dirent64
    uint64_t inode;
    int64_t next;
    uint16_t bytes;
    uint8_t type;
    char name[1];
  };
  alignas(8) char entries[2048];
  for (long n; (n = syscall(SYS_getdents64, folder, entries, sizeof entries)) > 0;)
    for (long at = 0; at < n;) {
      auto* e = reinterpret_cast<Entry*>(entries + at);
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

} // namespace mp::platform
