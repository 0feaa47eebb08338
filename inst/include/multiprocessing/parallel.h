// Loops in threads.
//
//   multiprocessing::parallel_for(0, n, [&](std::size_t i) { out[i] = f(in[i]); });
//   double s = multiprocessing::parallel_reduce(0, n, 0.0,
//       [&](std::size_t i) { return in[i]; }, [](double a, double b) { return a + b; });
//
// Call them on R's main thread. The functions run in several threads: they may not call R, nor use
// a SEXP (take the pointer to its data before the loop). What one of them throws ends the loop and
// is thrown again by it, on the caller's thread. Ctrl-C ends it, too. A loop in a loop's function
// runs in that one's thread.
#pragma once

#include "error.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <type_traits>
#include <vector>

namespace multiprocessing {
inline namespace MULTIPROCESSING_FLAVOUR {

struct Options {
  unsigned threads = 0;  // 0: as many as this process should use
  std::size_t grain = 0; // the least number of iterations in one go; 0: chosen while the loop runs
};

// body(begin, end), for parts of [first, last) that together are the whole.
template <class Body>
void parallel_for_ranges(std::size_t first, std::size_t last, Body&& body, Options options = {}) {
  if (first >= last) return;
  struct Task {
    std::size_t first;
    std::remove_reference_t<Body>& body;
    std::mutex mutex;
    std::exception_ptr failure;
  } task{first, body, {}, nullptr};
  auto run = [](void* data, uint64_t begin, uint64_t end) -> int {
    Task& t = *static_cast<Task*>(data);
    try {
      t.body(t.first + std::size_t(begin), t.first + std::size_t(end));
      return 0;
    } catch (...) {
      std::lock_guard<std::mutex> hold(t.mutex);
      if (!t.failure) t.failure = std::current_exception();
      return 1;
    }
  };
  int status = api().parallel_for(last - first, options.grain, options.threads, run, &task);
  if (status == MULTIPROCESSING_INTERRUPTED) throw_user_interrupt();
  if (task.failure) std::rethrow_exception(task.failure);
  if (status == MULTIPROCESSING_STOPPED) throw Interrupted(); // of a loop around this one
}

// body(i) for every i of [first, last), in any order.
template <class Body>
void parallel_for(std::size_t first, std::size_t last, Body&& body, Options options = {}) {
  parallel_for_ranges(
      first, last,
      [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) body(i);
      },
      options);
}

// combine(... combine(combine(init, value(first)), value(first + 1)) ..., value(last - 1)), for an
// associative `combine`. The range is cut by its length alone, and the parts
// are combined in order: the result is the same to the last bit for any number of threads.
template <class T, class Value, class Combine>
T parallel_reduce(std::size_t first, std::size_t last, T init, Value&& value, Combine&& combine,
                  Options options = {}) {
  if (first >= last) return init;
  constexpr std::size_t kParts = 512;
  std::size_t count = last - first, step = (count + kParts - 1) / kParts;
  std::size_t parts = (count + step - 1) / step;
  struct Slot { // not a bare T: std::vector<bool> packs eight of them into a byte
    T value;
  };
  std::vector<Slot> partial(parts, Slot{init});
  Options by_part{options.threads, options.grain / step};
  parallel_for(
      0, parts,
      [&](std::size_t p) {
        std::size_t i = first + p * step, end = std::min(i + step, last);
        T sum = value(i);
        for (++i; i < end; ++i) sum = combine(sum, value(i));
        partial[p].value = sum;
      },
      by_part);
  for (const Slot& s : partial) init = combine(init, s.value);
  return init;
}

} // namespace MULTIPROCESSING_FLAVOUR
} // namespace multiprocessing
