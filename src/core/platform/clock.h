// Clocks, in nanoseconds, and the pause of a loop that spins.
#pragma once

#include <cstdint>

namespace mp::platform {

constexpr int64_t kForever = INT64_MAX;

// Monotonic. Every deadline in this library is a value of this clock.
int64_t now_ns();
// Time since the machine was started: the clock that dates the start of processes.
int64_t boot_ns();
void nap(int64_t ns); // may be shorter

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

} // namespace mp::platform
