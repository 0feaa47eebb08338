// How a worker calls a function: from which frame, and with which call.
#pragma once

#include <Rinternals.h>

namespace mp::bind {

// What encloses the frame that calls `fun`. Methods that lie beside a generic in the frame of a function are found from
// there: see locals_first() in R/child-worker.R, which does the same.
SEXP frame_enclosure(SEXP fun);
// FUN(args[[1]], name = args[[2]], ...): the argument list stays out of the call. `fun`: a name. May jump.
SEXP star_call(SEXP args, SEXP fun);

} // namespace mp::bind
