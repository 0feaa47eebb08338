// A loop over a range in several threads of this process, which take grains of it until nothing is
// left. It knows neither where the threads come from (launch_with) nor what a Ctrl-C is (poll).
#pragma once

#include <cstdint>
#include <functional>

namespace mp {

// Stopped: a body said so. Interrupted: the poll did.
enum class LoopEnd { Done, Stopped, Interrupted };

struct Loop {
  uint64_t count = 0;
  unsigned threads = 1; // at most, with the caller
  uint64_t least = 1;   // elements that are not worth a look at the clock
  bool probe = true;    // look first how long some of them take; false: they are known to be long
  // [begin, end) of it; not 0: the loop ends soon. Throws nothing.
  int (*body)(void* data, uint64_t begin, uint64_t end) = nullptr;
  void* data = nullptr;
  // Called on the caller's thread only; true ends the loop. Throws nothing.
  bool (*poll)() = nullptr;
};

// Returns when no thread is in the body any more. A loop inside a loop's body runs in its own
// thread alone.
LoopEnd run_loop(const Loop& loop);

// This thread works for a loop that must end: what waits for something in this thread gives up.
bool loop_must_end();

// Starts `helper` in up to `count` other threads, at once, later, or never: the loop does not
// depend on them.
using Launcher = void (*)(unsigned count, const std::function<void()>& helper);
void launch_with(Launcher launcher);
// The launcher that needs nothing: threads of its own, which end with the helper.
void launch_threads(unsigned count, const std::function<void()>& helper);

} // namespace mp
