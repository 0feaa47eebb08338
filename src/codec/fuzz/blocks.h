// Blocks for frames to name.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fuzz {

void set_up_blocks();

// Changes a byte of every block, which one and how depends on `choice`, or also the number that a
// block of strings begins with, to `count`.
void damage_blocks(uint64_t choice, uint64_t count);
void restore_blocks(uint64_t choice);

// Of the blocks that were found since this was last set to 0: what a frame stands for besides its
// own bytes.
extern size_t bytes_named;

} // namespace fuzz
