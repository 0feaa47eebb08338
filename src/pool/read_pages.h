// The worker's side of pages.h: what has changed in the session, applied to this R.
#pragma once

#include <Rinternals.h>

#include <cstdint>

namespace mp::bind {

// Applies what is newer than `version` of the session's journal, which this R has. Returns the version that it has then. If R
// fails in it, the next job tries again.
uint64_t read_pages(SEXP pages, uint64_t version);

} // namespace mp::bind
