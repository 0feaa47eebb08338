// Blocks for frames to name.
#pragma once

#include <cstddef>

namespace fuzz {

void set_up_blocks();

// Of the blocks that were found since this was last set to 0: what a frame stands for besides its
// own bytes.
extern size_t bytes_named;

} // namespace fuzz
