// Several forks at once: they fork each other. See README.md, "Several at once".
#include "start_internal.h"
#include "programs.h"

#include "doorbell.h"
#include "participant.h"
#include "platform/platform.h"
#include "joining.h"

#include <cerrno>

namespace mp {
namespace {

// A sandbox or an emulator may refuse the system call of fork_sibling() though it allows fork().
bool tree_refused = false;

bool lacks_resources(int e) { return e == EAGAIN || e == ENOMEM; }

// In the first of several children: forks the others. Returns which of them the caller is.
int fork_others(const std::vector<Child*>& children, Output output, pid_t parent) {
  size_t me = 0, next = 1, end = children.size(); // [next, end) are this process's to fork
  pid_t forker = 0;                               // 0: the parent may not have named us yet
  for (;;) {
    for (size_t i = next; i < end; ++i) expect_from(children[i]->token, forker, platform::own_pid());
    forker = platform::own_pid();
    pid_t pid = -1;
    uint32_t cpu = platform::current_cpu();
    size_t middle = next;
    for (; next < end; next = middle) {
      Child& c = *children[next];
      middle = next + 1;
      if (!expect_from(c.token, forker, forker)) continue; // the parent has given it up
      middle += (end - middle) / 2;
      c.born->store(0, std::memory_order_relaxed); // its page is here when the kernel writes there
      pid = platform::fork_sibling(c.born);
      if (pid == 0) break;
      int e = errno;
      for (size_t i = next; i < middle; ++i) {
        if (pid > 0) {
          expect_from(children[i]->token, forker, pid);
        } else {
          children[i]->born->store(-e, std::memory_order_release); // pairs with meet_child()
          abandon_slot(children[i]->token);
        }
      }
      if (pid < 0) ring(participant(self()).parent.load(std::memory_order_relaxed));
    }
    if (pid != 0) return int(me);
    platform::leave_cpu(cpu);
    if (!begin_child(parent)) platform::leave(1);
    child_files(*children[next], output);
    take_slot(children[next]->token);
    if (self() == 0) platform::leave(kNoSlot);
    answer_for_programs();
    me = next++;
    end = middle;
  }
}

} // namespace

int fork_tree(const std::vector<Child*>& children, const StartOrder& order) {
  // A parent that will wait forks two itself: the first begins to work sooner.
  if (children.size() < (order.busy ? 2 : 3) || tree_refused || !platform::can_fork_siblings())
    return launch_each(children, [&](Child& c) { return fork_one(c, order); });
  pid_t parent = platform::own_pid();
  try {
    for (size_t i = 1; i < children.size(); ++i) {
      children[i]->token = reserve_for_fork();
      if (children[i]->token == 0) no_slot();
    }
    if (fork_one(*children[0], order)) return fork_others(children, order.output, parent);
  } catch (...) {
    for (size_t i = 1; i < children.size(); ++i)
      if (children[i]->token) abandon_slot(children[i]->token);
    throw;
  }
  platform::yield_cpu(); // to the child, which moves to another core and forks while we continue
  for (size_t i = 1; i < children.size(); ++i) expect_from(children[i]->token, 0, children[0]->pid);
  return -1;
}

bool meet_child(Child& child) {
  if (child.pid || !child.born) return child.pid != 0;
  int32_t pid = child.born->load(std::memory_order_acquire); // pairs with fork_others()
  if (pid < 0 && lacks_resources(-pid)) child.refused = -pid;
  else if (pid < 0) tree_refused = true; // the parent forks it itself
  if (pid <= 0) return false;
  child.pid = pid;
  note_start(child);
  return true;
}

} // namespace mp
