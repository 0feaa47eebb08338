// Bells: words in shared memory that one process sleeps on and others wake.
#pragma once

#include <atomic>
#include <cstdint>

namespace mp::platform {

// One word that a process sleeps on, with the value at which it is worth sleeping.
struct Watch {
  std::atomic<uint32_t>* word;
  uint32_t expected;
};

// Sleeps until a word is woken, differs from its expected value, a signal arrives, or the deadline
// passes. May wake for no reason: callers look again. words[0] is the sleeper's own doorbell; where
// the system cannot watch several words only the first is watched, and the deadline is shortened.
void sleep_on(const Watch* words, int count, int64_t deadline_ns);
void wake(std::atomic<uint32_t>* word, int count);

} // namespace mp::platform
