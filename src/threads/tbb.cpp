// Helpers for loops from TBB's pool, which RcppParallel brings and other packages use too. A
// library of its own, so that a session without threads does not load TBB.
#include <R_ext/Rdynload.h>

#if __has_include(<tbb/task_arena.h>)

#include <tbb/task_arena.h>

#include <functional>

// May throw; the caller catches.
extern "C" __attribute__((visibility("default"))) void
multiprocessing_enqueue(unsigned count, const std::function<void()>* helper) {
  // As many threads as TBB has, less the caller's. Never destroyed: R may end while they still run.
  static tbb::task_arena* arena = new tbb::task_arena();
  while (count-- > 0) arena->enqueue(*helper);
}

#endif

extern "C" __attribute__((visibility("default"))) void R_init_threads_tbb(DllInfo* dll) {
  R_registerRoutines(dll, nullptr, nullptr, nullptr, nullptr);
  R_useDynamicSymbols(dll, TRUE); // its one function is found by its name
}
