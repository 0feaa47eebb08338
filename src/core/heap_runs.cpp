// run[page] is the truth about used memory: one store of {Used, pages} at a block's first page
// makes it exist, one store makes it free. Free runs, their lists and sizes, children and referrers are
// derived; a process that dies inside the guard leaves them torn, and the next owner derives them
// again.
#include "heap_internal.h"

#include <cstring>

namespace mp {
namespace {

int class_of(uint64_t pages) { return 63 - __builtin_clzll(pages); }

} // namespace

// backed: all of its pages exist. warm: at most this many of them exist.
void Heap::list_add(uint64_t page, uint64_t pages, bool backed, uint64_t warm) {
  HeapHeader& h = header();
  int c = class_of(pages);
  BlockRecord& r = records_[page];
  r.bytes = warm;
  r.next_free = h.free_head[c];
  r.previous_free = 0;
  r.backed = backed;
  if (r.next_free) records_[r.next_free].previous_free = uint32_t(page);
  h.free_head[c] = uint32_t(page);
  if (pages > 1) put(runs_[page + pages - 1], run(kFreeEnd, page));
  put(runs_[page], run(kFree, pages));
  h.free_backed_pages += warm;
}

void Heap::list_remove(uint64_t page, uint64_t pages) {
  HeapHeader& h = header();
  BlockRecord& r = records_[page];
  if (r.previous_free) records_[r.previous_free].next_free = r.next_free;
  else h.free_head[class_of(pages)] = r.next_free;
  if (r.next_free) records_[r.next_free].previous_free = r.previous_free;
  h.free_backed_pages -= r.bytes;
}

uint64_t Heap::take_run(uint64_t pages, bool* backed) {
  HeapHeader& h = header();
  for (int c = class_of(pages); c < int(kSizeClasses); ++c) {
    int tries = 32; // in the first class runs may be too short
    for (uint64_t p = h.free_head[c]; p != 0 && tries-- > 0; p = records_[p].next_free) {
      uint64_t have = run_value(runs_[p]);
      if (have < pages) continue;
      *backed = records_[p].backed;
      list_remove(p, have);
      if (have > pages)
        list_add(p + pages, have - pages, *backed, std::min(records_[p].bytes, have - pages));
      return p;
    }
  }
  if (h.high_water + pages > h.pages) return 0;
  uint64_t p = h.high_water;
  put(h.high_water, p + pages);
  *backed = false;
  return p;
}

void Heap::make_block(uint64_t page, uint64_t pages, uint64_t bytes, BlockKind kind, bool backed) {
  BlockRecord& r = records_[page];
  std::memset(static_cast<void*>(&r), 0, sizeof r);
  r.serial = header().next_serial++;
  r.bytes = bytes;
  r.kind = kind;
  r.creator = self();
  r.backed = backed;
  r.add_holder(slot_of(self()));
  header().used_pages += pages;
  if (pages > 1) put(runs_[page + pages - 1], run(kUsedEnd, page));
  put(runs_[page], run(kUsed, pages)); // the commit
}

void Heap::give_run(uint64_t page, uint64_t pages, bool backed, uint64_t warm) {
  HeapHeader& h = header();
  if (page > h.first_page) { // the run before it
    uint64_t v = runs_[page - 1];
    uint64_t first = 0;
    if (run_kind(v) == kFreeEnd) first = run_value(v);
    else if (run_kind(v) == kFree && run_value(v) == 1) first = page - 1;
    if (first) {
      bool b = records_[first].backed;
      list_remove(first, page - first);
      backed = backed && b;
      warm += records_[first].bytes;
      pages += page - first;
      put(runs_[page], run(kUnused, 0));
      page = first;
    }
  }
  if (page + pages < h.high_water && run_kind(runs_[page + pages]) == kFree) { // the run after it
    uint64_t next = page + pages, n = run_value(runs_[next]);
    bool b = records_[next].backed;
    list_remove(next, n);
    backed = backed && b;
    warm += records_[next].bytes;
    put(runs_[next], run(kUnused, 0));
    pages += n;
  }
  list_add(page, pages, backed, warm);
}

void Heap::rebuild() {
  HeapHeader& h = header();
  std::memset(h.free_head, 0, sizeof h.free_head);
  h.used_pages = h.free_backed_pages = 0;
  // (1) A torn split or merge may leave free words that overlap: only used runs are believed.
  uint64_t free_from = h.first_page;
  auto close_gap = [&](uint64_t to) {
    if (to > free_from) list_add(free_from, to - free_from, false, to - free_from);
  };
  uint64_t p = h.first_page;
  while (p < h.high_water) {
    uint64_t v = runs_[p];
    if (run_kind(v) != kUsed) {
      put(runs_[p], run(kUnused, 0));
      ++p;
      continue;
    }
    close_gap(p);
    uint64_t n = run_value(v);
    h.used_pages += n;
    BlockRecord& r = records_[p];
    r.referrers = 0;
    r.first_child = r.next_sibling = r.previous_sibling = 0;
    r.doomed = false;
    p += n;
    free_from = p;
  }
  close_gap(h.high_water);
  // (2) Children and referrers, from the parents' and the sealed blocks' own words.
  each_used([&](uint64_t page, uint64_t) {
    BlockRecord& r = records_[page];
    if (r.parent && run_kind(runs_[r.parent]) == kUsed) link_child(page, r.parent);
    else r.parent = 0; // never between: our own death here would orphan a child that is needed
    if (!r.sealed) return;
    const Reference* refs = at<Reference>(page * kPageBytes + r.references);
    for (uint32_t i = 0; i < r.reference_count; ++i)
      if (run_kind(runs_[refs[i].page]) == kUsed && records_[refs[i].page].serial == refs[i].serial)
        ++records_[refs[i].page].referrers;
  });
  // (3) What the dead owner was about to free.
  each_used([&](uint64_t page, uint64_t) { release(page); });
}

void Heap::trim(uint64_t keep_pages) noexcept {
  // Largest first: take a free run, or its end, as a block of ours, punch it outside the guard, give it back. What is to stay is the
  // beginning of the last one, from where blocks are taken.
  for (int c = int(kSizeClasses) - 1; c >= 8; --c) { // 1 MiB and more
    uint64_t page = 0, pages = 0;
    {
      HeapSection section(*this, 0);
      if (!section.held()) return;
      HeapHeader& h = header();
      if (h.free_backed_pages <= keep_pages) return;
      for (uint64_t p = h.free_head[c]; p; p = records_[p].next_free)
        if (records_[p].bytes) { // may hold memory
          page = p;
          break;
        }
      if (!page) continue;
      pages = run_value(runs_[page]);
      uint64_t warm = records_[page].bytes, stay = warm - std::min(warm, h.free_backed_pages - keep_pages);
      bool backed = records_[page].backed;
      list_remove(page, pages);
      if (stay) list_add(page, stay, backed, stay);
      page += stay;
      pages -= stay;
      make_block(page, pages, pages * kPageBytes, BlockKind::Bytes, false);
    }
    platform::punch_memory(fd_, page * kPageBytes, pages * kPageBytes);
    HeapSection section(*this, 0);
    if (!section.held()) return postpone(page); // ours until then; counts as warm after it
    records_[page].remove_holder(slot_of(self()));
    header().used_pages -= pages;
    put(runs_[page], run(kUnused, 0));
    give_run(page, pages, false, 0);
    ++c; // the same class again
  }
}

} // namespace mp
