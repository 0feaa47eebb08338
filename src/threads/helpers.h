// The threads of this process for loops: TBB's, which RcppParallel brings and other packages use
// too, and in a forked child, where they do not exist, threads of its own.
#pragma once

#include "core/loop.h"

#include <cstdint>

namespace mp::bind {

void prepare_threads(); // when the package is loaded
bool is_forked();       // since then
bool on_r_thread();

// 0: as many as suit this process (one in a worker: the other cores have workers as well).
unsigned thread_count(unsigned wanted);
bool poll_interrupt();         // a Ctrl-C came
[[noreturn]] void interrupt(); // throws it

// run_loop() for a callable body(begin, end) that returns true to continue. Ctrl-C is thrown.
// False: the body stopped it.
template <class Body>
bool in_threads(uint64_t count, unsigned threads, uint64_t least, Body body, bool probe = true) {
  Loop loop;
  loop.count = count;
  loop.threads = threads;
  loop.least = least;
  loop.probe = probe;
  loop.data = &body;
  loop.poll = poll_interrupt;
  loop.body = [](void* data, uint64_t begin, uint64_t end) {
    return int(!(*static_cast<Body*>(data))(begin, end));
  };
  LoopEnd end = run_loop(loop);
  if (end == LoopEnd::Interrupted) interrupt();
  return end == LoopEnd::Done;
}

} // namespace mp::bind
