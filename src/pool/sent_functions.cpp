#include "pool/sent_functions.h"

#include "r/compat.h"
#include "session/handle.h"
#include "session/needs.h"
#include "session/session.h"

#include <algorithm>
#include <cstring>
#include <list>
#include <unordered_set>

namespace mp::bind {
namespace {

constexpr size_t kSentFunctions = 16;
// The latest last. A list: a finalizer that calls a function meanwhile moves none of the others.
std::list<SentFunction>& sent_functions = *new std::list<SentFunction>;
uint32_t sent_depth = 0;

bool immutable(SEXP f);
bool is_fixed(SEXP x);

// Source references count as fixed.
bool only_fixed_attributes(SEXP x) {
  bool fixed = true;
  r::visit_attributes(x, [&](SEXP name, SEXP value) {
    bool is_source = name == Rf_install("srcref") || name == Rf_install("srcfile") ||
                     name == Rf_install("wholeSrcref");
    return fixed = is_source || is_fixed(value);
  });
  return fixed;
}

// Code whose constants cannot be changed from outside: bquote() may have put an environment into
// it, or a formula with one.
bool is_fixed(SEXP x) {
  switch (TYPEOF(x)) {
  case LANGSXP:
  case LISTSXP:
    for (; x != R_NilValue; x = CDR(x))
      if (!is_fixed(CAR(x)) || !only_fixed_attributes(x)) return false;
    return true;
  case VECSXP:
  case EXPRSXP:
    for (R_xlen_t i = 0; i < Rf_xlength(x); ++i)
      if (!is_fixed(VECTOR_ELT(x, i))) return false;
    return only_fixed_attributes(x);
  case NILSXP:
  case SYMSXP:
    return true;
  case LGLSXP:
  case INTSXP:
  case REALSXP:
  case CPLXSXP:
  case STRSXP:
  case RAWSXP:
    return only_fixed_attributes(x);
  case CLOSXP:
  case BUILTINSXP:
  case SPECIALSXP:
    return immutable(x);
  default:
    return false;
  }
}

// A function of the global environment or of a package, or a builtin: it looks up nothing in a
// frame of its own, to which other code could assign. Source references do not travel.
bool immutable(SEXP f) {
  if (TYPEOF(f) != CLOSXP) return true;
  SEXP env = r::closure_environment(f);
  return (env == R_GlobalEnv || R_IsNamespaceEnv(env)) && only_fixed_attributes(f) &&
         is_fixed(r::closure_formals(f)) && is_fixed(R_ClosureExpr(f));
}

SentFunction* known_function(SEXP fun) {
  for (SentFunction& f : sent_functions)
    if (SEXP(f.function) == fun) return &f;
  return nullptr;
}

SEXP symbol(const std::string& name) {
  return codec::protect([&] { return Rf_install(name.c_str()); });
}

// All names in code: of arguments and local variables, too, and f<- for an assignment to f(x).
void add_symbols(SEXP x, std::unordered_set<SEXP>& found) {
  const char* called =
      TYPEOF(x) == LANGSXP && TYPEOF(CAR(x)) == SYMSXP ? CHAR(PRINTNAME(CAR(x))) : "";
  if (!std::strcmp(called, "<-") || !std::strcmp(called, "<<-") || !std::strcmp(called, "="))
    for (SEXP to = CADR(x); TYPEOF(to) == LANGSXP; to = CADR(to))
      if (TYPEOF(CAR(to)) == SYMSXP)
        found.insert(symbol(CHAR(PRINTNAME(CAR(to))) + std::string("<-")));
  for (; TYPEOF(x) == LANGSXP || TYPEOF(x) == LISTSXP; x = CDR(x)) add_symbols(CAR(x), found);
  if (TYPEOF(x) == SYMSXP && x != R_MissingArg) found.insert(x);
  if (TYPEOF(x) == EXPRSXP)
    for (R_xlen_t i = 0; i < Rf_xlength(x); ++i) add_symbols(VECTOR_ELT(x, i), found);
}

} // namespace

SEXP prepared_function(SEXP fun, bool compile) {
  if (!compile) return fun;
  // Source references do not travel; without them R's bytecode is another.
  Protected bare(codec::protect([&] { return codec::without_source(fun); }));
  return call_r("compile_function", SEXP(bare));
}

SentFunction* sent_function(SEXP fun, bool compile) {
  if (sent_depth != fork_depth()) { // a fork releases blocks that no R object of its own holds
    sent_functions.clear();
    sent_depth = fork_depth();
  }
  SentFunction* known = known_function(fun);
  if (known && (known->compiled || !compile)) return known;
  if (!known && !immutable(fun)) return nullptr;
  Protected prepared(prepared_function(fun, compile));
  uint64_t block = store_value(prepared);
  known = known_function(fun); // R's collector ran, and with it finalizers that may have come here
  if (known && known->users) { // what its user has seen of it stays
    heap().drop(block);
    return known;
  }
  if (known) {
    heap().drop(known->block);
  } else {
    auto oldest = std::find_if(sent_functions.begin(), sent_functions.end(),
                               [](const SentFunction& f) { return f.users == 0; });
    if (sent_functions.size() >= kSentFunctions && oldest != sent_functions.end()) {
      heap().drop(oldest->block);
      sent_functions.erase(oldest);
    }
    sent_functions.push_back({Preserved(fun), block});
    known = &sent_functions.back();
  }
  known->block = block;
  known->compiled = compile;
  return known;
}

std::vector<SEXP> symbols_of(SEXP fun) {
  std::unordered_set<SEXP> found;
  if (TYPEOF(fun) == CLOSXP) {
    add_symbols(r::closure_formals(fun), found);
    add_symbols(R_ClosureExpr(fun), found);
  }
  return std::vector<SEXP>(found.begin(), found.end());
}

bool needs_nothing(SentFunction& sent) {
  if (!sent.closed) {
    sent.closed = is_closed(sent.function);
    if (*sent.closed) sent.symbols = symbols_of(sent.function);
  }
  return *sent.closed && std::none_of(sent.symbols.begin(), sent.symbols.end(), [](SEXP s) {
    return R_existsVarInFrame(R_GlobalEnv, s) || journal().has_known(s);
  });
}

} // namespace mp::bind
