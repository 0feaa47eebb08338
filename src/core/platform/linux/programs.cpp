// Linux behind the seam: programs in groups of their own, by what /proc shows of their environment.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../process.h"
#include "../programs.h"
#include "internal.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace mp::platform {
namespace {

// The environment that a program was started with, as /proc shows it, has the line `mark`. The file
// is read in pieces, each of which begins with the end of the one before.
bool carries(int environment, const char* mark, size_t length) {
  char text[4096];
  text[0] = 0; // a line stands between zeros
  size_t kept = 1;
  for (;;) {
    ssize_t n = read(environment, text + kept, sizeof text - kept);
    if (n <= 0) return false;
    size_t have = kept + size_t(n);
    for (size_t at = 0; at + length + 2 <= have; ++at)
      if (text[at] == 0 && text[at + length + 1] == 0 &&
          std::memcmp(text + at + 1, mark, length) == 0)
        return true;
    kept = std::min(have, length + 1);
    std::memmove(text, text + have - kept, kept);
  }
}

int open_environment(pid_t pid) {
  char path[32] = "/proc/", digits[12];
  size_t n = 0, at = std::strlen(path);
  for (pid_t rest = pid; rest > 0; rest /= 10) digits[n++] = char('0' + rest % 10);
  while (n) path[at++] = digits[--n];
  std::strcpy(path + at, "/environ");
  return open(path, O_RDONLY | O_CLOEXEC);
}

struct Marked {
  const char* mark;
  size_t length;
  pid_t group;
};

bool is_marked(pid_t pid, const void* data) {
  auto& m = *static_cast<const Marked*>(data);
  if (!in_own_session(pid)) return false;
  if (m.group > 0 && getpgid(pid) == m.group) return true; // 0: of a group that is not in our container
  int environment = open_environment(pid);
  if (environment < 0) return false; // another user's, or it has ended
  bool marked = carries(environment, m.mark, m.length);
  close(environment);
  return marked;
}

// The numbers in this /proc are those of our own system calls: it may be that of another container.
bool proc_is_ours() {
  char text[16];
  ssize_t n = readlink("/proc/self", text, sizeof text);
  pid_t pid = 0;
  for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; ++i)
    pid = 10 * pid + (text[i] - '0');
  return n > 0 && pid == getpid();
}

} // namespace

void set_variable(const char* name, const char* value) { setenv(name, value, 1); }

bool signal_if(pid_t pid, bool (*is_meant)(pid_t, const void*), const void* data, int signal) {
  int process = watch_process(pid);
  // Without descriptors of processes (an old kernel, a sandbox) the number is all there is.
  if (process < 0 && errno != ENOSYS && errno != EPERM) return false;
  pollfd ended{process, POLLIN, 0}; // a dead process that was not reaped yet accepts signals
  bool runs = process < 0 || poll(&ended, 1, 0) == 0;
  bool sent = runs && is_meant(pid, data) && signal_process(process, pid, signal) == 0;
  if (process >= 0) close(process);
  return sent;
}

bool in_own_session(pid_t pid) { return getsid(pid) == getsid(0); }

int signal_marked(const char* mark, pid_t group, int signal) {
  Marked m{mark, std::strlen(mark), group};
  if (m.length == 0 || m.length > 1000 || !proc_is_ours()) return 0;
  int folder = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return 0;
  int found = 0;
  alignas(8) char entries[2048];
  for (long n; (n = syscall(SYS_getdents64, folder, entries, sizeof entries)) > 0;)
    for (long at = 0; at < n;) {
      auto* e = reinterpret_cast<FolderEntry*>(entries + at);
      pid_t pid = 0;
      for (const char* c = e->name; *c >= '0' && *c <= '9'; ++c) pid = 10 * pid + (*c - '0');
      // most are of other sessions, and need not be opened
      if (pid > 1 && pid != getpid() && in_own_session(pid))
        found += signal_if(pid, is_marked, &m, signal);
      at += e->bytes;
    }
  close(folder);
  return found;
}

} // namespace mp::platform
