// Entry points from R that look at functions: R/globals.R, R/child-process.R.
#include "pool/sent_functions.h"

#include "r/call.h"
#include "r/compat.h"
#include "session/session.h"

using namespace mp;
using namespace mp::bind;

// Nothing is left to compile in it.
// [[Rcpp::export(rng = false)]]
bool is_compiled(SEXP fun) {
  return TYPEOF(fun) != CLOSXP || TYPEOF(r::closure_body(fun)) == BCODESXP;
}

// All names in a function's code.
// [[Rcpp::export(rng = false)]]
SEXP code_symbols(SEXP fun) {
  return entry([&] {
    std::vector<SEXP> names;
    for (SEXP symbol : symbols_of(fun)) names.push_back(PRINTNAME(symbol));
    return protect([&] { return strings_from(names); });
  });
}
