// What the package logs, see R/logging.R. Costs one relaxed read when it is off.
#pragma once

#include "r/call.h"

#include <atomic>

namespace mp::bind {

enum LogLevel { kDebug = 10, kInfo = 20, kWarning = 30 };

// Process-local, a fork copies it; 0: nothing is logged. Read and written by R's main thread.
inline std::atomic<int> log_level{0};

inline bool logs(LogLevel level) {
  int least = log_level.load(std::memory_order_relaxed); // nothing else depends on it
  return least != 0 && level >= least;
}

template <class... A> void log(LogLevel level, const char* format, const A&... values) {
  if (logs(level)) call_r("log_formatted", int(level), format, values...);
}

} // namespace mp::bind
