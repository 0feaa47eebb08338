// What the owner's and the worker's side of the job board share.
#pragma once

#include "heap.h"
#include "job_board.h"

namespace mp {

constexpr uint64_t kSliceBytes = 1024; // what a worker takes of a job's own arena at a time

inline std::atomic<uint64_t>& ring_at(uint64_t pool, uint64_t index) {
  return heap().at<std::atomic<uint64_t>>(pool + pool_at(pool).ring_offset)[index % kRing];
}

inline ResultList& results_at(uint64_t job, uint32_t worker) {
  return heap().at<ResultList>(job + job_at(job).results)[worker];
}

} // namespace mp
