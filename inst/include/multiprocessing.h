// Native threads, and locks, queues, arrays and so on that they share with other processes: for
// C++17 code in packages that have `LinkingTo: multiprocessing` and `Imports: multiprocessing`. The
// folder examples/linking of the installed package is such a package. Code that uses Rcpp includes
// <multiprocessing/rcpp.h> instead; vignette("cpp", "multiprocessing") shows both.
#pragma once

#include "multiprocessing/kernel.h"
#include "multiprocessing/parallel.h"
#include "multiprocessing/shared.h"
#include "multiprocessing/worker.h"
