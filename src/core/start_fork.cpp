// A child that is a copy of this process. Several at once: fork_tree.cpp.
#include "start_internal.h"
#include "programs.h"

#include "heap.h"
#include "joining.h"
#include "participant.h"
#include "platform/platform.h"

#include <cerrno>
#include <cstdio>

namespace mp {

bool fork_one(Child& child, const StartOrder& order) {
  platform::keep_exit_states();
  std::fflush(nullptr);
  pid_t parent = platform::own_pid();
  uint32_t cpu = platform::current_cpu();
  pid_t pid = platform::fork_process(); // the fork handlers find a slot for the child
  if (pid < 0) {
    int e = errno;
    abandon_slot(fork_slot());
    cannot_start(child, e);
  }
  if (pid == 0) {
    platform::default_signals();
    // the system may let it wait there although other cores are idle
    if (order.busy) platform::leave_cpu(cpu);
    if (!begin_child(parent)) platform::leave(1);
    child_files(child, order.output);
    if (self() == 0) platform::leave(kNoSlot);
    answer_for_programs();
    platform::volunteer_for_oom(); // as will the processes that this child forks
    return true;
  }
  child.pid = pid;
  child.token = fork_slot();
  expect_from(child.token, 0, pid);
  note_start(child);
  if (child.token == 0) { // the child has seen it too and left
    while (!poll_child(child)) platform::relax();
    close_child(child);
    no_slot();
  }
  return false;
}

namespace {

void prepare(Child& child, const StartOrder& order) {
  prepare_outputs(child, order.output);
  if (child.process) child.born = &heap().at<ProcessShared>(child.process)->born;
}

} // namespace

const StartMethod fork_method{prepare, fork_tree};

} // namespace mp
