// Blocks of large vectors in this process: what keeps them, and when R must collect views.
#pragma once

#include <cstdint>

namespace mp::bind {

void prepare_blocks(); // the hooks of codec and heap

// A handle's finalizer may run inside any allocation, so the hold waits here for the next entry.
void release_views();

// Bytes that this process has put into blocks so far, only compared.
uint64_t stored_bytes();
// Frees large values that were just dropped, by a collection of young objects. May jump where R is out of memory.
void collect_dropped();

// Runs R's collector if this process keeps much alive that may be garbage: for an idle worker.
void collect_if_heavy();

// The same if another process has found no room since the last call; on every tick of a wait.
void collect_if_asked();

// What else this process can free when memory is short. Throws nothing, allocates nothing of
// R.
void at_shortage(void (*give_up)());

// For tests: up to how many bytes vectors in blocks are copied, and none shows a block's pages as an ordinary vector, so
// that all larger ones are views; negative: as usual. Returns what it was.
double set_copy_limit(double bytes);

} // namespace mp::bind
