// Condition, between processes: releases a lock, waits until another process notifies, and acquires
// the lock again.
#pragma once

#include "doorbell.h"

namespace mp {

// Blocks of BlockKind::Condition, which keep their lock; returned held by the caller.
uint64_t create_condition(uint64_t lock);
uint64_t condition_lock(uint64_t block);

// The caller holds the lock. Ok (notified) or Timeout, both with the lock as before; `owner_died`:
// as acquire_lock() says of it. Interrupted without the lock, if it was interrupted once more while
// it waited for the lock, otherwise with it. What a tick throws is treated the same.
Status wait_for_notice(uint64_t block, const Wait& wait, bool* owner_died);

// Wakes the `n` that have waited longest; returns how many were woken. The caller holds the lock.
uint32_t notify(uint64_t block, uint32_t n);
uint32_t condition_waiting(uint64_t block);

} // namespace mp
