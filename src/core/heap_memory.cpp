// Where memory comes from: the session's, made or handed over, and room in it for new blocks. If there is too
// little, processes are asked to free some; if that is not enough, there is an error with the numbers.
#include "heap_internal.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

namespace mp {
namespace {

Heap the_heap;
bool exists = false;

constexpr uint64_t kCheckMemoryBytes = uint64_t(4) << 20;
constexpr int64_t kReclaimNs = 250'000'000; // for those that are not asleep
constexpr int64_t kAnswersNs = 10'000'000'000;
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
  if (bytes == 0)
    bytes = std::min({uint64_t(64) << 30, 2 * platform::total_memory(), platform::memory_limit()});
  uint64_t pages = bytes / kPageBytes;
  if (pages < 4096)
    throw Error{"HeapFullError",
                "no room for a shared heap: the limits of this process allow " + human(bytes)};
  int fd = platform::create_memory("multiprocessing", pages * kPageBytes);
  if (fd < 0)
    throw Error{"HeapFullError", std::string("cannot create shared memory: ") + platform::memory_problem(errno)};
  uint64_t runs = align_page(sizeof(HeapHeader));
  uint64_t records = runs + align_page(pages * sizeof(uint64_t));
  uint64_t first = (records + align_page(pages * sizeof(BlockRecord))) / kPageBytes;
  if (int e = platform::back_memory(fd, 0, runs)) {
    platform::close_file(fd);
    throw Error{"HeapFullError", std::string("cannot reserve shared memory: ") + platform::memory_problem(e)};
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
  uint64_t bytes = platform::file_bytes(fd);
  if (bytes < sizeof(HeapHeader))
    throw Error{"ProcessError", "the session's shared memory was not handed over"};
  the_heap.map(fd, bytes);
  HeapHeader& h = the_heap.header();
  if (h.magic != kHeapMagic || h.nonce != nonce || h.bytes != bytes)
    throw Error{"ProcessError",
                "the shared memory that was handed over belongs to another session"};
  the_heap.runs_ = the_heap.at<uint64_t>(h.runs_offset);
  the_heap.records_ = the_heap.at<BlockRecord>(h.records_offset);
  exists = true;
}

void Heap::map(int fd, uint64_t bytes) {
  base_ = platform::map_shared(fd, bytes);
  if (!base_)
    throw Error{"HeapFullError",
                "cannot map " + human(bytes) + " of shared memory: " + std::strerror(errno)};
  fd_ = fd;
  mapped = {base_, platform::cpu_count()};
}

uint64_t Heap::allocate(uint64_t bytes, BlockKind kind, bool zero) {
  uint64_t block = find_room(bytes, kind, nullptr, 0);
  if (zero) std::memset(at(block), 0, bytes);
  return block;
}

uint64_t Heap::allocate_copy(const void* from, uint64_t bytes, uint64_t lead) {
  return find_room(lead + bytes, BlockKind::Bytes, from, lead);
}

// Garbage, of this process or of others, may take the room: all are asked to free it. Those that sleep do it in their next
// tick, however late the system lets them run; only a stopped one is left out in the end. Those that compute may
// come to a wait soon, or may not: they have a short time.
uint64_t Heap::find_room(uint64_t bytes, BlockKind kind, const void* from, uint64_t lead) {
  std::string why;
  uint64_t block = try_allocate(bytes, kind, from, lead, &why);
  if (!block && reclaim_ && bytes < header().bytes) {
    reclaim_();
    trim(0); // free pages elsewhere are memory, too
    block = try_allocate(bytes, kind, from, lead, &why);
    if (block) return block;
    // This one cannot answer meanwhile, if it asks in a tick.
    if (self()) participant(self()).answers.store(0, std::memory_order_relaxed);
    // release: pairs with the load in shortage_is_new()
    uint32_t shortage = 1 + header().shortages.fetch_add(1, std::memory_order_release);
    ring_all();
    int64_t start = platform::now_ns();
    for (bool more = true; !block && more;) {
      int64_t waited = platform::now_ns() - start;
      // asked before the attempt, which finds what the last one has freed
      more = waited < kReclaimNs || (waited < kAnswersNs && answers_are_due(shortage));
      bool (*interrupted)() = GuardLimit::now().interrupted;
      if (interrupted && interrupted()) throw Interrupted{};
      platform::nap(kRetryNs);
      block = try_allocate(bytes, kind, from, lead, &why);
    }
  }
  if (!block)
    throw Error{"HeapFullError",
                "cannot reserve " + human(bytes) + " in shared memory: " + why +
                    "; remove results and messages that are not needed, or send less at a time"};
  return block;
}

// 0, and why, if there is no room. `from`: what to fill it with behind `lead` bytes, nullptr: nothing.
uint64_t Heap::try_allocate(uint64_t bytes, BlockKind kind, const void* from, uint64_t lead,
                            std::string* why) {
  uint64_t pages = pages_for(bytes), page = 0;
  bool backed = false;
  {
    HeapSection section(*this);
    page = take_run(pages, &backed);
    if (page) make_block(page, pages, bytes, kind, backed);
  }
  if (!page) {
    *why = "its " + human(header().bytes) + " are in use";
    return 0;
  }
  uint64_t offset = page * kPageBytes;
  if (backed) {
    if (from) std::memcpy(at(offset + lead), from, bytes - lead);
    return offset;
  }
  why->clear(); // outside the guard: the system may take its time
  if (bytes >= kCheckMemoryBytes) {
    uint64_t room = platform::available_memory();
    if (room < bytes + kMemoryMargin) *why = "only " + human(room) + " of memory are available";
  }
  if (why->empty()) {
    int e = from ? fill(offset + lead, from, bytes - lead)
                 : platform::back_memory(fd_, offset, pages * kPageBytes);
    if (e) *why = platform::memory_problem(e);
  }
  if (why->empty()) {
    records_[page].backed = true; // only we write it while we hold the block
    return offset;
  }
  drop(offset);
  return 0;
}

// Of new memory: pages are made as it is filled. 0 or errno. One process fills it by writing into the file, for which others would
// wait as long as it takes; while it does, they fill theirs through their mappings, which costs each of them more time.
int Heap::fill(uint64_t offset, const void* from, uint64_t bytes) {
  std::atomic<Token>& filler = header().filler;
  // relaxed: it publishes nothing, and two that write at the same time only wait for each other
  Token us = self(), other = filler.load(std::memory_order_relaxed);
  if (us == 0 || is_alive(other) || !filler.compare_exchange_strong(other, us, std::memory_order_relaxed))
    return platform::fill_mapping(fd_, base_, offset, from, bytes);
  int e = platform::write_memory(fd_, offset, from, bytes);
  filler.compare_exchange_strong(us, 0, std::memory_order_relaxed); // unless another took us for dead
  return e;
}

} // namespace mp
