// One child: its output, its signals, its end.
#include "process.h"
#include "programs.h"

#include "heap.h"
#include "joining.h"
#include "participant.h"
#include "platform/platform.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>

namespace mp {

namespace {

bool note_ending(Child& child, const platform::Ending& how) {
  child.reaped = true;
  child.status = how.status;
  child.peak_bytes = how.peak_bytes;
  if (heap_exists()) abandon_slot(child.token); // it may have died before it took its slot
  return true;
}

} // namespace

bool poll_child(Child& child) {
  if (child.reaped) return true;
  if (child.reaping) {
    if (!child.reaping->over.load(std::memory_order_acquire)) return false; // pairs with the thread's release
    bool known = child.reaping->answer == platform::Asked::Ended;
    return note_ending(child, known ? child.reaping->how : platform::Ending{kUnknownEnd, 0});
  }
  if (!meet_child(child)) {
    if (state_of(child) < ChildState::Ended) return false;
    if (!meet_child(child)) { // the process that was to fork it has ended, or could not
      child.reaped = true;
      child.status = 255;
      return true;
    }
  }
  // Until it is reaped no other group can have its number. The programs that it started end with it.
  if (!child.spare && platform::killed_by_signal(child.pid)) signal_started(child.pid, child.token, SIGKILL);
  platform::Ending how{0, 0};
  platform::Asked answer = platform::ask_ending(child.pid, &how);
  if (answer == platform::Asked::Runs) return false;
  // Other code has reaped it. Its own record of its exit code may know more.
  if (answer == platform::Asked::Lost && !platform::lost_ending(child.watch_fd, &how.status))
    how.status = kUnknownEnd;
  return note_ending(child, how);
}

bool await_child(Child& child, int ms) {
  if (poll_child(child)) return true;
  if (child.pid == 0 || child.reaping) ms = std::min(ms, 1); // there is nothing to watch yet, or any more
  platform::await_process(child.watch_fd, ms);
  return poll_child(child);
}

bool reap_in_background(const std::vector<Child*>& ended) {
  if (ended.empty()) return true;
  std::vector<std::pair<int, std::shared_ptr<platform::Reaping>>> leaving;
  for (Child* c : ended) {
    if (c->watch_fd < 0 || !c->spare) return false;
    leaving.emplace_back(c->watch_fd, std::make_shared<platform::Reaping>());
  }
  if (!platform::reap_in_background(leaving)) return false;
  for (size_t i = 0; i < ended.size(); ++i) {
    ended[i]->reaping = leaving[i].second;
    ended[i]->watch_fd = -1; // the thread's
    close_child(*ended[i]);
  }
  return true;
}

ChildState state_of(Child& child) {
  if (child.reaped) return ChildState::Reaped;
  if (is_alive(child.token)) return ChildState::Running;
  if (!is_expected(child.token)) return ChildState::Ended;
  return meet_child(child) ? ChildState::Starting : ChildState::Unborn;
}

int signal_child(Child& child, int signal) {
  if (child.reaped || child.reaping || !meet_child(child)) return 0;
  bool all = !child.spare && (signal == SIGTERM || signal == SIGKILL);
  if (all && platform::signal_process(child.watch_fd, child.pid, 0) == 0)
    signal_started(child.pid, child.token, signal);
  return platform::signal_process(child.watch_fd, child.pid, signal);
}

uint64_t printed(Child& child, int stream) {
  int fd = child.output[stream];
  if (fd < 0 || !child.tails[stream].may_have_grown(fd, child.read[stream])) return child.read[stream];
  return std::max(platform::file_bytes(fd), child.read[stream]);
}

std::string read_output(Child& child, int stream, size_t limit) {
  std::string text(std::min<uint64_t>(printed(child, stream) - child.read[stream], limit), '\0');
  if (text.empty()) return text;
  int fd = child.output[stream];
  text.resize(platform::read_file(fd, &text[0], text.size(), child.read[stream]));
  constexpr uint64_t step = uint64_t(1) << 20; // what was read is given back so much at a time
  uint64_t before = child.read[stream] / step;
  child.read[stream] += text.size();
  uint64_t after = child.read[stream] / step;
  if (after > before) platform::punch_memory(fd, before * step, (after - before) * step);
  return text;
}

void close_child(Child& child) {
  for (int* fd : {&child.watch_fd, &child.output[0], &child.output[1]}) {
    if (*fd >= 0) platform::close_file(*fd);
    *fd = -1;
  }
  for (OutputTail& t : child.tails) t.forget();
}

void leave_process(uint64_t process, int code) {
  std::fflush(nullptr);
  if (process) // release: pairs with the parent's load once the life word says that we have ended
    heap().at<ProcessShared>(process)->left.store(uint32_t(1 + (code & 255)),
                                                  std::memory_order_release);
  end_participant();
  platform::leave(code);
}

} // namespace mp
