// Processes: whether they run, how they start and end; and the cores that they run on.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace mp::platform {

int cpu_count();
uint32_t current_cpu(); // where the caller runs right now
// Moves the caller to another core that it may run on, if it is on this one and there is another.
void leave_cpu(uint32_t cpu);
void yield_cpu(); // a process that waits for this core may run first

pid_t own_pid();
// The number of the calling thread, as the system has it.
uint32_t thread_id();
// Called around each fork of this process, whatever code forks: in the parent before, in the child.
void on_fork(void (*before)(), void (*in_child)());

// True when no thread of the process that had this pid at the time `seen_at` (of boot_ns(); 0: not
// known) can write any more. The number may be another process's by now.
bool process_gone(pid_t pid, int64_t seen_at);
// True when a signal or a debugger keeps it from running. False where the system does not say.
bool process_stopped(pid_t pid);
// Whether it waits for something (true, too, if that is not known), as opposed to one that computes, or that would
// if it had a core, or was not stopped.
bool process_sleeps(pid_t pid);
int64_t process_cpu_ns(pid_t pid); // that it has used so far; 0: not known
// True when that process runs, but has put another program (exec) in the place of the one that
// mapped the memory of `fd`.
bool runs_without(pid_t pid, int fd);
// A descriptor (close-on-exec) that becomes readable when the child has ended; -1 where there is
// none.
int watch_process(pid_t pid);
// Sends a signal through the watched descriptor when there is one, so that a reused pid is safe.
int signal_process(int watch_fd, pid_t pid, int signal);
// The same to all processes of the group that this child leads, if it leads one. Only for a child
// that was not reaped yet: until then its number can be no other group's.
void signal_group(pid_t leader, int signal);
// True for a child that a signal has ended and that was not reaped yet.
bool killed_by_signal(pid_t pid);

// How a child has ended: its exit code, or -signal; and the most memory that it had.
struct Ending {
  int status;
  uint64_t peak_bytes;
};
enum class Asked { Runs, Ended, Lost }; // Lost: other code has asked before, and was told
// Tells how it ended, once: from then on the child's number may be another process's.
Asked ask_ending(pid_t child, Ending* how);
// How a child has ended whose ending is Lost, by the descriptor that watched it before; false where the
// system does not say (before Linux 6.15).
bool lost_ending(int watch_fd, int* status);
// What a thread has learned that waits for a child, so that the child does not stay defunct until its parent asks.
struct Reaping {
  Asked answer = Asked::Lost;
  Ending how{0, 0};
  std::atomic<bool> over{false}; // written last, by the thread: release, pairs with the acquire of the process that asks
};
// Starts a thread that waits for the ends of these children, and takes their descriptors. False: there is no room for a
// thread, or the system is too old (before Linux 5.4) or a sandbox; then nothing has changed.
bool reap_in_background(const std::vector<std::pair<int, std::shared_ptr<Reaping>>>& children);
// Waits for at most `ms` until the child of this descriptor has ended; -1: for the whole time.
void await_process(int watch_fd, int ms);
// Before children are started: the system must keep for us how they end. A launcher may have handed down
// that SIGCHLD is ignored; the system would then forget it, and reuse their pids at once.
void keep_exit_states();

// fork(), with the hooks of on_fork(). -1 with errno.
pid_t fork_process();
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

// This process's environment with these lines NAME=value, as start_program() takes it.
std::vector<std::string> environment_with(const std::vector<std::string>& lines);
// --- In a child, before it does anything else. System calls only: its memory may be the parent's. ---

// Handlers of the parent's that make no sense in a child: R's own for these delete the parent's
// temporary folder, prompt on stdin, or save its workspace.
void default_signals();
// Interrupts wait until the process can tell what they are for.
void hold_interrupts(bool hold);
// Nothing to read; `out` and `err` (-1: as they are), or nowhere for `out` (kNowhere).
constexpr int kNowhere = -2;
void set_standard_files(int out, int err);
// The same file, opened once more, close-on-exec; -1 where /proc does not allow that.
int open_again(pid_t process, int fd);
// Whether the programs that this process becomes have the file, too.
void hand_down(int fd, bool yes);
// This process leads a group of its own: a terminal's Ctrl-C does not reach it, nor the programs
// that it starts. A program that asks the terminal for input gets an error, and does not stop
// in the background without an end. False if there is no such group; then it stays in its parent's.
bool lead_group();
// The kernel ends this process when its parent ends. False if the parent has already ended.
bool die_with_parent(pid_t parent);
// In its place: from now on, when its parent ends, all processes of the group that it leads end with it, and what
// on_end() says. A program that it becomes (exec) has to ask for this again; until then it ends alone.
// False if the parent has already ended.
bool take_group_along(pid_t parent);
// The signal by which the owner of a job tells a worker to look whether the job was cancelled.
int cancel_signal();
// In a child that will be another program: of its descriptors, that program has 0, 1 and 2 alone.
// Makes system calls only.
void keep_standard_files();
// The out-of-memory killer should choose this process before the main one.
void volunteer_for_oom();
// Ends the process at once: no exit handlers, no destructors.
[[noreturn]] void leave(int code);

} // namespace mp::platform
