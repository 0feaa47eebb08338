// What is in the heap, and whether it is consistent.
#include "heap_internal.h"

namespace mp {

HeapReport Heap::check() {
  HeapSection section(*this);
  HeapReport report;
  HeapHeader& h = header();
  auto problem = [&](const std::string& what, uint64_t page) {
    if (report.problem.empty()) report.problem = what + " at page " + std::to_string(page);
  };
  uint64_t used = 0;
  for (uint64_t p = h.first_page; p < h.high_water;) {
    uint64_t v = runs_[p], n = run_value(v);
    if ((run_kind(v) != kUsed && run_kind(v) != kFree) || n == 0 || p + n > h.high_water) {
      problem("a page that is neither used nor free", p);
      ++p;
      continue;
    }
    if (run_kind(v) == kUsed) {
      used += n;
      ++report.used_blocks;
      report.used_bytes += n * kPageBytes;
      if (!needed(records_[p])) problem("a block that nothing keeps", p);
      if (records_[p].parent && run_kind(runs_[records_[p].parent]) != kUsed)
        problem("a block whose parent is free", p);
      records_[p].each_holder([&](uint32_t slot) {
        if (h.participants[slot].look().life == Life::Free)
          problem("a block held by a free slot", p);
      });
    }
    p += n;
  }
  if (used != h.used_pages) problem("the count of used pages is wrong", used);
  report.backed_bytes = platform::backed_bytes(fd_);
  report.total_bytes = h.bytes;
  return report;
}

std::vector<BlockInfo> Heap::blocks() {
  HeapSection section(*this);
  std::vector<BlockInfo> found;
  each_used([&](uint64_t page, uint64_t pages) {
    const BlockRecord& r = records_[page];
    BlockInfo b{page * kPageBytes, r.serial, r.bytes, pages * kPageBytes, r.kind, r.creator, r.referrers,
                r.parent != 0,     {}};
    r.each_holder([&](uint32_t slot) {
      b.holders.push_back(make_token(slot, header().participants[slot].look().generation));
    });
    found.push_back(std::move(b));
  });
  return found;
}

} // namespace mp
