// Linux behind the seam: whether processes run, and how they ended. How they start: start.cpp.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../process.h"
#include "../clock.h"
#include "../memory.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

namespace mp::platform {

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

bool process_sleeps(pid_t pid) {
  std::string facts = process_facts(pid);
  return facts.empty() || facts[0] == 'S';
}

int64_t process_cpu_ns(pid_t pid) {
  clockid_t clock;
  timespec used;
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
  return int64_t(used.tv_sec) * 1'000'000'000 + used.tv_nsec;
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
  return any && !found; // no line at all: it is ending, and its other threads may still run
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

namespace {
int code_or_signal(int status) {
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}
} // namespace

Asked ask_ending(pid_t child, Ending* how) {
  int status = 0;
  rusage used;
  pid_t r = wait4(child, &status, WNOHANG, &used);
  if (r == 0 || (r < 0 && errno == EINTR)) return Asked::Runs;
  if (r < 0) return Asked::Lost;
  how->status = code_or_signal(status);
  how->peak_bytes = uint64_t(used.ru_maxrss) * 1024;
  return Asked::Ended;
}

bool lost_ending(int watch_fd, int* status) {
  struct Info { // pidfd_info, as it was first published
    uint64_t mask, cgroup;
    uint32_t ids[11];
    int32_t exit_code;
  } info;
  static_assert(sizeof info == 64, "the size is a part of the request");
  constexpr uint64_t kExit = 1 << 3; // PIDFD_INFO_EXIT
  std::memset(&info, 0, sizeof info);
  info.mask = kExit;
  if (watch_fd < 0 || ioctl(watch_fd, _IOWR(0xFF, 11, Info), &info) != 0 || !(info.mask & kExit))
    return false;
  *status = code_or_signal(info.exit_code);
  return true;
}

void await_process(int watch_fd, int ms) {
  int64_t deadline = now_ns() + ms * int64_t(1'000'000);
  pollfd p{watch_fd, POLLIN, 0};
  // Other code may handle SIGCHLD: then the end of one child interrupts the wait for another.
  while (poll(&p, watch_fd >= 0 ? 1 : 0, ms) < 0 && errno == EINTR)
    ms = int(std::max<int64_t>(0, deadline - now_ns() + 999'999) / 1'000'000);
}

void keep_exit_states() {
  struct sigaction now;
  if (sigaction(SIGCHLD, nullptr, &now) != 0) return;
  if (now.sa_handler == SIG_IGN) now.sa_handler = SIG_DFL;
  else if (!(now.sa_flags & SA_NOCLDWAIT)) return;
  now.sa_flags &= ~SA_NOCLDWAIT;
  sigaction(SIGCHLD, &now, nullptr);
}

} // namespace mp::platform
