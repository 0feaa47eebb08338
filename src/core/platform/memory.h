// Memory that processes share, and files without names.
#pragma once

#include <cstdint>
#include <string>

namespace mp::platform {

// A session may have been started without standard descriptors; what is printed there then goes to
// the file that has the number, which must not be a file of ours: such a descriptor is replaced by
// another.
int off_standard(int fd);
// Anonymous shared memory without a name in any file system. Returns a descriptor (close-on-exec),
// or -1 with errno. No process can change the size afterwards.
int create_memory(const char* label, uint64_t bytes);
// All of it, for reading and writing, and not for core dumps. nullptr with errno.
uint8_t* map_shared(int fd, uint64_t bytes);
// What an error of these functions means to the user, and what to do about it.
std::string memory_problem(int error);
// The most that the limits of this process allow such memory to be.
uint64_t memory_limit();
uint64_t file_bytes(int fd);   // 0 also if there is no such file
uint64_t backed_bytes(int fd); // that cost memory
// Makes sure that pages exist, so that touching them cannot fail. 0 or errno.
int back_memory(int fd, uint64_t offset, uint64_t bytes);
// Writes at an offset, making pages as needed: it takes less time than touching new ones, but the system lets one process
// at a time write into a file. 0 or errno.
int write_memory(int fd, uint64_t offset, const void* from, uint64_t bytes);
// The same through the mapping of all of the file at `base`: processes do this at the same time.
int fill_mapping(int fd, uint8_t* base, uint64_t offset, const void* from, uint64_t bytes);
// The bytes as this process's own copy, of which only written pages cost memory; what others write
// later to pages that this process has not written shows through, so keep the block unchanged.
// nullptr: the system gives no more mappings.
uint8_t* map_private(int fd, uint64_t offset, uint64_t bytes);
void unmap(uint8_t* at, uint64_t bytes);
// True when nothing was written since map_private(); false also when the system does not say.
bool pages_untouched(const uint8_t* at, uint64_t bytes);
uint64_t max_mappings(); // that a process may have
// Gives the pages back to the system; reading them gives zeros.
void punch_memory(int fd, uint64_t offset, uint64_t bytes);
// An anonymous file for what a worker prints: it grows only (append mode, close-on-exec). Its first
// byte is ours.
int create_output(const char* label);
// Reads up to `bytes` bytes; returns how many.
uint64_t read_file(int fd, void* to, uint64_t bytes, uint64_t offset);
void close_file(int fd);
// A part of a file, to be read; null where that is not possible.
const volatile uint8_t* map_part(int fd, uint64_t offset, uint64_t bytes);
void unmap_part(const volatile uint8_t* part, uint64_t bytes);

// What the C library keeps of memory that was freed goes back to the system.
void trim_allocator();
// Does now what the C library has postponed for freed memory: a child that did it would copy each page that it touches.
void settle_allocator();

uint64_t total_memory();
// What can still be used before the system, or the control group, starts to kill.
uint64_t available_memory();

} // namespace mp::platform
