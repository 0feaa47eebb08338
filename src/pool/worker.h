// The entries of a worker from R, see src/worker.cpp.
#pragma once

#include <Rinternals.h>

namespace mp::bind {

void begin_worker(SEXP pool, int index, int maxtasks, SEXP inherited, SEXP version);
bool run_worker();
void fail_element(SEXP failure);
SEXP task_frame(); // from which elements are computed, or NULL
bool element_cancelled();

} // namespace mp::bind
