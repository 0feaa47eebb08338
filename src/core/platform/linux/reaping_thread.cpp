// Linux behind the seam: a thread that reaps children which are about to end. A parent has to ask for each of its
// children; until then the system keeps it as defunct. The thread asks, while the session does something else.
//
// It lives for as long as the system needs to take these processes down, calls nothing of R's, and takes no signal:
// handlers run in the session's own thread. A fork of the session does not have the thread, and asks for no
// child of its parent's. (Memory that the thread frees is the C library's affair, whose fork() waits for its locks.) If the session ends first, the thread ends with it, and init reaps the children.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../process.h"

#include <cerrno>
#include <csignal>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace mp::platform {
namespace {

using Leaving = std::vector<std::pair<int, std::shared_ptr<Reaping>>>;

constexpr size_t kStackBytes = 256 * 1024; // small, and enough for any library's thread-local data
constexpr idtype_t kPidfd = idtype_t(3);   // P_PIDFD, which old headers lack

// By the descriptor: a pid that is free again may be another child's.
int wait_by_descriptor(int watch_fd, siginfo_t* how, int options, rusage* used) {
  how->si_pid = 0;
  return int(syscall(SYS_waitid, kPidfd, watch_fd, how, options, used));
}

void* reap_all(void* data) {
  std::unique_ptr<Leaving> children(static_cast<Leaving*>(data));
  prctl(PR_SET_NAME, "multiprocessing"); // in a list of the session's threads
  for (auto& [watch_fd, reaping] : *children) {
    siginfo_t how;
    rusage used{};
    int rc;
    do rc = wait_by_descriptor(watch_fd, &how, WEXITED, &used);
    while (rc != 0 && errno == EINTR);
    close(watch_fd);
    if (rc == 0) {
      reaping->answer = Asked::Ended;
      reaping->how.status = how.si_code == CLD_EXITED ? how.si_status : -how.si_status;
      reaping->how.peak_bytes = uint64_t(used.ru_maxrss) * 1024;
    }
    reaping->over.store(true, std::memory_order_release); // pairs with the acquire of poll_child()
  }
  return nullptr;
}

} // namespace

bool reap_in_background(const Leaving& children) {
  siginfo_t how;
  for (auto& child : children)
    if (wait_by_descriptor(child.first, &how, WEXITED | WNOHANG | WNOWAIT, nullptr) != 0) return false;
  auto given = std::make_unique<Leaving>(children);
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); // the thread begins with it
  pthread_t thread;
  int e = pthread_create(&thread, &attributes, reap_all, given.get());
  if (e == 0) given.release(); // it is the thread's
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return e == 0;
}

} // namespace mp::platform
