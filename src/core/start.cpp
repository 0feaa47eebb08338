#include "start_internal.h"

#include "joining.h"
#include "platform/platform.h"

#include <cerrno>
#include <cstring>

namespace mp {

void cannot_start(Child& child, int e) {
  close_child(child);
  child.refused = e;
  throw Error{"ProcessError", std::string("the operating system could not start another process: ") +
                                  std::strerror(e) +
                                  "; start fewer, or raise the limits (`ulimit -u`, memory)"};
}

void refuse(Child& child) {
  close_child(child);
  child.reaped = true;
  child.status = 255;
  if (!child.refused) child.refused = EAGAIN;
}

void no_slot() { throw Error{"ProcessError", fork_problem()}; }

void child_files(const Child& child, Output output) {
  platform::set_standard_files(output == Output::Discarded ? platform::kNowhere : child.output[0],
                               child.output[1]);
}

bool begin_child(pid_t parent) {
  platform::lead_group();
  return platform::take_group_along(parent);
}

void note_start(Child& child) { child.watch_fd = platform::watch_process(child.pid); }

void prepare_outputs(Child& child, Output output) {
  if (output == Output::Inherited) return;
  const char* labels[] = {"multiprocessing-stdout", "multiprocessing-stderr"};
  for (int i = 0; i < 2; ++i) {
    child.output[i] = platform::create_output(labels[i]);
    if (child.output[i] < 0) {
      int e = errno;
      close_child(child);
      throw Error{"ProcessError", std::string("cannot start a process: ") + std::strerror(e)};
    }
  }
}

} // namespace mp
