// Locks, queues, barriers, semaphores and events for any thread of this process, at any time, whatever the main thread is
// doing.
//
// A participant has one doorbell and one thread. So the native threads of a process are together
// one more participant: its slot and doorbell are apart from the main thread's, which may sit in a
// pool's map() at the same time, and its life is held by the main thread, so it ends with the
// process. A lock that a thread takes is owned by this participant: any thread of the process may
// release it, and when the process is killed the next owner is told.
//
// (1) A lock that is free, and a release, are one CAS: no gate. (2) Everything else goes through
// the gate, a mutex: the thread that holds it *is* the participant, and no other thread of this process is
// in the core in its name. (3) To wait, a thread sets the participant's bit in the object's mask and looks
// again, as in doorbell.h; then, if no thread sleeps on the doorbell yet, it sleeps there, with the gate
// released; otherwise it waits for the gate's `turn`. (4) The sleeper, when it wakes for
// whatever reason, wakes all waiting threads; each looks at its own object, sets its bit again if it must
// keep waiting, and the first of these becomes the next sleeper.
// No wake-up is lost: the sleeper read the doorbell before it slept, hence before any look that was
// made while it slept; a ring after such a look changes the doorbell, which ends the sleep, and (4)
// follows. A thread that comes between the sleeper's waking and (4) holds the gate, so it is woken or looks
// itself. Inside the gate a thread may have to wait for a guard on the same doorbell, which may
// swallow the sleeper's ring: a thread that finds the doorbell changed when it is done wakes the sleeper.
#pragma once

#include "barrier.h"
#include "doorbell.h"
#include "event.h"
#include "lock.h"
#include "queue.h"
#include "semaphore.h"

namespace mp::native {

// Takes the slot for this process's threads, once; again in a forked child. Main thread, which is
// a participant. Throws Error("ProcessError") when all slots are taken.
void open();
Token token(); // 0: not open
void close();  // gives the slot back; main thread, when no other thread calls this any more

// As in lock.h, queue.h and barrier.h. A wait ends with Interrupted too when the thread works for a
// loop that must end (loop.h). A lock has no owner among threads: a thread that acquires it again waits
// until another one releases it.
Status acquire(uint64_t lock, const Wait& wait);
Released release(uint64_t lock);
Status put(uint64_t queue, const void* bytes, uint64_t size, const Wait& wait);
// `take(data, size)` reads the message, which is freed afterwards.
Status get(uint64_t queue, const Wait& wait, void (*take)(void*, const uint8_t*, uint64_t),
           void* data);
Status pass(uint64_t barrier, const Wait& wait);
// Permits without an owner. (There is no wait for a condition: its notices are for participants, and all threads are one.)
Status acquire_permit(uint64_t semaphore, const Wait& wait);
bool release_permit(uint64_t semaphore); // false: it has as many as it may have
void set(uint64_t event);
Status wait_for(uint64_t event, const Wait& wait);

} // namespace mp::native
