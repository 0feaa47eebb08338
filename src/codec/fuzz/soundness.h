// Is a value one that R itself could have made?
#pragma once

#ifndef R_NO_REMAP
#define R_NO_REMAP
#endif
#include <Rinternals.h>

namespace fuzz {

// Looks at the attributes of vectors, all the way down.
bool is_sound(SEXP x);

} // namespace fuzz
