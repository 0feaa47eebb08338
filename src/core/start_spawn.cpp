// A child that is a fresh program, and how that program finds the session.
#include "start_internal.h"
#include "programs.h"

#include "heap.h"
#include "joining.h"
#include "participant.h"
#include "platform/platform.h"

#include <cerrno>
#include <cstdio>

namespace mp {
namespace {

std::vector<char*> pointers_to(const std::vector<std::string>& texts) { // as exec() takes them
  std::vector<char*> found;
  for (const std::string& t : texts) found.push_back(const_cast<char*>(t.c_str()));
  found.push_back(nullptr);
  return found;
}

void prepare(Child& child, const StartOrder& order) { prepare_outputs(child, order.output); }

// Its pid, or -errno.
pid_t start_program(const Child& child, const StartOrder& order, Token token) {
  char spawn[160];
  std::snprintf(spawn, sizeof spawn, "%s=%d:%llx:%u:%llx:%d", kSpawnVariable, heap().fd(),
                static_cast<unsigned long long>(heap().header().nonce), token,
                static_cast<unsigned long long>(child.process), int(platform::own_pid()));
  std::vector<std::string> lines(order.environment);
  lines.push_back(spawn);
  lines.push_back(mark_name() + "="); // it is not a program of this process's
  lines = platform::environment_with(lines);
  std::vector<char*> argv = pointers_to(order.arguments), envp = pointers_to(lines);
  struct Start {
    const Child& child;
    Output output;
    pid_t parent;
  } start{child, order.output, platform::own_pid()};
  auto before = [](void* data) {
    auto& s = *static_cast<Start*>(data);
    platform::default_signals();
    platform::hold_interrupts(true); // until it can tell what a Ctrl-C is for
    platform::lead_group();
    if (!platform::die_with_parent(s.parent)) platform::leave(1);
    child_files(s.child, s.output);
    platform::keep_standard_files();
    // It opens the heap itself. What cannot be opened is handed over, also to the programs that it
    // starts before it joins.
    int heap_again = platform::open_again(s.parent, heap().fd());
    if (heap_again >= 0) platform::close_file(heap_again);
    else platform::hand_down(heap().fd(), true);
  };
  pid_t pid = platform::start_program(argv.data(), envp.data(), before, &start);
  return pid < 0 ? -errno : pid;
}

void spawn_one(Child& child, const StartOrder& order) {
  platform::keep_exit_states();
  Token token = 0;
  pid_t pid = -1;
  try {
    token = require_slot();
    heap().hold_for(child.process, token);
    pid = start_program(child, order, token);
    if (pid < 0) cannot_start(child, -pid);
  } catch (...) {
    if (token) abandon_slot(token);
    close_child(child);
    throw;
  }
  child.pid = pid;
  child.token = token;
  expect_from(token, 0, pid);
  note_start(child);
}

int launch(const std::vector<Child*>& children, const StartOrder& order) {
  return launch_each(children, [&](Child& c) {
    spawn_one(c, order);
    return false;
  });
}

} // namespace

const StartMethod spawn_method{prepare, launch};

uint64_t join_spawned(const std::string& value) {
  int fd = -1, parent = 0;
  unsigned long long nonce = 0, process = 0;
  unsigned token = 0;
  if (std::sscanf(value.c_str(), "%d:%llx:%u:%llx:%d", &fd, &nonce, &token, &process, &parent) != 5)
    throw Error{"ProcessError", "this R was not started by multiprocessing"};
  if (!platform::take_group_along(parent)) platform::leave(1);
  int own = platform::off_standard(platform::open_again(parent, fd));
  if (own < 0) platform::hand_down(own = fd, false);
  Heap::attach(own, nonce);
  join_session(token);
  answer_for_programs();
  platform::volunteer_for_oom();
  return process;
}

} // namespace mp
