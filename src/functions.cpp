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
  return entry([&]() -> SEXP {
    std::vector<SEXP> symbols = symbols_of(fun);
    Protected names(protect([&] { return Rf_allocVector(STRSXP, R_xlen_t(symbols.size())); }));
    for (size_t i = 0; i < symbols.size(); ++i)
      SET_STRING_ELT(names, R_xlen_t(i), PRINTNAME(symbols[i]));
    return names;
  });
}
