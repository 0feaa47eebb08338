// What goes into a slot of a job: values of one type and length, as vapply() wants them, in one shared vector; or small
// values of any type.
#pragma once

#include <Rinternals.h>

#include <cstdint>

namespace mp::bind {

uint64_t element_bytes(SEXPTYPE type); // 0: vectors of this type fit no slot

// Would vapply() take the value for a vector of that type, with so many elements from each?
bool fits(SEXP value, SEXPTYPE type, uint64_t width);

// A value that fits, written to its slot.
void put_in_slot(SEXP value, SEXPTYPE type, uint64_t width, uint8_t* slot);

// Numbers, logicals and NULL without attributes, written to a slot of 8 bytes: its mark, 0 for anything else. Never
// jumps, allocates nothing.
uint8_t put_small(SEXP value, uint8_t* slot);
// The value again, not protected. May jump.
SEXPTYPE small_type(uint8_t mark); // NILSXP: not a number
SEXP from_small(uint8_t mark, const uint8_t* slot);

} // namespace mp::bind
