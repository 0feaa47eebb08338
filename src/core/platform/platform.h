// The seam to the operating system. Everything above speaks in these words; the Linux variant is
// platform_linux*.cpp, another system gets its own files that implement the same functions.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <sys/types.h>

namespace mp::platform {

constexpr int64_t kForever = INT64_MAX;

// Monotonic clock, nanoseconds. Every deadline in this library is a value of this clock.
int64_t now_ns();
// Nanoseconds since the machine was started, by which processes know when they were.
int64_t boot_ns();

// The number of the calling thread, as robust mutexes hold it.
uint32_t thread_id();

// One word that somebody sleeps on, with the value at which it is worth sleeping.
struct Watch {
  std::atomic<uint32_t>* word;
  uint32_t expected;
};

// Sleeps until a word is woken, differs from its expected value, a signal arrives, or the deadline
// passes. May wake for no reason: callers look again. words[0] is the sleeper's own doorbell; where
// the system cannot watch several words only the first is watched, and the deadline is shortened.
void sleep_on(const Watch* words, int count, int64_t deadline_ns);
void wake(std::atomic<uint32_t>* word, int count);

// A session may have been started without standard descriptors; what is printed there then goes to
// whoever has the number, which must not be a file of ours: such a descriptor is replaced by
// another.
int off_standard(int fd);
// Anonymous shared memory without a name in any file system. Returns a descriptor (close-on-exec),
// or -1 with errno. The size can be changed by nobody afterwards.
int create_memory(const char* label, uint64_t bytes);
// Makes sure that pages exist, so that touching them cannot fail. 0 or errno.
int back_memory(int fd, uint64_t offset, uint64_t bytes);
// Writes at an offset, making pages as needed: twice as fast as touching new ones. 0 or errno.
int write_memory(int fd, uint64_t offset, const void* from, uint64_t bytes);
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
// A part of a file, to be read; null where that is not possible.
const volatile uint8_t* map_part(int fd, uint64_t offset, uint64_t bytes);
void unmap_part(const volatile uint8_t* part, uint64_t bytes);

// What the C library keeps of memory that was freed goes back to the system.
void trim_allocator();

uint64_t total_memory();
// What can still be used before the system, or the control group, starts to kill.
uint64_t available_memory();

int cpu_count();
uint32_t current_cpu(); // where the caller runs right now
// Moves the caller to another core that it may run on, if it is on this one and there is another.
void leave_cpu(uint32_t cpu);
void yield_cpu(); // whoever waits for this core may run first

// True when no thread of the process that had this pid at the time `seen_at` (of boot_ns(); 0: not
// known) can write any more. The number may be another process's by now.
bool process_gone(pid_t pid, int64_t seen_at);
// True when a signal or a debugger keeps it from running. False where the system does not say.
bool process_stopped(pid_t pid);
// True when that process runs, but has put another program (exec) in the place of the one that
// mapped the memory of `fd`.
bool runs_without(pid_t pid, int fd);
// A descriptor (close-on-exec) that becomes readable when the child is gone; -1 where there is
// none.
int watch_process(pid_t pid);
// Sends a signal through the watched descriptor when there is one, so that a reused pid is safe.
int signal_process(int watch_fd, pid_t pid, int signal);
// The same to all processes of the group that this child leads, if it leads one. Only for a child
// that nobody has reaped: until then its number can be no other group's.
void signal_group(pid_t leader, int signal);
// True for a child that a signal has ended and that nobody has reaped.
bool killed_by_signal(pid_t pid);

// Whether fork_sibling() works here.
bool can_fork_siblings();
// fork() of a process that has a single thread and no lock held, but the child is its parent's: it
// is the parent that learns how the child ends. The child's pid is in `born` before the child runs,
// and even if this process is killed meanwhile. No fork handlers run. -1 with errno.
pid_t fork_sibling(std::atomic<int32_t>* born);

// Starts a program in a child that shares this process's memory until then, so that it takes the
// same time however much that is; no fork handlers run. `prepare(data)` is called in the child,
// which has the default handlers of signals; it may make system calls, and leave(), but change
// nothing here. The child leaves with 127 if there is no such program. -1 with errno.
pid_t start_program(char* const* argv, char* const* envp, void (*prepare)(void*), void* data);

// This process leads a group of its own: a terminal's Ctrl-C does not reach it, nor the programs
// that it starts. A program that asks the terminal for input is refused, and does not stop for ever
// in the background. False if there is no such group; then it stays in its parent's.
bool lead_group();
// The kernel ends this process when its parent ends. False if the parent is gone already.
bool die_with_parent(pid_t parent);
// From now on, when its parent ends, all processes of the group that it leads end with it. A program
// that it becomes (exec) has to ask for this again; until then it ends alone.
void take_group_along();
// The signal by which the owner of a job tells a worker to look whether the job was cancelled.
int cancel_signal();
// In a child that will be another program: of its descriptors, that program has 0, 1 and 2 alone.
// Makes system calls only.
void keep_standard_files();
// The out-of-memory killer should choose this process before the main one.
void volunteer_for_oom();
// Ends the process at once: no exit handlers, no destructors.
[[noreturn]] void leave(int code);

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

} // namespace mp::platform
