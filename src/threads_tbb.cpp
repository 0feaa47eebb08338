// Helpers for loops from TBB's pool, which RcppParallel brings and other packages use too. A
// library of its own, so that a session without threads does not load TBB.
#if __has_include(<tbb/task_arena.h>)

#include <tbb/task_arena.h>

#include <algorithm>
#include <functional>
#include <thread>

// May throw; the caller catches.
extern "C" __attribute__((visibility("default"))) void
multiprocessing_enqueue(unsigned count, const std::function<void()>* helper) {
  static tbb::task_arena* arena = // never destroyed: R may end while its threads are about
      new tbb::task_arena(int(std::max(2u, std::thread::hardware_concurrency())), 0);
  while (count-- > 0) arena->enqueue(*helper);
}

#endif
