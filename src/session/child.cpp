#include "session/child.h"

#include <cstdlib>

namespace mp::bind {
namespace {

// Never destroyed: finalizers may run after the destructors of static objects.
std::vector<ChildRef>& all = *new std::vector<ChildRef>;
uint64_t my_process = 0;

} // namespace

std::vector<ChildRef>& children() { return all; }
uint64_t own_process() { return my_process; }
void set_own_process(uint64_t process) { my_process = process; }

// Programs that it starts meanwhile inherit the variable, so they are taken for it.
bool session_starts() { return std::getenv(kSpawnVariable) != nullptr; }

} // namespace mp::bind
