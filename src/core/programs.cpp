#include "programs.h"

#include "participant.h"
#include "platform/platform.h"
#include "platform/programs.h"

#include <csignal>
#include <cstdio>

namespace mp {
namespace {

// The line NAME=value. The name is of this session alone: a program that is a session itself hands the mark on to what it
// starts, beside its own. No token comes twice in a session.
struct Mark {
  char name[64], value[16], text[sizeof name + sizeof value];
  explicit Mark(Token t) {
    std::snprintf(name, sizeof name, "MULTIPROCESSING_PROCESS_%llx", static_cast<unsigned long long>(header().nonce));
    std::snprintf(value, sizeof value, "%x", t);
    std::snprintf(text, sizeof text, "%s=%s", name, value);
  }
};

// Of this process; a fork of it has copies, and another pid. A handler, in any thread, reads them.
Token answers_for = 0;
pid_t answers_as = 0;
Mark* own_mark = nullptr; // made before the first fork, never freed: a handler reads it

bool has_forked() { return answers_as == platform::own_pid() && own_mark; }

bool may_have_forked(Token t) {
  if (t == 0) return false;
  uint32_t programs = participant(t).programs.load(std::memory_order_acquire); // pairs with note_fork()
  // Another participant has the slot by now: not known.
  return participant(t).look().generation != generation_of(t) || (programs & kHasForked);
}

// A fork that has a slot and is no program yet. Nested children of ours end by themselves, and with
// them what they have started.
bool is_bare_fork(pid_t pid, const void* token) {
  Token t = *static_cast<const Token*>(token);
  return is_alive(t) && pid_of(t) == pid && platform::in_own_session(pid) &&
         !(participant(t).programs.load(std::memory_order_acquire) & kEndsThem);
}

int kill_bare_forks(Token parent) {
  HeapHeader& h = header();
  uint32_t top = h.top_slot.load(std::memory_order_acquire);
  int found = 0;
  for (uint32_t slot = 0; slot < top; ++slot) {
    Participant& p = h.participants[slot];
    if (p.parent.load(std::memory_order_acquire) != parent) continue; // pairs with reserve_slot()
    SlotState s = p.look();
    Token t = make_token(slot, s.generation);
    if (s.life != Life::Live || pid_t(s.pid) == platform::own_pid()) continue;
    found += platform::signal_if(pid_t(s.pid), is_bare_fork, &t, SIGKILL);
  }
  return found;
}

// A fork is in the child's group, then in one of its own and not yet a program, then a program. It
// only moves on, so two looks that find nothing have missed none. What is about to die may start
// another one meanwhile; after so many looks something starts programs faster than they can be killed.
void kill_started(const Mark& mark, Token child, pid_t group) {
  constexpr int kLooks = 100;
  for (int quiet = 0, look = 0; quiet < 2 && look < kLooks; ++look) {
    int found = platform::signal_marked(mark.text, group, SIGKILL) + kill_bare_forks(child);
    quiet = found ? 0 : quiet + 1;
    if (found) platform::yield_cpu();
  }
}

void before_end() { // in a handler
  if (has_forked()) kill_started(*own_mark, answers_for, platform::own_pid());
}

} // namespace

std::string mark_name() { return Mark(0).name; }

void answer_for_programs() {
  own_mark = nullptr; // in a fork: its parent's
  answers_for = self();
  answers_as = platform::own_pid();
  participant(answers_for).programs.store(kEndsThem, std::memory_order_release); // pairs with is_bare_fork()
  platform::on_end(before_end);
}

// Not in another thread: it would write the environment that this one may read. What such a thread
// starts in a group of its own stays.
void note_fork() {
  if (!answers_for || answers_for != self() || own_mark) return;
  own_mark = new Mark(answers_for);
  platform::set_variable(own_mark->name, own_mark->value);
  participant(answers_for).programs.store(kEndsThem | kHasForked, std::memory_order_release); // pairs with may_have_forked()
}

void signal_started(pid_t child, Token t, int signal) {
  platform::signal_group(child, signal);
  if (!may_have_forked(t)) return;
  Mark mark(t);
  if (signal == SIGKILL) kill_started(mark, t, child);
  else platform::signal_marked(mark.text, 0, signal);
}

void signal_own_programs(int signal) {
  if (has_forked()) platform::signal_marked(own_mark->text, 0, signal);
  platform::signal_own_group(signal);
}

} // namespace mp
