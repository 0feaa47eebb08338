// run[page] is the truth about used memory: one store of {Used, pages} at a block's first page
// makes it exist, one store makes it free. Free runs, their lists and sizes, children and pins are
// derived; a process that dies inside the guard leaves them torn, and the next owner derives them
// again.
#include "heap.h"
#include "guard.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mp {
namespace {

Heap the_heap;
bool exists = false;

enum RunKind : uint64_t { kUnused = 0, kUsed = 1, kUsedEnd = 2, kFree = 3, kFreeEnd = 4 };
uint64_t run(RunKind k, uint64_t value) { return value << 3 | k; }
RunKind run_kind(uint64_t v) { return RunKind(v & 7); }
uint64_t run_value(uint64_t v) { return v >> 3; }

// The words are read by rebuild() in another process after a death: stored whole, in program order.
void put(uint64_t& word, uint64_t v) { __atomic_store_n(&word, v, __ATOMIC_RELEASE); }

constexpr uint64_t kKeepBackedPages = (uint64_t(256) << 20) / kPageBytes;
constexpr uint64_t kCheckMemoryBytes = uint64_t(4) << 20;
constexpr uint64_t kMemoryMargin = uint64_t(128) << 20;

uint64_t pages_for(uint64_t bytes) {
  return bytes == 0 ? 1 : (bytes + kPageBytes - 1) / kPageBytes;
}
uint64_t align_page(uint64_t bytes) { return pages_for(bytes) * kPageBytes; }
int class_of(uint64_t pages) { return 63 - __builtin_clzll(pages); }

std::string human(uint64_t bytes) {
  char text[64];
  if (bytes >= (uint64_t(1) << 30))
    std::snprintf(text, sizeof text, "%.1f GB", double(bytes) / 1e9);
  else if (bytes >= (1u << 20)) std::snprintf(text, sizeof text, "%.1f MB", double(bytes) / 1e6);
  else std::snprintf(text, sizeof text, "%.1f kB", double(bytes) / 1e3);
  return text;
}

} // namespace

Heap& heap() { return the_heap; }
bool heap_exists() { return exists; }

// The heap's guard for the length of a scope; repairs after a takeover.
class HeapSection {
public:
  explicit HeapSection(Heap& h, const Wait& wait = Wait()) : header_(h.header()) {
    Status s = lock_guard(header_.guard, wait);
    held_ = s == Status::Ok || s == Status::OwnerDied;
    if (s == Status::OwnerDied) h.rebuild();
  }
  ~HeapSection() {
    if (held_) unlock_guard(header_.guard);
  }
  bool held() const { return held_; }

private:
  HeapHeader& header_;
  bool held_;
};

void Heap::create(uint64_t bytes) {
  if (exists) return;
  if (bytes == 0) {
    bytes = std::min(uint64_t(64) << 30, 2 * platform::total_memory());
    rlimit r;
    if (getrlimit(RLIMIT_AS, &r) == 0 && r.rlim_cur != RLIM_INFINITY)
      bytes = std::min(bytes, uint64_t(r.rlim_cur) / 4);
    if (getrlimit(RLIMIT_FSIZE, &r) == 0 && r.rlim_cur != RLIM_INFINITY)
      bytes = std::min(bytes, uint64_t(r.rlim_cur));
  }
  uint64_t pages = bytes / kPageBytes;
  if (pages < 4096)
    throw Error{"HeapFullError",
                "no room for a shared heap: the limits of this process allow " + human(bytes)};
  int fd = platform::create_memory("multiprocessing", pages * kPageBytes);
  if (fd < 0)
    throw Error{"HeapFullError",
                std::string("cannot create shared memory: ") + std::strerror(errno)};
  uint64_t runs = align_page(sizeof(HeapHeader));
  uint64_t records = runs + align_page(pages * sizeof(uint64_t));
  uint64_t first = (records + align_page(pages * sizeof(BlockRecord))) / kPageBytes;
  if (int e = platform::back_memory(fd, 0, runs)) {
    close(fd);
    throw Error{"HeapFullError", std::string("cannot reserve shared memory: ") + std::strerror(e)};
  }
  the_heap.map(fd, pages * kPageBytes);
  HeapHeader& h = the_heap.header();
  h.magic = kHeapMagic;
  std::random_device random;
  h.nonce = uint64_t(random()) << 32 | random();
  h.bytes = pages * kPageBytes;
  h.pages = pages;
  h.runs_offset = runs;
  h.records_offset = records;
  h.first_page = h.high_water = first;
  h.next_serial = 1;
  the_heap.runs_ = the_heap.at<uint64_t>(runs);
  the_heap.records_ = the_heap.at<BlockRecord>(records);
  exists = true;
}

void Heap::attach(int fd, uint64_t nonce) {
  struct stat st;
  if (fstat(fd, &st) != 0 || st.st_size < off_t(sizeof(HeapHeader)))
    throw Error{"ProcessError", "the session's shared memory was not handed over"};
  the_heap.map(fd, uint64_t(st.st_size));
  HeapHeader& h = the_heap.header();
  if (h.magic != kHeapMagic || h.nonce != nonce || h.bytes != uint64_t(st.st_size))
    throw Error{"ProcessError",
                "the shared memory that was handed over belongs to another session"};
  the_heap.runs_ = the_heap.at<uint64_t>(h.runs_offset);
  the_heap.records_ = the_heap.at<BlockRecord>(h.records_offset);
  exists = true;
}

void Heap::set_actions(Kind kind, KindActions a) {
  KindActions& mine = actions_[int(kind)];
  if (mine.on_free != a.on_free || mine.forget != a.forget) mine = a;
}

void Heap::map(int fd, uint64_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (p == MAP_FAILED)
    throw Error{"HeapFullError",
                "cannot map " + human(bytes) + " of shared memory: " + std::strerror(errno)};
  madvise(p, bytes, MADV_DONTDUMP); // a core dump must not write gigabytes while others wait
  base_ = static_cast<uint8_t*>(p);
  fd_ = fd;
  cores_ = platform::cpu_count();
}

// --- free runs -------------------------------------------------------------------------------

// backed: all of its pages exist. warm: so many of them may exist (at least as many as do).
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
    r.pins = 0;
    r.first_child = r.next_sibling = r.previous_sibling = 0;
    r.doomed = false;
    p += n;
    free_from = p;
  }
  close_gap(h.high_water);
  // (2) Children and pins, from the parents' and the sealed blocks' own words.
  each_used([&](uint64_t page, uint64_t) {
    BlockRecord& r = records_[page];
    if (r.parent && run_kind(runs_[r.parent]) == kUsed) link_child(page, r.parent);
    else r.parent = 0; // never between: our own death here would orphan a child that is needed
    if (!r.sealed) return;
    const Reference* refs = at<Reference>(page * kPageBytes + r.references);
    for (uint32_t i = 0; i < r.reference_count; ++i)
      if (run_kind(runs_[refs[i].page]) == kUsed && records_[refs[i].page].serial == refs[i].serial)
        ++records_[refs[i].page].pins;
  });
  // (3) What the dead owner was about to free.
  each_used([&](uint64_t page, uint64_t) { release(page); });
}

// --- blocks ----------------------------------------------------------------------------------

bool Heap::needed(const BlockRecord& r) const {
  if (r.parent || r.pins) return true;
  for (uint64_t w : r.holders)
    if (w) return true;
  return false;
}

void Heap::link_child(uint64_t page, uint64_t parent) {
  BlockRecord& r = records_[page];
  r.parent = uint32_t(parent);
  r.previous_sibling = 0;
  r.next_sibling = records_[parent].first_child;
  if (r.next_sibling) records_[r.next_sibling].previous_sibling = uint32_t(page);
  records_[parent].first_child = uint32_t(page);
}

void Heap::unlink_child(uint64_t page) {
  BlockRecord& r = records_[page];
  if (!r.parent) return;
  if (r.previous_sibling) records_[r.previous_sibling].next_sibling = r.next_sibling;
  else records_[r.parent].first_child = r.next_sibling;
  if (r.next_sibling) records_[r.next_sibling].previous_sibling = r.previous_sibling;
  r.parent = r.next_sibling = r.previous_sibling = 0;
}

void Heap::release(uint64_t page) {
  if (needed(records_[page]) || records_[page].doomed) return;
  records_[page].doomed = true;
  records_[page].next_free = 0;
  uint64_t list = page; // blocks to free, linked through next_free
  while (list) {
    uint64_t p = list;
    BlockRecord& r = records_[p];
    list = r.next_free;
    // Not sealed: its maker died before it was filled, there is nothing in it to act upon.
    if (r.sealed && actions_[int(r.kind)].on_free) actions_[int(r.kind)].on_free(p * kPageBytes);
    auto doom = [&](uint64_t q) {
      if (needed(records_[q]) || records_[q].doomed) return;
      records_[q].doomed = true;
      records_[q].next_free = uint32_t(list);
      list = q;
    };
    while (r.first_child) {
      uint64_t c = r.first_child;
      unlink_child(c);
      doom(c);
    }
    if (r.sealed) {
      const Reference* refs = at<Reference>(p * kPageBytes + r.references);
      for (uint32_t i = 0; i < r.reference_count; ++i) {
        uint64_t q = refs[i].page;
        if (run_kind(runs_[q]) != kUsed || records_[q].serial != refs[i].serial) continue;
        --records_[q].pins;
        doom(q);
      }
    }
    uint64_t pages = run_value(runs_[p]);
    header().used_pages -= pages;
    put(runs_[p], run(kUnused, 0)); // the commit: from here on the block does not exist
    give_run(p, pages, r.backed, pages);
  }
}

uint64_t Heap::allocate(uint64_t bytes, Kind kind, bool zero) {
  uint64_t pages = pages_for(bytes), page = 0;
  bool backed = false;
  auto full = [&](const std::string& why) {
    return Error{"HeapFullError", "cannot reserve " + human(bytes) + " in shared memory: " + why};
  };
  {
    HeapSection section(*this);
    page = take_run(pages, &backed);
    if (page) {
      HeapHeader& h = header();
      BlockRecord& r = records_[page];
      std::memset(static_cast<void*>(&r), 0, sizeof r);
      r.serial = h.next_serial++;
      r.bytes = bytes;
      r.kind = kind;
      r.creator = self();
      r.backed = backed;
      uint32_t slot = slot_of(self());
      r.holders[slot / 64] = uint64_t(1) << (slot % 64);
      h.used_pages += pages;
      if (pages > 1) put(runs_[page + pages - 1], run(kUsedEnd, page));
      put(runs_[page], run(kUsed, pages)); // the commit
    }
  }
  if (!page) throw full("its " + human(header().bytes) + " are in use");
  uint64_t offset = page * kPageBytes;
  if (!backed) { // outside the guard: the system may take its time
    std::string why;
    if (bytes >= kCheckMemoryBytes) {
      uint64_t room = platform::available_memory();
      if (room < bytes + kMemoryMargin) why = "only " + human(room) + " of memory are available";
    }
    if (why.empty())
      if (int e = platform::back_memory(fd_, offset, pages * kPageBytes)) why = std::strerror(e);
    if (!why.empty()) {
      HeapSection section(*this);
      uint32_t slot = slot_of(self());
      records_[page].holders[slot / 64] &= ~(uint64_t(1) << (slot % 64));
      release(page);
      throw full(why);
    }
    records_[page].backed = true; // nobody else writes it while we hold the block
  }
  if (zero) std::memset(at(offset), 0, bytes);
  return offset;
}

void Heap::seal(uint64_t block, uint64_t offset, uint32_t count) {
  HeapSection section(*this);
  BlockRecord& r = records_[page_of(block)];
  const Reference* refs = at<Reference>(block + offset);
  for (uint32_t i = 0; i < count; ++i) ++records_[refs[i].page].pins;
  r.references = offset;
  r.reference_count = count;
  std::atomic_signal_fence(std::memory_order_seq_cst); // a death leaves it whole, or unsealed
  r.sealed = true;
}

void Heap::hold(uint64_t block) { hold_for(block, self()); }

bool Heap::hold(uint64_t block, uint64_t serial) {
  HeapSection section(*this);
  uint64_t page = page_of(block);
  if (page < header().first_page || page >= header().high_water) return false;
  BlockRecord& r = records_[page];
  if (run_kind(runs_[page]) != kUsed || r.serial != serial) return false;
  uint32_t slot = slot_of(self());
  r.holders[slot / 64] |= uint64_t(1) << (slot % 64);
  return true;
}

void Heap::hold_for(uint64_t block, Token t) {
  HeapSection section(*this);
  uint32_t slot = slot_of(t);
  records_[page_of(block)].holders[slot / 64] |= uint64_t(1) << (slot % 64);
}

void Heap::drop(uint64_t block) {
  uint64_t page = page_of(block);
  bool trim_now;
  {
    HeapSection section(*this);
    if (run_kind(runs_[page]) != kUsed) return; // dropped twice: nothing to free, and nobody else's
    uint32_t slot = slot_of(self());
    records_[page].holders[slot / 64] &= ~(uint64_t(1) << (slot % 64));
    release(page);
    trim_now = header().free_backed_pages > kKeepBackedPages;
  }
  if (trim_now) trim();
}

void Heap::set_parent(uint64_t child, uint64_t parent) {
  HeapSection section(*this);
  unlink_child(page_of(child));
  link_child(page_of(child), page_of(parent));
}

void Heap::clear_parent(uint64_t child) {
  HeapSection section(*this);
  unlink_child(page_of(child));
  release(page_of(child));
}

void Heap::free_children(uint64_t parent) {
  HeapSection section(*this);
  while (uint64_t c = records_[page_of(parent)].first_child) {
    unlink_child(c);
    release(c);
  }
}

bool Heap::has_parent(uint64_t child, uint64_t parent) {
  HeapSection section(*this);
  return records_[page_of(child)].parent == page_of(parent);
}

int Heap::holders(uint64_t block, Token but, Token* out, int room) {
  HeapSection section(*this);
  const BlockRecord& r = records_[page_of(block)];
  int n = 0;
  for (uint32_t w = 0; w < kMaskWords; ++w)
    for (uint64_t bits = r.holders[w]; bits; bits &= bits - 1) {
      uint32_t slot = w * 64 + uint32_t(__builtin_ctzll(bits));
      if (but && slot == slot_of(but)) continue;
      SlotState s =
          SlotState::unpack(header().participants[slot].state.load(std::memory_order_acquire));
      if (n < room) out[n++] = make_token(slot, s.generation);
    }
  return n;
}

void Heap::trim() {
  // Largest first: take a free run as a block of ours, punch it outside the guard, give it back.
  for (int c = int(kSizeClasses) - 1; c >= 8; --c) { // 1 MiB and more
    uint64_t page = 0, pages = 0;
    {
      HeapSection section(*this);
      HeapHeader& h = header();
      if (h.free_backed_pages <= kKeepBackedPages / 2) return;
      for (uint64_t p = h.free_head[c]; p; p = records_[p].next_free)
        if (records_[p].bytes) { // may hold memory
          page = p;
          break;
        }
      if (!page) continue;
      pages = run_value(runs_[page]);
      list_remove(page, pages);
      BlockRecord& r = records_[page];
      std::memset(static_cast<void*>(&r), 0, sizeof r);
      r.serial = h.next_serial++;
      r.kind = Kind::Bytes;
      r.holders[slot_of(self()) / 64] = uint64_t(1) << (slot_of(self()) % 64);
      h.used_pages += pages;
      if (pages > 1) put(runs_[page + pages - 1], run(kUsedEnd, page));
      put(runs_[page], run(kUsed, pages));
    }
    platform::punch_memory(fd_, page * kPageBytes, pages * kPageBytes);
    HeapSection section(*this);
    records_[page].holders[slot_of(self()) / 64] = 0;
    header().used_pages -= pages;
    put(runs_[page], run(kUnused, 0));
    give_run(page, pages, false, 0);
    ++c; // the same class again
  }
}

// --- participants ----------------------------------------------------------------------------

void Heap::inherit(Token parent, Token child) {
  HeapSection section(*this);
  uint32_t from = slot_of(parent), to = slot_of(child);
  each_used([&](uint64_t page, uint64_t) {
    uint64_t* holders = records_[page].holders;
    if (holders[from / 64] >> (from % 64) & 1) holders[to / 64] |= uint64_t(1) << (to % 64);
  });
}

void Heap::keep_only(const std::function<bool(uint64_t)>& keep) {
  HeapSection section(*this);
  uint32_t slot = slot_of(self());
  uint64_t bit = uint64_t(1) << (slot % 64);
  each_used([&](uint64_t page, uint64_t) {
    uint64_t& holders = records_[page].holders[slot / 64];
    if (!(holders & bit) || keep(page * kPageBytes)) return;
    holders &= ~bit;
    release(page);
  });
}

void Heap::sweep(Token gone) {
  // A few milliseconds at most: whoever holds the guard longer is stopped, and the next tick tries
  // again.
  HeapSection section(*this, Wait::until(platform::now_ns() + 5'000'000));
  if (!section.held()) return;
  Participant& p = participant(gone);
  SlotState s = SlotState::unpack(p.state.load(std::memory_order_acquire));
  if (s.generation != generation_of(gone) || s.life != Life::Dead) return; // another did it
  uint32_t slot = slot_of(gone);
  uint64_t bit = uint64_t(1) << (slot % 64);
  forget_waiter(header().guard.waiters, slot);
  each_used([&](uint64_t page, uint64_t) {
    BlockRecord& r = records_[page];
    if (actions_[int(r.kind)].forget) actions_[int(r.kind)].forget(page * kPageBytes, gone);
    r.holders[slot / 64] &= ~bit;
  });
  each_used([&](uint64_t page, uint64_t) { release(page); });
  // release: after this the slot may be taken; nothing of the old participant is left
  p.state.store(SlotState{0, s.generation, Life::Free}.pack(), std::memory_order_release);
}

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
      if (!needed(records_[p])) problem("a block that nobody can reach", p);
      if (records_[p].parent && run_kind(runs_[records_[p].parent]) != kUsed)
        problem("a block whose parent is free", p);
      for (uint32_t w = 0; w < kMaskWords; ++w)
        for (uint64_t bits = records_[p].holders[w]; bits; bits &= bits - 1) {
          uint32_t slot = w * 64 + uint32_t(__builtin_ctzll(bits));
          if (SlotState::unpack(h.participants[slot].state.load()).life == Life::Free)
            problem("a block held by nobody's slot", p);
        }
    }
    p += n;
  }
  if (used != h.used_pages) problem("the count of used pages is wrong", used);
  struct stat st;
  report.backed_bytes = fstat(fd_, &st) == 0 ? uint64_t(st.st_blocks) * 512 : 0;
  report.total_bytes = h.bytes;
  return report;
}

} // namespace mp
