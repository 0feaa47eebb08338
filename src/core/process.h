// Child processes: what they print, their signals, how they end. How they start: start.h.
#pragma once

#include "output_tail.h"
#include "layout.h"
#include "platform/process.h"

#include <climits>
#include <memory>
#include <string>
#include <vector>

namespace mp {

// The states of a child, as its parent sees it; it moves down this list and may skip some.
enum class ChildState {
  Unborn,   // a sibling is to fork it
  Starting, // it was started, and has not taken its slot in the session
  Running,  // its life holds
  Ended,    // its life is over, or it will never be forked; the system may still be taking it down
  Reaped    // the system has removed it: status and peak_bytes are known
};

// The parent's private knowledge of a child.
struct Child {
  pid_t pid = 0;
  int watch_fd = -1;         // pidfd
  Token token = 0;           // its slot in the session
  uint64_t process = 0;      // its Process block, if it has one
  int output[2] = {-1, -1};  // what it wrote to stdout and stderr
  uint64_t read[2] = {1, 1}; // how far we have read it; the first byte is not the child's
  OutputTail tails[2];
  std::atomic<int32_t>* born = nullptr; // a sibling forks it: its pid, by the kernel; or -errno
  std::shared_ptr<platform::Reaping> reaping; // a thread of this process reaps it
  bool reaped = false;
  bool spare = false;                   // what it has started may stay when it is killed
  int refused = 0;                      // errno: the system has no room for it
  int status = 0;                       // exit code, or -signal, or kUnknownEnd
  uint64_t peak_bytes = 0;              // of memory
};

// Exit code of a fork that found no slot in the session, and did nothing.
constexpr int kNoSlot = 71;

// Other code has reaped it, and the system does not tell us how it ended. R's NA.
constexpr int kUnknownEnd = INT_MIN;

enum class Output { Captured, Discarded, Inherited }; // Discarded: stdout alone, stderr is captured

ChildState state_of(Child& child); // a look at memory, no system call
// Unborn -> Starting: true when its pid is known.
bool meet_child(Child& child);
// Any -> Reaped, if the system says that it has ended: true then.
bool poll_child(Child& child);
// The same, after waiting for at most `ms`: for a child whose life is over and which the system is still
// taking down (its memory may be large).
bool await_child(Child& child, int ms);
// Ended -> Reaped without being asked: a thread does it for these, of which all are over and `spare`. They print nothing
// more. False, and nothing has changed: the system does not allow it now.
bool reap_in_background(const std::vector<Child*>& ended);
// SIGTERM and SIGKILL go to the programs that it has started, too.
int signal_child(Child& child, int signal);
// Where its output ends so far.
uint64_t printed(Child& child, int stream);
// New output since the last call, of stream 0 (stdout) or 1 (stderr). At most `limit` bytes.
std::string read_output(Child& child, int stream, size_t limit);
void close_child(Child& child);

[[noreturn]] void leave_process(uint64_t process, int code); // process 0: without a record

} // namespace mp
