// Lock and RLock, between processes.
#pragma once

#include "doorbell.h"

namespace mp {

// Blocks of BlockKind::Lock; returned held by the caller.
uint64_t create_lock(bool recursive);

// Ok, OwnerDied (acquired; its last owner died holding it), Timeout, Interrupted; Closed when a
// Lock is waited for without limit by its own owner: only another process's release could end that.
Status acquire_lock(uint64_t block, const Wait& wait);

// One try, as participant `me`, which need not be the caller's: nothing but atomics. If it fails,
// `holder` is the participant that holds it.
bool try_acquire_lock(uint64_t block, Token me, Status* how, Token* holder);
bool is_recursive(uint64_t block);
WaiterMask& lock_waiters(uint64_t block);

enum class Released { Ok, NotLocked, NotOwner };
// A Lock may be released by any process, an RLock by its owner alone, as in Python.
Released release_lock(uint64_t block);
bool is_locked(uint64_t block);
// Its holder now; 0: none.
Token lock_owner(uint64_t block);
// How often this process holds it: 0 or 1, more for an RLock.
uint32_t lock_depth(uint64_t block);

// For conditions. Releases it however often the caller holds it, and says how often that was; after
// an acquire_lock(), as often again.
uint32_t release_lock_whole(uint64_t block);
void set_lock_depth(uint64_t block, uint32_t depth);

} // namespace mp
