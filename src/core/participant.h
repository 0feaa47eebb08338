// The participants of the session, and which of them are still alive.
#pragma once

#include "error.h"
#include "session.h"

#include <string>

namespace mp {

// The calling thread becomes the participant for which the slot was reserved. False if the reservation
// has expired. Call ring_parent() then.
bool claim(Token t);
// Throws where a death would not be noticed: before the first claim().
void check_lives();
void leave_session();
// The process now ends by itself: others see that it was not killed.
void end_participant();

// A slot for a child that is about to start; it must claim it soon (kReservationNs). 0 when none is
// free.
Token reserve_slot();
Token require_slot(); // the same, but throws Error("ProcessError") then
// The reservation now lasts as long as process `pid` lives, and no longer as long as `before` (0: a while).
// True if it now depends on `pid`.
bool expect_from(Token t, pid_t before, pid_t pid);
void abandon_slot(Token t); // it will not be claimed

// False from the moment the participant's main thread has ended, zombie or not.
bool is_alive(Token t);
// Fills a watch on a participant's life; false if it is over. The kernel wakes one sleeper at the
// death, and only if the waiters bit is set, which this does.
bool watch_life(Token t, platform::Watch* out);
// Nothing of it is left: its process has ended with all its threads, and what it held was released.
bool is_swept(Token t);
// The participant may still claim its reservation or lives.
bool is_expected(Token t);
pid_t pid_of(Token t);
// Marks the participant of a slot as dead if it is; true if this call has found it.
bool note_death(uint32_t slot);
// Of a dead participant that was a child and was killed: gives up what it had reserved for forks that
// other code was to make, and that have not taken their slots.
void note_reservations_of(Token dead);
uint32_t count_participants(); // that live, or that a reservation expects
std::string no_slot_is_free(); // the message

constexpr int64_t kReservationNs = 20'000'000'000;

} // namespace mp
