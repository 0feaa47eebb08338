#include "core/platform/pages.h"
#include "core/platform/platform.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace mp::platform {
namespace {

uint64_t page_bytes() {
  static const uint64_t bytes = uint64_t(sysconf(_SC_PAGESIZE));
  return bytes;
}

// The first page and the end of the last one.
uint64_t first_page(const void* data) { return reinterpret_cast<uintptr_t>(data) & ~(page_bytes() - 1); }
uint64_t pages_end(const void* data, uint64_t bytes) {
  uint64_t mask = page_bytes() - 1;
  return (reinterpret_cast<uintptr_t>(data) + bytes + mask) & ~mask;
}

// Sanitizers, valgrind and other allocators have their own headers in front of memory.
bool malloc_is_glibc() {
#if !defined(__GLIBC__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#else
  static const bool it_is = [] {
    const char* preload = std::getenv("LD_PRELOAD");
    if (preload && *preload) return false;
    void* found = dlsym(RTLD_DEFAULT, "malloc");
    Dl_info info;
    if (!found || !dladdr(found, &info) || !info.dli_fname) return false;
    const char* slash = std::strrchr(info.dli_fname, '/');
    return std::strncmp(slash ? slash + 1 : info.dli_fname, "libc.so", 7) == 0 ||
           std::strncmp(slash ? slash + 1 : info.dli_fname, "libc-2", 6) == 0;
  }();
  return it_is;
#endif
}

constexpr uint64_t kMaxThreshold = 32 << 20; // glibc maps what is larger, if nothing that is free will do

} // namespace

// glibc's header of a block: the size of the block before it (0 for a mapping), then its own with flags in the three
// lowest bits: 2 says that it is a mapping, 4 that it is another thread's. Of a mapping newer versions leave the header's two words
// out of its size.
bool has_own_pages(const void* data, uint64_t bytes) {
  uint64_t page = first_page(data);
  if (reinterpret_cast<uintptr_t>(data) - page != kVectorLead || bytes < page_bytes() || !malloc_is_glibc()) return false;
  uint64_t header[2];
  std::memcpy(header, reinterpret_cast<const void*>(page), sizeof header);
  uint64_t size = header[1] & ~uint64_t(7);
  if (size % page_bytes() == page_bytes() - sizeof header) size += sizeof header;
  return header[0] == 0 && (header[1] & 7) == 2 && size % page_bytes() == 0 && page + size >= pages_end(data, bytes);
}

bool would_have_own_pages(uint64_t bytes) { return bytes > kMaxThreshold && malloc_is_glibc(); }

TakenMemory::TakenMemory(uint64_t bytes) {
  constexpr uint64_t kBefore = kVectorLead - 2 * sizeof(uint64_t); // R's header, between that of malloc() and the data
  while (taken_ < kMost) {
    const void* end = sbrk(0);
    auto* piece = static_cast<uint8_t*>(std::malloc(kBefore + bytes));
    maps_ = piece && has_own_pages(piece + kBefore, bytes);
    bool was_free = piece && !maps_ && sbrk(0) == end;
    if (was_free) {
      pieces_[taken_++] = piece;
      continue;
    }
    std::free(piece);
    if (!piece) give_back(); // there may be room for the vector itself
    return;
  }
}

void TakenMemory::give_back() {
  while (taken_ > 0) std::free(pieces_[--taken_]);
}

bool replace_pages(const void* data, uint64_t bytes, int fd, uint64_t offset) {
  uint64_t from = first_page(data) + page_bytes(), end = pages_end(data, bytes);
  if (from >= end || offset % page_bytes()) return false;
  void* at = reinterpret_cast<void*>(from);
  // The kernel refuses before it takes the old pages away: too many mappings, an offset or a file that will not do.
  return mmap(at, end - from, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd,
              off_t(offset + page_bytes())) == at;
}

bool replaced_untouched(const void* data, uint64_t bytes) {
  uint64_t from = first_page(data) + page_bytes(), end = pages_end(data, bytes);
  return pages_untouched(reinterpret_cast<const uint8_t*>(from), end - from);
}

bool private_mappings(int fd, std::vector<FilePages>* found) {
  struct stat st;
  if (fstat(fd, &st) != 0) return false;
  FILE* maps = std::fopen("/proc/self/maps", "re");
  if (!maps) return false;
  found->clear();
  char line[512];
  bool at_start = true; // of a line: long names come in parts
  while (std::fgets(line, sizeof line, maps)) {
    bool begins = at_start;
    at_start = std::strchr(line, '\n') != nullptr;
    FilePages m;
    char way[5];
    unsigned high, low;
    uint64_t inode;
    if (!begins ||
        std::sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64, &m.begin, &m.end, way, &m.offset,
                    &high, &low, &inode) != 7)
      continue;
    if (way[3] == 'p' && inode == st.st_ino && high == major(st.st_dev) && low == minor(st.st_dev))
      found->push_back(m);
  }
  std::fclose(maps);
  return true;
}

bool shows_file(const std::vector<FilePages>& mappings, const void* data, uint64_t bytes, uint64_t offset) {
  uint64_t at = first_page(data) + page_bytes(), end = pages_end(data, bytes);
  uint64_t place = offset + page_bytes();
  while (at < end) { // the system may have made several of one
    const FilePages* here = nullptr;
    for (const FilePages& m : mappings)
      if (m.begin <= at && at < m.end && m.offset + (at - m.begin) == place) here = &m;
    if (!here) return false;
    place += here->end - at;
    at = here->end;
  }
  return true;
}

void touch_pages(void* data, uint64_t bytes) {
  auto* at = static_cast<volatile uint8_t*>(data);
  for (uint64_t i = 0; i < bytes; i += page_bytes()) at[i] = at[i];
  if (bytes) at[bytes - 1] = at[bytes - 1];
}

void drop_pages(void* data, uint64_t bytes) {
  uint64_t from = first_page(data) + page_bytes(), end = pages_end(data, bytes);
  if (from < end) madvise(reinterpret_cast<void*>(from), end - from, MADV_DONTNEED);
}

// Either setting ends glibc's own adaptation of both. The first takes no more than kMaxThreshold.
void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, int(kMaxThreshold));
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
#endif
}

} // namespace mp::platform
