// The functions that this worker received, by the serial of their block: later jobs refer to them again.
#pragma once

#include "r/call.h"

#include "core/layout.h"

#include <vector>

namespace mp::bind {

class ReceivedFunctions {
public:
  SEXP at(const Reference& ref); // throws what its decoding throws
  void clear() { functions_.clear(); }

private:
  struct Received {
    uint64_t serial;
    Preserved function;
    bool once; // has an environment of its own, and so is sent again with each job
  };
  void make_room(bool once);
  std::vector<Received> functions_; // the latest are last
};

} // namespace mp::bind
