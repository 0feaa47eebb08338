// RcppParallel's loops, on our threads. They take an RcppParallel::Worker as it is: change
// `RcppParallel::parallelFor` to `multiprocessing::parallelFor`. What changes:
//
// - Ctrl-C ends the loop (after the call of the worker that runs);
// - what a worker throws is thrown again by the loop, on the caller's thread;
// - in a forked child (mclapply(), Pool(), Process()) they work, by default in one thread;
// - parallelReduce() gives the same to the last bit for any number of threads.
//
// A worker may be any object with `operator()(std::size_t begin, std::size_t end)`.
#pragma once

#include "parallel.h"

#include <atomic>
#include <memory>

namespace RcppParallel {
struct Split; // <RcppParallel.h> defines it
}

namespace multiprocessing {
namespace detail {

// A reducer for each part of a range. The reducer of the first part is the caller's; the others are
// split from it. Neighbours are joined in pairs, the pairs in pairs and so on: a tree whose shape
// depends on the number of parts alone. The second of a pair to be complete joins both, so that few
// reducers exist at a time.
template <class Reducer, class Split> class JoinTree {
public:
  JoinTree(Reducer& first, std::size_t parts)
      : first_(first), split_(parts), complete_(parts) {}

  void run(std::size_t part, std::size_t begin, std::size_t end) {
    if (part > 0) split_[part] = std::make_unique<Reducer>(first_, Split());
    at(part)(begin, end);
    for (std::size_t width = 1; width < split_.size(); width *= 2) {
      std::size_t left = part / (2 * width) * (2 * width), right = left + width;
      if (right < split_.size()) {
        // acq_rel: the second sees what the first has computed
        if (complete_[right].fetch_add(1, std::memory_order_acq_rel) == 0) return;
        at(left).join(*split_[right]);
        split_[right].reset();
      }
      part = left;
    }
  }

private:
  Reducer& at(std::size_t part) { return part == 0 ? first_ : *split_[part]; }
  Reducer& first_;
  std::vector<std::unique_ptr<Reducer>> split_;
  std::vector<std::atomic<int>> complete_; // of the pair whose right one begins here
};

} // namespace detail

inline namespace MULTIPROCESSING_FLAVOUR {

// worker(b, e) for ranges that together are [begin, end). `grainSize`: the least length of a range.
// `numThreads`: below 1 as many as this process should use.
template <class Worker>
void parallelFor(std::size_t begin, std::size_t end, Worker& worker, std::size_t grainSize = 1,
                 int numThreads = -1) {
  parallel_for_ranges(
      begin, end, [&](std::size_t b, std::size_t e) { worker(b, e); },
      {numThreads > 0 ? unsigned(numThreads) : 0u, grainSize});
}

// `reducer` is a worker with a constructor (Reducer&, RcppParallel::Split) and join(const Reducer&).
// It has the result afterwards. The parts are joined in order.
template <class Reducer, class Split = RcppParallel::Split>
void parallelReduce(std::size_t begin, std::size_t end, Reducer& reducer, std::size_t grainSize = 1,
                    int numThreads = -1) {
  if (begin >= end) return;
  constexpr std::size_t kParts = 128;
  std::size_t count = end - begin;
  std::size_t step = std::max({count / kParts + (count % kParts != 0), grainSize, std::size_t(1)});
  std::size_t parts = count / step + (count % step != 0);
  detail::JoinTree<Reducer, Split> tree(reducer, parts);
  parallel_for(
      0, parts,
      [&](std::size_t p) {
        std::size_t b = begin + p * step;
        tree.run(p, b, b + std::min(step, end - b));
      },
      {numThreads > 0 ? unsigned(numThreads) : 0u});
}

} // namespace MULTIPROCESSING_FLAVOUR
} // namespace multiprocessing
