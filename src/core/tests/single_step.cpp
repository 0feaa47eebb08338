// Children that are run instruction by instruction, by ptrace.
#include "support.h"

#include <cstdio>
#include <cstdlib>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

namespace test {
namespace {

constexpr int kRefused = 77;

// 1, 2, 3 ... as numbers in [0, 1), each in the largest hole that those before it left.
double spread(uint64_t i) {
  double x = 0, f = 0.5;
  for (; i; i >>= 1, f /= 2)
    if (i & 1) x += f;
  return x;
}

// A child of `body` that is stopped after some instructions, unless it had ended or fallen asleep
// before.
class Traced {
public:
  Traced(const std::function<int()>& body, uint64_t steps) {
    if (fork_child(child_, Output::Captured)) {
      if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) leave_process(0, kRefused);
      leave_process(0, body());
    }
    wait();
    for (; WIFSTOPPED(status_) && taken < steps; ++taken) {
      int signal =
          WSTOPSIG(status_) == SIGTRAP || WSTOPSIG(status_) == SIGSTOP ? 0 : WSTOPSIG(status_);
      if (ptrace(PTRACE_SINGLESTEP, child_.pid, nullptr, signal) != 0) break;
      if (!step_done()) break;
    }
    ended_ = !asleep_ && !WIFSTOPPED(status_);
    refused = ended_ && WIFEXITED(status_) && WEXITSTATUS(status_) == kRefused;
  }
  ~Traced() {
    kill();
    close_child(child_);
  }
  void kill() {
    if (ended_) return;
    ::kill(child_.pid, SIGKILL);
    do wait();
    while (WIFSTOPPED(status_));
    ended_ = true;
  }
  // Lets it continue. Its exit code, -signal, or kStuck.
  int go_on(int64_t ms) {
    if (!ended_) {
      if (asleep_ && !eventually([&] { return waitpid(child_.pid, &status_, WNOHANG) != 0; }, ms))
        return Kid::kStuck;
      if (WIFSTOPPED(status_)) ptrace(PTRACE_DETACH, child_.pid, nullptr, nullptr);
      asleep_ = false;
      if (WIFSTOPPED(status_) &&
          !eventually([&] { return waitpid(child_.pid, &status_, WNOHANG) != 0; }, ms))
        return Kid::kStuck;
      ended_ = true;
    }
    int code = WIFSIGNALED(status_) ? -WTERMSIG(status_) : WEXITSTATUS(status_);
    if (code != 0) std::fprintf(stderr, "%s", read_output(child_, 1, 10'000).c_str());
    return code;
  }
  bool ended() const { return ended_; }
  uint64_t taken = 0;
  bool refused = false;

private:
  void wait() {
    while (waitpid(child_.pid, &status_, 0) < 0 && errno == EINTR) {
    }
  }
  bool sleeps() const {
    std::string path = "/proc/" + std::to_string(child_.pid) + "/stat";
    FILE* f = std::fopen(path.c_str(), "re");
    char state = '?';
    if (f && std::fscanf(f, "%*d %*[^)]) %c", &state) != 1) state = '?';
    if (f) std::fclose(f);
    return state == 'S';
  }
  // False if the instruction is a system call in which the child sleeps.
  bool step_done() {
    int64_t suspicious = platform::now_ns() + kMs;
    for (int seen = 0; waitpid(child_.pid, &status_, WNOHANG) == 0;) {
      sched_yield();
      if (platform::now_ns() < suspicious) continue;
      seen = sleeps() ? seen + 1 : 0;
      if (seen == 3) return !(asleep_ = true);
      suspicious = platform::now_ns() + kMs;
    }
    return true;
  }

  Child child_;
  int status_ = 0;
  bool asleep_ = false;
  bool ended_ = false;
};

// The instructions to stop at, spread over the whole length, until the time is over.
bool everywhere(const std::function<int()>& body, const std::function<void(Traced&)>& at,
                int64_t quick_ms) {
  int64_t end = platform::now_ns() + (soak() ? 20 : 1) * quick_ms * kMs;
  uint64_t length = 0;
  {
    Traced whole(body, UINT64_MAX);
    if (whole.refused) {
      if (std::getenv("MULTIPROCESSING_DEMAND")) FAIL("this system forbids ptrace()");
      return false;
    }
    length = whole.taken;
    at(whole);
  }
  for (uint64_t i = 1; platform::now_ns() < end && i < 8 * length; ++i) {
    Traced traced(body, uint64_t(spread(i) * double(length)) + random_below(8));
    at(traced);
  }
  return true;
}

} // namespace

void from_here() { raise(SIGSTOP); }

bool die_anywhere(const std::function<void()>& body, const std::function<void(uint64_t)>& after,
                  int64_t quick_ms) {
  auto to_its_end = [&] {
    body();
    return 0;
  };
  return everywhere(
      to_its_end,
      [&](Traced& t) {
        if (t.ended() && t.go_on(0) != 0) throw Error{"TestError", "the traced child failed"};
        t.kill();
        after(t.taken);
      },
      quick_ms);
}

bool stop_anywhere(const std::function<int()>& body, const std::function<void()>& meanwhile,
                   const std::function<void(uint64_t, int)>& after, int64_t quick_ms) {
  return everywhere(
      body,
      [&](Traced& t) {
        meanwhile();
        int code = t.go_on(3'000);
        t.kill();
        after(t.taken, code);
      },
      quick_ms);
}

} // namespace test
