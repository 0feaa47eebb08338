// The bindings of an environment at one time, and at a glance whether they are the same still.
//
// The cells of R's hash table are compared with what they were, without asking R for one variable after the other. R's compiled
// code keeps cells, too, and this relies on what that code relies on: a cell belongs to one symbol; a removed one gets the
// value R_UnboundValue and is not used again; a larger table has the same cells. A new cell is the first of its chain. The
// cells are kept alive, so no other object has the address of one.
#pragma once

#include "r/call.h"
#include "r/compat.h"

#include <vector>

namespace mp::bind {

class Bindings {
public:
  enum Keep { Cells, Values }; // Values: these stay alive, too, as long as this does
  Bindings() = default;
  Bindings(SEXP env, Keep keep);
  bool readable() const { return !cells_.empty(); } // false: the table cannot be read, or it is empty
  bool any_new() const; // of a readable one: were variables added?
  bool same() const;    // of a readable one whose values are kept: are all of them the same, and are there no others?
  const std::vector<const r::Cell*>& cells() const { return cells_; }

private:
  SEXP env_ = nullptr, table_ = nullptr;
  Preserved kept_;
  std::vector<SEXP> heads_; // of the chains
  std::vector<const r::Cell*> cells_;
  std::vector<SEXP> values_;
};

} // namespace mp::bind
