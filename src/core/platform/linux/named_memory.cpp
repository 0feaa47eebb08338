#include "../named_memory.h"
#include "../platform.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace mp::platform {
namespace {

std::string path_of(const std::string& name) { return "/" + name; }

int failed(int fd, int error) {
  if (fd >= 0) close(fd);
  errno = error;
  return -1;
}

// Before pages are asked for: for the last of them the system would kill a process.
int room_for(int fd, uint64_t bytes) {
  struct statvfs fs;
  if (fstatvfs(fd, &fs) != 0) return errno;
  uint64_t free = uint64_t(fs.f_bavail) * fs.f_frsize; // 0 blocks in all: without a limit
  if ((fs.f_blocks && bytes > free) || bytes > available_memory()) return ENOSPC;
  return 0;
}

int give_pages(int fd, uint64_t bytes) {
  if (fchmod(fd, S_IRUSR | S_IWUSR) != 0) return errno; // the umask may have taken rights away
  if (int error = room_for(fd, bytes)) return error;
  if (int error = back_memory(fd, bytes - 1, 1)) return error; // the size, at once
  return back_memory(fd, 0, bytes);
}

} // namespace

int create_named_memory(const std::string& name, uint64_t bytes) {
  int fd = off_standard(shm_open(path_of(name).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (fd < 0) return -1;
  int error = give_pages(fd, bytes); // a process that opens it before it has its size refuses it
  if (error == 0) return fd;
  shm_unlink(path_of(name).c_str());
  return failed(fd, error);
}

int open_named_memory(const std::string& name, uint64_t* bytes) {
  int fd = off_standard(shm_open(path_of(name).c_str(), O_RDWR | O_CLOEXEC, 0));
  if (fd < 0) return -1;
  struct stat st;
  if (fstat(fd, &st) != 0) return failed(fd, errno);
  if (st.st_uid != geteuid()) return failed(fd, EPERM);
  if (!S_ISREG(st.st_mode)) return failed(fd, EINVAL);
  *bytes = uint64_t(st.st_size);
  return fd;
}

bool remove_named_memory(const std::string& name) { return shm_unlink(path_of(name).c_str()) == 0; }

int read_named_memory(int fd, uint64_t offset, void* to, uint64_t bytes) {
  auto* at = static_cast<uint8_t*>(to);
  while (bytes > 0) {
    ssize_t n = pread(fd, at, bytes, off_t(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : ENODATA;
    at += n;
    offset += uint64_t(n);
    bytes -= uint64_t(n);
  }
  return 0;
}

int write_named_memory(int fd, uint64_t offset, const void* from, uint64_t bytes) {
  struct stat st; // a write behind the end would make it longer again
  if (fstat(fd, &st) != 0) return errno;
  if (offset + bytes > uint64_t(st.st_size)) return ENODATA;
  return write_memory(fd, offset, from, bytes);
}

void close_named_memory(int fd) { close(fd); }

} // namespace mp::platform
