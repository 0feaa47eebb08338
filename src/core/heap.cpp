// Blocks: who holds them, what they belong and refer to, when they are freed. Their pages are
// heap_runs.cpp's.
#include "heap_internal.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mp {
namespace {

Heap the_heap;
bool exists = false;

constexpr uint64_t kCheckMemoryBytes = uint64_t(4) << 20;
constexpr int64_t kReclaimNs = 250'000'000;
constexpr int64_t kRetryNs = 5'000'000;
constexpr uint64_t kMemoryMargin = uint64_t(128) << 20;

uint64_t pages_for(uint64_t bytes) {
  return bytes == 0 ? 1 : (bytes + kPageBytes - 1) / kPageBytes;
}
uint64_t align_page(uint64_t bytes) { return pages_for(bytes) * kPageBytes; }

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
  uint64_t block = find_room(bytes, kind, nullptr);
  if (zero) std::memset(at(block), 0, bytes);
  return block;
}

uint64_t Heap::allocate_copy(const void* from, uint64_t bytes) {
  return find_room(bytes, Kind::Bytes, from);
}

// What is short may be kept by garbage, of this process or of others: they are asked, and have
// until their next tick and a little longer.
uint64_t Heap::find_room(uint64_t bytes, Kind kind, const void* from) {
  std::string why;
  uint64_t block = try_allocate(bytes, kind, from, &why);
  if (!block && reclaim_ && bytes < header().bytes) {
    reclaim_();
    trim(0); // free pages elsewhere are memory, too
    block = try_allocate(bytes, kind, from, &why);
    if (!block) {
      // release: pairs with the load in shortages()
      header().shortages.fetch_add(1, std::memory_order_release);
      ring_all();
    }
    int64_t end = platform::now_ns() + kReclaimNs;
    while (!block && platform::now_ns() < end) {
      std::atomic<uint32_t> nobody{0};
      platform::Watch nap{&nobody, 0};
      platform::sleep_on(&nap, 1, platform::now_ns() + kRetryNs);
      block = try_allocate(bytes, kind, from, &why);
    }
  }
  if (!block)
    throw Error{"HeapFullError",
                "cannot reserve " + human(bytes) + " in shared memory: " + why +
                    "; let go of results and messages that are not needed, or send less at a time"};
  return block;
}

// 0, and why, if there is no room. `from`: what to fill it with, nullptr: nothing.
uint64_t Heap::try_allocate(uint64_t bytes, Kind kind, const void* from, std::string* why) {
  uint64_t pages = pages_for(bytes), page = 0;
  bool backed = false;
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
      r.add_holder(slot_of(self()));
      h.used_pages += pages;
      if (pages > 1) put(runs_[page + pages - 1], run(kUsedEnd, page));
      put(runs_[page], run(kUsed, pages)); // the commit
    }
  }
  if (!page) {
    *why = "its " + human(header().bytes) + " are in use";
    return 0;
  }
  uint64_t offset = page * kPageBytes;
  if (backed) {
    if (from) std::memcpy(at(offset), from, bytes);
    return offset;
  }
  why->clear(); // outside the guard: the system may take its time
  if (bytes >= kCheckMemoryBytes) {
    uint64_t room = platform::available_memory();
    if (room < bytes + kMemoryMargin) *why = "only " + human(room) + " of memory are available";
  }
  if (why->empty()) {
    int e = from ? platform::write_memory(fd_, offset, from, bytes)
                 : platform::back_memory(fd_, offset, pages * kPageBytes);
    if (e) *why = std::strerror(e);
  }
  if (why->empty()) {
    records_[page].backed = true; // nobody else writes it while we hold the block
    return offset;
  }
  drop(offset);
  return 0;
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

bool Heap::is_block(uint64_t block, uint64_t serial) {
  uint64_t page = page_of(block);
  return block % kPageBytes == 0 && page >= header().first_page && page < header().high_water &&
         run_kind(runs_[page]) == kUsed && records_[page].serial == serial;
}

uint64_t Heap::bytes_of(uint64_t block, uint64_t serial) {
  HeapSection section(*this);
  return is_block(block, serial) ? bytes_of(block) : 0;
}

bool Heap::hold(uint64_t block, uint64_t serial) {
  HeapSection section(*this);
  if (!is_block(block, serial)) return false;
  records_[page_of(block)].add_holder(slot_of(self()));
  return true;
}

void Heap::hold_for(uint64_t block, Token t) {
  HeapSection section(*this);
  records_[page_of(block)].add_holder(slot_of(t));
}

void Heap::drop(uint64_t block) noexcept {
  if (self() == 0) return; // a fork without a place holds nothing
  uint64_t page = page_of(block);
  bool trim_now;
  {
    // One that waited in vain is enough: the others only look.
    bool again = postponed_.load(std::memory_order_relaxed) != nullptr;
    HeapSection section(*this, again ? kNoWait : 0);
    if (!section.held()) return postpone(page);
    if (run_kind(runs_[page]) != kUsed) return; // dropped twice: nothing to free, and nobody else's
    records_[page].remove_holder(slot_of(self()));
    release(page);
    trim_now = header().free_backed_pages > warm_pages();
  }
  if (trim_now) trim(warm_pages() / 2);
}

void Heap::postpone(uint64_t page) noexcept {
  auto* p = new (std::nothrow) Postponed{page, self(), postponed_.load(std::memory_order_relaxed)};
  if (!p) return; // it stays held as long as this process lives
  // release: pairs with the exchange in drop_postponed(), maybe in another thread
  while (!postponed_.compare_exchange_weak(p->next, p, std::memory_order_release)) {
  }
}

// First of all in every section, so that nothing that is held anew meanwhile is dropped.
void Heap::drop_postponed() {
  Postponed* list = postponed_.exchange(nullptr, std::memory_order_acquire);
  while (list) {
    std::unique_ptr<Postponed> p(list);
    list = p->next;
    if (run_kind(runs_[p->page]) != kUsed) continue; // dropped twice
    records_[p->page].remove_holder(slot_of(p->holder));
    release(p->page);
  }
}

void Heap::drop_later_ones() noexcept {
  if (self() == 0 || !postponed_.load(std::memory_order_relaxed)) return;
  HeapSection section(*this, kNoWait); // does it
}

void Heap::forget_postponed() {
  Postponed* list = postponed_.exchange(nullptr, std::memory_order_relaxed);
  while (list) {
    std::unique_ptr<Postponed> p(list);
    list = p->next;
  }
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

bool Heap::has_parent(uint64_t child, uint64_t parent) {
  HeapSection section(*this);
  return records_[page_of(child)].parent == page_of(parent);
}

int Heap::holders(uint64_t block, Token but, Token* out, int room) {
  HeapSection section(*this, 0);
  if (!section.held()) return 0;
  int n = 0;
  records_[page_of(block)].each_holder([&](uint32_t slot) {
    if ((but && slot == slot_of(but)) || n == room) return;
    out[n++] = make_token(slot, header().participants[slot].look().generation);
  });
  return n;
}

// --- participants ----------------------------------------------------------------------------

bool Heap::inherit(Token parent, Token child) noexcept {
  HeapSection section(*this, platform::kForever);
  if (!section.held()) return false;
  uint32_t from = slot_of(parent), to = slot_of(child);
  each_used([&](uint64_t page, uint64_t) {
    if (records_[page].has_holder(from)) records_[page].add_holder(to);
  });
  return true;
}

void Heap::keep_only(const std::function<bool(uint64_t)>& keep) {
  HeapSection section(*this, platform::kForever);
  if (!section.held()) return;
  uint32_t slot = slot_of(self());
  each_used([&](uint64_t page, uint64_t) {
    if (!records_[page].has_holder(slot) || keep(page * kPageBytes)) return;
    records_[page].remove_holder(slot);
    release(page);
  });
}

bool Heap::sweep(Token gone) noexcept {
  HeapSection section(*this, 0);
  if (!section.held()) return false;
  Participant& p = participant(gone);
  SlotState s = p.look();
  if (s.generation != generation_of(gone) || s.life != Life::Dead) return true; // another did it
  uint32_t slot = slot_of(gone);
  forget_waiter(header().guard.waiters, slot);
  each_used([&](uint64_t page, uint64_t) {
    BlockRecord& r = records_[page];
    if (actions_[int(r.kind)].forget) actions_[int(r.kind)].forget(page * kPageBytes, gone);
    r.remove_holder(slot);
  });
  each_used([&](uint64_t page, uint64_t) { release(page); });
  // release: after this the slot may be taken; nothing of the old participant is left
  p.state.store(SlotState{0, s.generation, Life::Free}.pack(), std::memory_order_release);
  return true;
}

} // namespace mp
