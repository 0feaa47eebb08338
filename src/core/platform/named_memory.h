// Shared memory with a name, by which programs that did not start each other find it (shm_open()). It is read and
// written by calls, never mapped: another program may make it shorter, or the system may be out of memory, at any
// moment, and that is an error here instead of the end of the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <sys/types.h>

namespace mp::platform {

// Both return a descriptor (close-on-exec), or -1 with errno. The name has no slash.
// New memory, all zero, for this user alone, with its pages: EEXIST if there is such a name. A crash in between leaves
// the name, with what size it has by then.
int create_named_memory(const std::string& name, uint64_t bytes);
// EPERM: it is another user's. EINVAL: the name is not that of memory.
int open_named_memory(const std::string& name, uint64_t* bytes);
bool remove_named_memory(const std::string& name); // false with errno
// Zero, or errno; ENODATA: it is shorter by now.
int read_named_memory(int fd, uint64_t offset, void* to, uint64_t bytes);
int write_named_memory(int fd, uint64_t offset, const void* from, uint64_t bytes);
void close_named_memory(int fd);

} // namespace mp::platform
