// Values of one type and length, as vapply() wants them: each has its place in one shared vector.
#pragma once

#include <Rinternals.h>

#include <cstdint>

namespace mp::bind {

uint64_t element_bytes(SEXPTYPE type); // 0: vectors of this type have no places

// Would vapply() take the value for a vector of that type, with so many elements from each?
bool fits(SEXP value, SEXPTYPE type, uint64_t width);

// A value that fits, written to its place.
void put_in_place(SEXP value, SEXPTYPE type, uint64_t width, uint8_t* place);

// Numbers, logicals and NULL without attributes in 8 bytes: its mark, 0 for anything else. Never
// jumps, allocates nothing.
uint8_t to_small(SEXP value, uint64_t* out);
// The value again, not protected. May jump.
SEXPTYPE small_type(uint8_t mark); // NILSXP: not a number
SEXP from_small(uint8_t mark, uint64_t value);

} // namespace mp::bind
