// What the core throws; the binding turns it into conditions of R.
#pragma once

#include <string>

namespace mp {

struct Error {
  std::string kind; // the condition's class
  std::string message;
};
struct GuardTimeout : Error {}; // a guard was not acquired in time: nothing was changed
struct Interrupted {};          // a Ctrl-C was seen

} // namespace mp
