// What a job needs of the session beyond what every worker gets: variables that travel when they are
// named, and classes whose packages a worker may not have loaded.
//
// Names are followed from the job's own values through everything that the session holds: functions
// in lists, elements and objects, formulas, quoted calls, defaults, assignment functions, inner
// functions. A name is looked up as R would: a formal argument or an earlier assignment of the same
// function hides it, an environment between the function and the global one may have it. In doubt it
// counts as named. In strings only get() and its relatives look.
#pragma once

#include "session/journal.h"

namespace mp::bind {

class Needs {
public:
  Needs(bool names, bool classes) : wants_names_(names), wants_classes_(classes) {}
  void visit(SEXP x); // allocates names of variables only; `x` is protected by the caller

  bool any() const { return !named.empty() || !classes.empty(); }
  std::vector<SEXP> named; // symbols of variables of the global environment
  std::unordered_set<SEXP> classes; // CHARSXPs: class attributes, and strings in code

private:
  using Bound = std::vector<SEXP>;
  void value(SEXP x, int depth);
  void closure(SEXP f, int depth);
  void code(SEXP x, SEXP env, Bound& bound, int depth);
  void call(SEXP x, SEXP env, Bound& bound, int depth);
  void inner(SEXP x, SEXP env, const Bound& bound, int depth);
  void assignment(SEXP x, SEXP env, Bound& bound, int depth, bool binds);
  void name(SEXP symbol, SEXP env, int depth);
  void global(SEXP symbol, int depth);
  void attributes(SEXP x, int depth);
  void add_class(SEXP name);

  bool wants_names_, wants_classes_;
  std::unordered_set<SEXP> seen_, globals_;
  uint64_t nodes_ = 0;
};

// Is this value such that no job can need anything for it: plain vectors without a class?
bool is_bare(SEXP x);
// Does its code use nothing but R's primitive functions, its arguments and its own variables?
bool is_closed(SEXP fun);

} // namespace mp::bind
