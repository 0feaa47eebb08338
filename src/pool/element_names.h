// How users know the elements of a job, and what lies in them: as they gave them to the method that made the job.
#pragma once

#include "codec/codec.h"

namespace mp::bind {

class ElementNames {
public:
  enum Given {
    Values,  // elements of map()
    Calls,   // elements of starmap(): each is the list of the arguments of one call
    Columns, // the same, made of vectors that each have one argument of all calls: an executor's map()
    Call     // one list of arguments: apply(), submit()
  };
  // `before`: how many elements of the same method's call went with earlier jobs.
  explicit ElementNames(Given given = Values, int before = 0) : given_(given), before_(before) {}
  static Given given_of(const std::string& name); // as R's pool_job() says it

  int number(int element) const { return before_ + element; } // among all elements of the call
  std::string name(int element) const;                        // "element 3", "the call"
  // The place that a path from the list of all elements leads to: "argument `x` of element 3".
  std::string place(const codec::Path& path) const;

private:
  Given given_;
  int before_;
};

} // namespace mp::bind
