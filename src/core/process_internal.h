// What the start methods share.
#pragma once

#include "process.h"

namespace mp {

// In the child, between fork and anything else. No allocation.
bool begin_child(pid_t parent); // its group, which ends with the parent; false: it has ended
void child_files(const Child& child, Output output);
void note_start(Child& child); // its pid is known
[[noreturn]] void no_place();  // for a child: throws
[[noreturn]] void cannot_start(Child& child, int e); // errno: throws

} // namespace mp
