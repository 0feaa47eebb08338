// What a function's own environments lost on the way from another process: connections and pointers.
#pragma once

#include <Rinternals.h>

namespace mp::bind {

// Of a function that was just received, or the functions in a list: list(environment, name, text of the error) for each
// variable; NULL if there are none. A connection that this fork had from the beginning is its own. Functions whose
// environments lie in a package are left alone: they may know how to create their pointers again.
SEXP lost_variables(SEXP x);

} // namespace mp::bind
