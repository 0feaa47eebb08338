// The types in the arguments and results of what R calls. A header of this name (the package's, then
// "_types.h") is included by RcppExports.cpp.
#pragma once

#include <multiprocessing/rcpp.h>

#include <atomic>

namespace mp = multiprocessing;

using Count = std::atomic<int>;
