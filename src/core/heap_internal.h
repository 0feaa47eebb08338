// What the files of the heap share; and its guard, for callers that change several things as one.
#pragma once

#include "guard.h"
#include "heap.h"

#include <algorithm>

namespace mp {

enum RunKind : uint64_t { kUnused = 0, kUsed = 1, kUsedEnd = 2, kFree = 3, kFreeEnd = 4 };
inline uint64_t run(RunKind k, uint64_t value) { return value << 3 | k; }
inline RunKind run_kind(uint64_t v) { return RunKind(v & 7); }
inline uint64_t run_value(uint64_t v) { return v >> 3; }

// The words are read by rebuild() in another process after a death: stored whole, in program order.
inline void put(uint64_t& word, uint64_t v) { __atomic_store_n(&word, v, __ATOMIC_RELEASE); }

// Free pages that stay warm: the first touch of a page costs more than copying it.
inline uint64_t warm_pages() {
  static const uint64_t bytes =
      std::min(uint64_t(1) << 30, std::max(uint64_t(64) << 20, platform::total_memory() / 16));
  return bytes / kPageBytes;
}

// The heap's guard for the length of a scope; repairs after a takeover. Inside another one of the
// same thread it cannot fail: what must be done whole opens one around it.
class HeapSection {
public:
  explicit HeapSection(Heap& h) : HeapSection(h, platform::kForever) {
    if (!held()) refuse_guard(status_, h.header().guard);
  }
  // The same, but held() may be false. See lock_guard() for `deadline`.
  HeapSection(Heap& h, int64_t deadline) : guard_(h.header().guard) {
    // Only we write our token into it.
    inner_ = self() != 0 && guard_.owner.load(std::memory_order_relaxed) == self();
    if (inner_) return;
    status_ = lock_guard(guard_, deadline);
    if (status_ == Status::OwnerDied) h.rebuild();
    if (held() && h.postponed_.load(std::memory_order_relaxed)) h.drop_postponed();
  }
  HeapSection(const HeapSection&) = delete;
  HeapSection& operator=(const HeapSection&) = delete;
  ~HeapSection() {
    if (held() && !inner_) unlock_guard(guard_);
  }
  bool held() const { return status_ == Status::Ok || status_ == Status::OwnerDied; }
  Status status() const { return status_; }

private:
  GuardWord& guard_;
  Status status_ = Status::Ok;
  bool inner_;
};

// Calls f(page, pages) for every used run. Under the guard.
template <class F> void Heap::each_used(F f) {
  HeapHeader& h = header();
  for (uint64_t p = h.first_page; p < h.high_water;) {
    uint64_t v = __atomic_load_n(&runs_[p], __ATOMIC_ACQUIRE), n = run_value(v);
    switch (run_kind(v)) {
    case kUsed:
      f(p, n);
      p += n;
      break;
    case kFree:
      p += n;
      break;
    default:
      ++p;
    }
  }
}

} // namespace mp
