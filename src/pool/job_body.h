// What a job sends beside its function and its elements: a list that R's job_body() makes. Its parts have no names, which
// would travel with every job; `job_parts` in R/child-worker.R has the same order.
#pragma once

#include <Rinternals.h>

namespace mp::bind {

enum class JobPart : R_xlen_t { Args, Variables, Packages, Star, Seed, Pages };

inline SEXP part_of(SEXP body, JobPart part) { return VECTOR_ELT(body, R_xlen_t(part)); }
inline bool has_part(SEXP body, JobPart part) { return Rf_length(part_of(body, part)) > 0; }

} // namespace mp::bind
