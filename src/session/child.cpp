#include "session/child.h"

#include "session/handle.h"

#include "core/start.h"

#include <cstdlib>
#include <utility>

namespace mp::bind {
namespace {

// Never destroyed: finalizers may run after the destructors of static objects.
std::vector<ChildRef>& all = *new std::vector<ChildRef>;
uint64_t my_process = 0;

} // namespace

std::vector<ChildRef>& children() { return all; }
void forget_children() {
  for (const ChildRef& c : all) close_child(c->child);
  all.clear();
}
uint64_t own_process() { return my_process; }
void set_own_process(uint64_t process) { my_process = process; }

// Programs that it starts meanwhile inherit the variable, so they are taken for it.
bool session_starts() { return std::getenv(kSpawnVariable) != nullptr; }

uint64_t store_child_value(SEXP value, uint64_t process) {
  NewBlock block(store_value(value));
  heap().set_parent(block.get(), process);
  return block.get();
}

ProcessShared& process_shared(uint64_t process) { return *heap().at<ProcessShared>(process); }

void drop_payload(uint64_t process) {
  uint64_t block = std::exchange(process_shared(process).payload, 0);
  if (block) heap().clear_parent(block);
}

} // namespace mp::bind
