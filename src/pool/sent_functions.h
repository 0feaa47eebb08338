// Functions that calls sent to workers: a block for each, kept while later calls use the same one.
#pragma once

#include "r/call.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace mp::bind {

struct SentFunction {
  Preserved function;    // so that it is never changed in place
  uint64_t block;        // held by this process
  bool compiled = false; // before it was sent
  int users = 0;         // see InUse
  // Once it was asked for: whether its code is closed, see session/needs.h, and its names.
  std::optional<bool> closed;
  std::vector<SEXP> symbols;
  uint64_t needed_nothing = 0; // the version of the journal at which it needed nothing, see pool_call()
};

// Keeps a function in the cache while its block is used: a finalizer may send other functions.
class InUse {
public:
  explicit InUse(SentFunction* sent) : sent_(sent) {
    if (sent_) ++sent_->users;
  }
  ~InUse() {
    if (sent_) --sent_->users;
  }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;

private:
  SentFunction* sent_;
};

// NULL for a function that may change without our knowing, as its environment may. `compile`: a
// closure that R has not compiled yet travels compiled, as each worker would make it by itself when
// it calls it the second time.
SentFunction* sent_function(SEXP fun, bool compile);

// The function as it is sent. Not protected.
SEXP prepared_function(SEXP fun, bool compile);

// Does it give the same on plain arguments whatever variables the session has?
bool needs_nothing(SentFunction& sent);

// All names in its code.
std::vector<SEXP> symbols_of(SEXP fun);

} // namespace mp::bind
