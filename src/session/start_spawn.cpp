// Children of R that are a fresh R.
#include "session/start.h"

#include "session/handle.h"
#include "session/interrupts.h"
#include "session/session.h"

#include "core/participant.h"
#include "core/platform/platform.h"

#include <cstdlib>

namespace mp::bind {
namespace {

void prepare(const ChildRef& c, const ChildTask& task, size_t i) {
  if (session_starts())
    throw Error{"ProcessError",
                "this R was spawned and still starts: what its profile or a package's .onLoad spawns "
                "now, every R that is spawned would spawn again, without end; do it only if "
                "is.null(multiprocessing::parent_process())"};
  Protected payload(task.workers.empty() ? task.what : call_r("with_index", task.what, task.workers[i]));
  process_shared(c->child.process).payload = store_child_value(payload, c->child.process);
  spawn_method.prepare(c->child, StartOrder{task.output});
}

void launch(const std::vector<ChildRef>& fresh, const ChildTask& task) {
  Protected command(call_r("spawn_command"));
  std::vector<Child*> programs;
  for (const ChildRef& c : fresh) programs.push_back(&c->child);
  spawn_method.launch(programs, StartOrder{task.output, task.busy, strings_of(element(command, "arguments")),
                                           strings_of(element(command, "environment"))});
}

} // namespace

const RStartMethod spawn_of_r{"spawn", false, prepare, launch};

// In a spawned R: joins the session of its parent; returns what to run.
SEXP enter_spawned(const std::string& variable) {
  install_hooks();
  set_own_process(join_spawned(variable));
  std::atexit(end_participant); // it leaves as any R does, not by leave_process()
  return entry([&] {
    install_interrupt_handlers();
    platform::hold_interrupts(false); // it was started with them held
    uint64_t block = process_shared(own_process()).payload;
    Protected what(codec::decode(heap().at(block), heap().bytes_of(block)));
    drop_payload(own_process());
    return SEXP(what);
  });
}

} // namespace mp::bind
