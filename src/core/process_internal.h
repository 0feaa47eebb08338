// What process.cpp and siblings.cpp share.
#pragma once

#include "process.h"

namespace mp {

// In the child, between fork and anything else. No allocation.
void child_files(const Child& child, Output output);
void note_start(Child& child); // its pid is known
[[noreturn]] void no_place();  // for a child: throws

} // namespace mp
