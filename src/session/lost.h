// What received values lost on the way from another process: connections and pointers, in the environments of functions, and
// in environments and objects (R6, reference classes) that are, or lie in, what was received.
#pragma once

#include <Rinternals.h>

namespace mp::bind {

// What the values of a list are: elements of a job, or a call's arguments, by which paths begin; or a list of such calls.
enum class Received { Elements, Arguments, Calls };

// list(environment, name, text of the error) for each variable; NULL if there are none. A connection that this fork had
// from the beginning is its own. Pointers in environments of packages are left alone: packages may know how to create them
// again. No package can do this with a connection.
SEXP lost_variables(SEXP values, Received what);
// Each of them becomes an error for what looks at it.
void refuse_lost(SEXP values, Received what);

} // namespace mp::bind
