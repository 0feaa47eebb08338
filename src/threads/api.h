// The table of functions behind inst/include/multiprocessing, for the C++ of other packages.
#pragma once

namespace mp::bind {

void register_thread_api(); // when the package is loaded

} // namespace mp::bind
