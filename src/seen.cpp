// Entry points from R for the session that tasks see: R/globals.R, R/child-session.R.
#include "pool/job.h"
#include "session/lost.h"
#include "session/session.h"

using namespace mp;
using namespace mp::bind;

// For a new R: list(version, settings, variables), the whole session.
// [[Rcpp::export(rng = false)]]
SEXP session_page() {
  return entry([&] {
    uint64_t version = journal().look();
    Protected both(page_content(journal(), 0));
    return list_of(double(version), VECTOR_ELT(both, 0), VECTOR_ELT(both, 1));
  });
}

// See needs_of_values().
// [[Rcpp::export(rng = false)]]
SEXP session_needs(SEXP values, bool classes) {
  return entry([&] { return needs_of_values(values, classes); });
}

// [[Rcpp::export(rng = false)]]
double session_version() { return double(journal().version()); }

// The value that the journal has of a variable; NULL: none, or a promise. In a fork: what the session had.
// [[Rcpp::export(rng = false)]]
SEXP session_had(std::string name) {
  return entry([&]() -> SEXP {
    const Variable* v = journal().find(protect([&] { return Rf_install(name.c_str()); }));
    return v && v->travels != Travels::Delayed && v->binding.value != R_MissingArg ? SEXP(v->binding.value) : R_NilValue;
  });
}

// In a fork: is the variable a promise that the session had when it began, evaluated here or not?
// [[Rcpp::export(rng = false)]]
bool has_inherited_promise(std::string name) {
  return entry([&] {
    SEXP symbol = protect([&] { return Rf_install(name.c_str()); });
    const Variable* v = journal().find(symbol);
    return v && v->travels == Travels::Delayed && r::is_promise(R_GlobalEnv, symbol, v->binding);
  });
}

// [[Rcpp::export(rng = false)]]
bool is_same_object(SEXP a, SEXP b) { return a == b; }

// What a job needs of the session.
// [[Rcpp::export(rng = false)]]
SEXP pool_needs(SEXP pool, SEXP fun, SEXP args, SEXP elements, bool spawn) {
  return needs_in_pool(pool, fun, args, elements, spawn);
}

// [[Rcpp::export(rng = false)]]
SEXP pool_inherited(SEXP pool, SEXP fun) { return inherited_name(pool, fun); }

// The names in a table of methods of those that belong to the session and to no package. Promises are left alone: they are
// packages', and to force one reads its method from the disk.
// [[Rcpp::export(rng = false)]]
SEXP session_methods_in(SEXP table) {
  return entry([&] {
    std::vector<SEXP> own;
    for (SEXP name : variables_of(table)) {
      SEXP method = r::frame_variable(table, name);
      if (TYPEOF(method) == CLOSXP && top_level_of(r::closure_environment(method)) == R_GlobalEnv) own.push_back(PRINTNAME(name));
    }
    return protect([&] { return strings_from(own); });
  });
}

// In the arguments of a call that came from another process, see lost.h.
// [[Rcpp::export(rng = false)]]
SEXP session_lost(SEXP args) {
  return entry([&] { return lost_variables(args, Received::Arguments); });
}
