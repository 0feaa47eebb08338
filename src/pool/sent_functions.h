// Functions that calls sent to workers: a block for each, kept while later calls use the same one.
#pragma once

#include <Rinternals.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace mp::bind {

struct SentFunction {
  SEXP function;         // preserved, so that nobody changes it in place
  uint64_t block;        // held by this process
  bool compiled = false; // before it was sent
  int users = 0;         // see InUse
  // Once they were asked for: the names in its code, and of them those that it may look up in the
  // global environment.
  std::optional<std::vector<SEXP>> symbols, names;
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

// Does it use variables of the global environment that exist now, and so travel with it?
bool needs_variables(SentFunction& sent);

// All names in its code.
std::vector<SEXP> symbols_of(SEXP fun);

} // namespace mp::bind
