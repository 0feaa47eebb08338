// What finalizers leave to be done at the next entry from R.
#pragma once

namespace mp::bind {

// Takes note of something to be done at the next entry: finalizers may run inside any allocation.
void defer(void (*what)(void*), void* data) noexcept;
void do_deferred();
void forget_deferred(); // in a fork: what they own is the parent's

} // namespace mp::bind
