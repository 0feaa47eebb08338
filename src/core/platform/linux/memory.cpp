// Linux behind the seam: memory and files.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../memory.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 // older headers
#endif

namespace mp::platform {
namespace {

uint64_t system_page() {
  static const uint64_t bytes = uint64_t(sysconf(_SC_PAGESIZE));
  return bytes;
}

uint64_t read_number(const char* path, uint64_t otherwise) {
  FILE* f = std::fopen(path, "re");
  if (!f) return otherwise;
  unsigned long long v;
  int n = std::fscanf(f, "%llu", &v);
  std::fclose(f);
  return n == 1 ? v : otherwise; // "max" reads as no limit
}

// The number behind `key` in a file of such lines.
uint64_t read_entry(const char* path, const char* key, uint64_t otherwise) {
  FILE* f = std::fopen(path, "re");
  if (!f) return otherwise;
  char line[256];
  uint64_t found = otherwise;
  size_t length = std::strlen(key);
  while (std::fgets(line, sizeof line, f)) {
    if (std::strncmp(line, key, length) == 0 && (line[length] == ':' || line[length] == ' ')) {
      found = std::strtoull(line + length + 1, nullptr, 10);
      break;
    }
  }
  std::fclose(f);
  return found;
}

// A group's limit less what it uses; files that are merely cached can be given up.
uint64_t group_room(const std::string& group, const char* limit, const char* usage,
                    const char* prefix) {
  uint64_t most = read_number((group + limit).c_str(), UINT64_MAX);
  if (most == UINT64_MAX) return UINT64_MAX;
  uint64_t used = read_number((group + usage).c_str(), 0), cached = 0;
  for (const char* list : {"inactive_file", "active_file"})
    cached += read_entry((group + "/memory.stat").c_str(), (std::string(prefix) + list).c_str(), 0);
  used -= std::min(used, cached);
  return most > used ? most - used : 0;
}

// Room left under the limits of this process's control groups (version 2, every level of the path;
// version 1, the memory controller as mounted in a container).
uint64_t cgroup_room() {
  uint64_t room = UINT64_MAX;
  FILE* f = std::fopen("/proc/self/cgroup", "re");
  if (f) {
    char line[PATH_MAX];
    while (std::fgets(line, sizeof line, f)) {
      if (std::strncmp(line, "0::", 3) != 0) continue;
      std::string path(line + 3);
      while (!path.empty() && (path.back() == '\n' || path.back() == '/')) path.pop_back();
      for (;;) {
        room = std::min(room,
                        group_room("/sys/fs/cgroup" + path, "/memory.max", "/memory.current", ""));
        if (path.empty()) break;
        path.erase(path.rfind('/'));
      }
    }
    std::fclose(f);
  }
  room = std::min(room, group_room("/sys/fs/cgroup/memory", "/memory.limit_in_bytes",
                                   "/memory.usage_in_bytes", "total_"));
  return room;
}

} // namespace

int off_standard(int fd) {
  if (fd < 0 || fd > 2) return fd;
  int other = fcntl(fd, F_DUPFD_CLOEXEC, 3), e = errno;
  close(fd);
  errno = e;
  return other;
}

// RLIMIT_FSIZE may have been lowered since the memory was made. Writing past it is a signal that
// ends the process.
bool past_file_limit(uint64_t offset, uint64_t bytes) {
  rlimit r;
  return getrlimit(RLIMIT_FSIZE, &r) == 0 && r.rlim_cur != RLIM_INFINITY &&
         offset + bytes > uint64_t(r.rlim_cur);
}

int create_memory(const char* label, uint64_t bytes) {
  int fd = off_standard(memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (fd < 0) return -1;
  if (ftruncate(fd, off_t(bytes)) != 0 ||
      fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    int e = errno;
    close(fd);
    errno = e;
    return -1;
  }
  return fd;
}

int back_memory(int fd, uint64_t offset, uint64_t bytes) {
  if (past_file_limit(offset, bytes)) return EFBIG;
  // A signal undoes at most one step. Where they come often (a profiler's) and memory is slow, a
  // step that never ends becomes a smaller one.
  constexpr uint64_t least = 1u << 20;
  uint64_t step = 16u << 20;
  while (bytes > 0) {
    uint64_t n = bytes < step ? bytes : step;
    if (fallocate(fd, 0, off_t(offset), off_t(n)) != 0) {
      if (errno != EINTR) return errno;
      step = step / 2 > least ? step / 2 : least;
      continue;
    }
    offset += n;
    bytes -= n;
  }
  return 0;
}

void punch_memory(int fd, uint64_t offset, uint64_t bytes) {
  while (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off_t(offset), off_t(bytes)) !=
             0 &&
         errno == EINTR) {
  }
}

int write_memory(int fd, uint64_t offset, const void* from, uint64_t bytes) {
  if (past_file_limit(offset, bytes)) return EFBIG;
  const auto* at = static_cast<const uint8_t*>(from);
  while (bytes > 0) {
    ssize_t n = pwrite(fd, at, bytes, off_t(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : ENOSPC;
    at += n;
    offset += uint64_t(n);
    bytes -= uint64_t(n);
  }
  return 0;
}

int fill_mapping(int fd, uint8_t* base, uint64_t offset, const void* from, uint64_t bytes) {
  if (past_file_limit(offset, bytes)) return EFBIG;
  constexpr uint64_t step = 1u << 20; // it is in the processor's cache when it is copied to
  const auto* at = static_cast<const uint8_t*>(from);
  while (bytes > 0) {
    uint64_t n = std::min(bytes, step), before = offset % system_page();
    // Makes the pages, as fallocate() does, but holds no lock of the file meanwhile. Where it fails, fallocate() says why: no
    // memory, or a system that does not know it (before Linux 5.14) or refuses it.
    if (madvise(base + offset - before, n + before, MADV_POPULATE_WRITE) != 0)
      if (int e = back_memory(fd, offset, n)) return e;
    std::memcpy(base + offset, at, n);
    at += n;
    offset += n;
    bytes -= n;
  }
  return 0;
}

uint8_t* map_shared(int fd, uint64_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (p == MAP_FAILED) return nullptr;
  madvise(p, bytes, MADV_DONTDUMP); // a core dump must not write gigabytes while others wait
  return static_cast<uint8_t*>(p);
}

std::string memory_problem(int error) {
  std::string text = std::strerror(error);
  if (error == ENOSYS || error == EPERM || error == EACCES || error == EOPNOTSUPP)
    return text + "; memfd_create() and fallocate() on such memory are needed: use Linux 3.17 or "
                  "newer, and a container "
                  "whose seccomp profile allows them";
  if (error == EFBIG)
    return text + "; the limit on file sizes (RLIMIT_FSIZE, `ulimit -f`) counts for shared memory, "
                  "too: raise it";
  return text;
}

uint64_t memory_limit() {
  uint64_t most = UINT64_MAX;
  rlimit r;
  if (getrlimit(RLIMIT_AS, &r) == 0 && r.rlim_cur != RLIM_INFINITY) most = uint64_t(r.rlim_cur) / 4;
  if (getrlimit(RLIMIT_FSIZE, &r) == 0 && r.rlim_cur != RLIM_INFINITY)
    most = std::min(most, uint64_t(r.rlim_cur));
  return most;
}

uint64_t file_bytes(int fd) {
  struct stat st;
  return fd >= 0 && fstat(fd, &st) == 0 ? uint64_t(st.st_size) : 0;
}

uint64_t backed_bytes(int fd) {
  struct stat st;
  return fstat(fd, &st) == 0 ? uint64_t(st.st_blocks) * 512 : 0;
}

uint64_t read_file(int fd, void* to, uint64_t bytes, uint64_t offset) {
  ssize_t got = pread(fd, to, bytes, off_t(offset));
  return got > 0 ? uint64_t(got) : 0;
}

void close_file(int fd) { close(fd); }

uint8_t* map_private(int fd, uint64_t offset, uint64_t bytes) {
  uint64_t before = offset % system_page(); // any offset will do
  void* p = mmap(nullptr, bytes + before, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd,
                 off_t(offset - before));
  return p == MAP_FAILED ? nullptr : static_cast<uint8_t*>(p) + before;
}

void unmap(uint8_t* at, uint64_t bytes) {
  uint64_t before = reinterpret_cast<uintptr_t>(at) % system_page();
  munmap(at - before, bytes + before);
}

bool pages_untouched(const uint8_t* at, uint64_t bytes) {
  constexpr uint64_t kPresent = uint64_t(1) << 63, kSwapped = uint64_t(1) << 62,
                     kOfFile = uint64_t(1) << 61; // bits of a page's word in pagemap
  int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  uint64_t words[4096], address = reinterpret_cast<uintptr_t>(at), page = address / system_page();
  uint64_t left = (address + bytes - 1) / system_page() + 1 - page;
  bool untouched = true;
  while (untouched && left > 0) {
    size_t n = left < 4096 ? size_t(left) : 4096;
    ssize_t got = pread(fd, words, n * sizeof words[0], off_t(page * sizeof words[0]));
    if (got < 0 && errno == EINTR) continue;
    untouched = got == ssize_t(n * sizeof words[0]);
    for (size_t i = 0; untouched && i < n; ++i)
      untouched = !(words[i] & kSwapped) && (!(words[i] & kPresent) || (words[i] & kOfFile));
    page += n;
    left -= n;
  }
  close(fd);
  return untouched;
}

uint64_t max_mappings() { return read_number("/proc/sys/vm/max_map_count", 65530); }

int create_output(const char* label) {
  int fd = off_standard(memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (fd < 0) return -1;
  if (write(fd, "\n", 1) == 1 && fcntl(fd, F_SETFL, O_APPEND) == 0 &&
      fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0)
    return fd;
  int e = errno;
  close(fd);
  errno = e;
  return -1;
}

const volatile uint8_t* map_part(int fd, uint64_t offset, uint64_t bytes) {
  void* part = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, off_t(offset));
  return part == MAP_FAILED ? nullptr : static_cast<const volatile uint8_t*>(part);
}

void unmap_part(const volatile uint8_t* part, uint64_t bytes) {
  munmap(const_cast<uint8_t*>(part), bytes);
}

void trim_allocator() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

void settle_allocator() {
  void* volatile large = malloc(4096); // glibc merges its small free chunks before it serves this
  free(large);
}

uint64_t total_memory() {
  struct sysinfo s;
  return sysinfo(&s) == 0 ? uint64_t(s.totalram) * s.mem_unit : uint64_t(4) << 30;
}

uint64_t available_memory() {
  uint64_t room = read_entry("/proc/meminfo", "MemAvailable", UINT64_MAX / 1024) * 1024;
  uint64_t group = cgroup_room();
  return group < room ? group : room;
}

} // namespace mp::platform
