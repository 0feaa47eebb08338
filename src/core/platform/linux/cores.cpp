// Linux behind the seam: the cores that processes run on.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../process.h"

#include <cstring>
#include <sched.h>
#include <unistd.h>

namespace mp::platform {

int cpu_count() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return int(sysconf(_SC_NPROCESSORS_ONLN));
}

uint32_t current_cpu() {
  int cpu = sched_getcpu();
  return cpu < 0 ? 0 : uint32_t(cpu);
}

void leave_cpu(uint32_t cpu) {
  cpu_set_t all, others;
  if (current_cpu() != cpu || sched_getaffinity(0, sizeof all, &all) != 0) return;
  others = all;
  CPU_CLR(cpu, &others);
  if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others) != 0) return;
  if (sched_setaffinity(0, sizeof all, &all) == 0) return;
  std::memset(&all, 0xff, sizeof all); // the allowed cores have changed meanwhile: all that are allowed now
  sched_setaffinity(0, sizeof all, &all);
}

void yield_cpu() { sched_yield(); }

} // namespace mp::platform
