#include "session/needs.h"

#include <algorithm>
#include <string>

namespace mp::bind {
namespace {

constexpr int kMaxDepth = 1000;
constexpr uint64_t kMaxNodes = 5'000'000;

struct Words {
  SEXP arrow = Rf_install("<-"), equals = Rf_install("="), arrow2 = Rf_install("<<-"),
       brace = Rf_install("{"), function = Rf_install("function"), loop = Rf_install("for"),
       repeat_while = Rf_install("while"), dollar = Rf_install("$"), at = Rf_install("@"),
       colons = Rf_install("::"), colons3 = Rf_install(":::"), if_ = Rf_install("if");
  // that look a variable up by its name in a string
  std::vector<SEXP> finders;
  // that know the state of the process, or evaluate
  std::vector<SEXP> open;
  Words() {
    for (const char* f : {"get", "get0", "mget", "exists", "do.call", "match.fun", "dynGet", "as.name",
                          "as.symbol", "eval", "evalq", "parse", "str2lang"})
      finders.push_back(Rf_install(f));
    for (const char* f : {".Internal", ".External", ".External2", ".External.graphics", ".Call",
                          ".Call.graphics", ".C", ".Fortran", ".Primitive", "UseMethod",
                          "standardGeneric", "globalenv", "environment<-", "attr<-", "class<-",
                          "oldClass<-", "attributes<-", "@<-", "proc.time", "gc.time", "browser",
                          "baseenv", "emptyenv", "pos.to.env", "lazyLoadDBfetch", "interactive",
                          "forceAndCall", "Recall", "on.exit", "<<-", "as.environment", "xtfrm",
                          "nargs", "missing", "rep", "seq_along", "as.call", "substitute", "quote",
                          "enc2native", "as.character", "enc2utf8", "switch", "expression", "call", "~"})
      open.push_back(Rf_install(f));
  }
};

const Words& words() {
  static const Words& w = *new Words;
  return w;
}

bool contains(const std::vector<SEXP>& v, SEXP x) {
  return std::find(v.begin(), v.end(), x) != v.end();
}

bool reaches_global(SEXP env) {
  for (; TYPEOF(env) == ENVSXP && env != R_EmptyEnv; env = r::parent_environment(env)) {
    if (env == R_GlobalEnv) return true;
    if (env == R_BaseNamespace || R_IsNamespaceEnv(env)) return false;
  }
  return false;
}

SEXP base_value(SEXP symbol) {
  Binding b = r::binding_of(R_BaseEnv, symbol);
  return b.how == Binding::Value ? b.value : R_NilValue;
}

bool is_closed_code(SEXP x, std::vector<SEXP>& own) {
  switch (TYPEOF(x)) {
  case SYMSXP: {
    if (x == R_MissingArg || contains(own, x)) return true;
    SEXP f = base_value(x);
    return (TYPEOF(f) == BUILTINSXP || TYPEOF(f) == SPECIALSXP) && !contains(words().open, x);
  }
  case LANGSXP: {
    if (TYPEOF(CAR(x)) != SYMSXP || CAR(x) == words().function) return false;
    if ((CAR(x) == words().arrow || CAR(x) == words().equals)) {
      if (TYPEOF(CADR(x)) != SYMSXP || !is_closed_code(CADDR(x), own)) return false;
      own.push_back(CADR(x));
      return true;
    }
    if (contains(own, CAR(x))) return false;
    size_t before = own.size(); // what is assigned inside may not be
    if (CAR(x) == words().loop) own.push_back(CADR(x));
    for (SEXP a = x; a != R_NilValue; a = CDR(a))
      if (!is_closed_code(CAR(a), own)) return false;
    if (CAR(x) != words().brace) own.resize(before);
    return true;
  }
  case NILSXP:
    return true;
  default:
    return is_bare(x);
  }
}

} // namespace

bool is_bare(SEXP x) { return x == R_NilValue || (Rf_isVectorAtomic(x) && !Rf_isObject(x)); }

bool is_closed(SEXP fun) {
  if (TYPEOF(fun) == BUILTINSXP || TYPEOF(fun) == SPECIALSXP) {
    for (SEXP f : words().open)
      if (base_value(f) == fun) return false;
    return true;
  }
  if (TYPEOF(fun) != CLOSXP || Rf_isObject(fun)) return false;
  std::vector<SEXP> own;
  for (SEXP f = r::closure_formals(fun); f != R_NilValue; f = CDR(f)) {
    if (CAR(f) != R_MissingArg && !is_bare(CAR(f))) return false;
    own.push_back(TAG(f));
  }
  return is_closed_code(R_ClosureExpr(fun), own);
}

void Needs::visit(SEXP x) { value(x, 0); }

void Needs::value(SEXP x, int depth) {
  if (depth > kMaxDepth || ++nodes_ > kMaxNodes) return;
  switch (TYPEOF(x)) {
  case LGLSXP:
  case INTSXP:
  case REALSXP:
  case CPLXSXP:
  case RAWSXP:
  case STRSXP:
    break;
  case VECSXP:
  case EXPRSXP:
    if (ALTREP(x)) break;
    for (R_xlen_t i = 0; i < Rf_xlength(x); ++i) value(VECTOR_ELT(x, i), depth + 1);
    break;
  case LANGSXP: {
    if (!seen_.insert(x).second) return;
    SEXP env = Rf_getAttrib(x, Rf_install(".Environment"));
    Bound bound;
    code(x, TYPEOF(env) == ENVSXP ? env : R_GlobalEnv, bound, depth + 1);
    if (TYPEOF(env) == ENVSXP) value(env, depth + 1);
    break;
  }
  case SYMSXP:
    name(x, R_GlobalEnv, depth);
    return;
  case LISTSXP:
  case DOTSXP:
    for (; TYPEOF(x) == LISTSXP || TYPEOF(x) == DOTSXP; x = CDR(x)) value(CAR(x), depth + 1);
    return;
  case CLOSXP:
    closure(x, depth);
    break;
  case PROMSXP:
#if R_VERSION < R_Version(4, 5, 0)
    if (!seen_.insert(x).second) return;
    if (PRVALUE(x) != R_UnboundValue) {
      value(PRVALUE(x), depth + 1);
    } else {
      Bound bound;
      code(R_PromiseExpr(x), PRENV(x) == R_NilValue ? R_GlobalEnv : PRENV(x), bound, depth + 1);
    }
#endif
    return;
  case ENVSXP:
    while (!is_top_level(x)) {
      if (!seen_.insert(x).second || pointer_of(x) != R_NilValue) return;
      for (SEXP s : variables_of(x)) value(r::binding_of(x, s).value, depth + 1);
      attributes(x, depth);
      x = r::parent_environment(x);
    }
    return;
  case S4SXP:
    break;
  default:
    return;
  }
  attributes(x, depth);
}

void Needs::add_class(SEXP name) {
  if (journal().in_package(name)) classes.insert(name);
}

void Needs::attributes(SEXP x, int depth) {
  each_attribute(x, [&](SEXP name, SEXP a) {
    if (name == R_ClassSymbol && TYPEOF(a) == STRSXP) {
      if (!wants_classes_) return;
      for (R_xlen_t i = 0; i < Rf_xlength(a); ++i) add_class(STRING_ELT(a, i));
      SEXP package = Rf_getAttrib(a, Rf_install("package")); // of an S4 class
      if (TYPEOF(package) == STRSXP && Rf_xlength(package) == 1)
        add_class(STRING_ELT(package, 0));
      return;
    }
    switch (TYPEOF(a)) {
    case VECSXP:
    case LISTSXP:
    case LANGSXP:
    case CLOSXP:
    case ENVSXP:
    case S4SXP:
      if (name != Rf_install("srcref") && name != Rf_install("srcfile") &&
          name != Rf_install("wholeSrcref"))
        value(a, depth + 1);
      return;
    default:
      if (wants_classes_ && Rf_isObject(a)) value(a, depth + 1);
    }
  });
}

void Needs::closure(SEXP f, int depth) {
  if (!seen_.insert(f).second) return;
  SEXP env = r::closure_environment(f);
  if (!reaches_global(env)) return;
  Bound bound;
  for (SEXP a = r::closure_formals(f); a != R_NilValue; a = CDR(a)) bound.push_back(TAG(a));
  for (SEXP a = r::closure_formals(f); a != R_NilValue; a = CDR(a))
    inner(CAR(a), env, bound, depth + 1);
  code(R_ClosureExpr(f), env, bound, depth + 1);
}

// Code whose assignments may not happen, or not before what follows.
void Needs::inner(SEXP x, SEXP env, const Bound& bound, int depth) {
  Bound copy(bound);
  code(x, env, copy, depth);
}

void Needs::code(SEXP x, SEXP env, Bound& bound, int depth) {
  if (depth > kMaxDepth || ++nodes_ > kMaxNodes) return;
  switch (TYPEOF(x)) {
  case SYMSXP:
    if (x != R_MissingArg && (x == R_DotsSymbol || !contains(bound, x))) name(x, env, depth);
    return;
  case LANGSXP:
    return call(x, env, bound, depth);
  case STRSXP:
    if (wants_classes_)
      for (R_xlen_t i = 0; i < Rf_xlength(x); ++i) add_class(STRING_ELT(x, i));
    return;
  case NILSXP:
    return;
  default: // bquote() and the like may have put any value into it
    value(x, depth + 1);
  }
}

void Needs::assignment(SEXP x, SEXP env, Bound& bound, int depth, bool binds) {
  SEXP to = CADR(x);
  inner(CADDR(x), env, bound, depth + 1);
  if (TYPEOF(to) == SYMSXP) {
    if (binds) bound.push_back(to);
    return;
  }
  for (SEXP t = to; TYPEOF(t) == LANGSXP; t = CADR(t))
    if (TYPEOF(CAR(t)) == SYMSXP)
      name(Rf_install((std::string(CHAR(PRINTNAME(CAR(t)))) + "<-").c_str()), env, depth);
  inner(to, env, bound, depth + 1);
}

void Needs::call(SEXP x, SEXP env, Bound& bound, int depth) {
  const Words& w = words();
  SEXP head = CAR(x);
  if (head == w.function) {
    Bound own(bound);
    for (SEXP a = CADR(x); a != R_NilValue; a = CDR(a)) own.push_back(TAG(a));
    for (SEXP a = CADR(x); a != R_NilValue; a = CDR(a)) inner(CAR(a), env, own, depth + 1);
    return code(CADDR(x), env, own, depth + 1);
  }
  if ((head == w.arrow || head == w.equals) && Rf_xlength(x) == 3)
    return assignment(x, env, bound, depth, true);
  if (head == w.arrow2 && Rf_xlength(x) == 3) return assignment(x, env, bound, depth, false);
  if (head == w.brace) {
    for (SEXP a = CDR(x); a != R_NilValue; a = CDR(a)) code(CAR(a), env, bound, depth + 1);
    return;
  }
  if (head == w.loop && Rf_xlength(x) == 4) {
    inner(CADDR(x), env, bound, depth + 1);
    Bound own(bound);
    own.push_back(CADR(x));
    return inner(CADDDR(x), env, own, depth + 1);
  }
  if (head == w.colons || head == w.colons3) return;
  if ((head == w.dollar || head == w.at) && Rf_xlength(x) == 3)
    return inner(CADR(x), env, bound, depth + 1);
  bool finder = false;
  if (TYPEOF(head) == SYMSXP) {
    finder = contains(w.finders, head);
    // R looks for functions only: an argument of that name may be none
    name(head, env, depth);
  } else {
    inner(head, env, bound, depth + 1);
  }
  for (SEXP a = CDR(x); a != R_NilValue; a = CDR(a)) {
    SEXP arg = CAR(a);
    if (finder && TYPEOF(arg) == STRSXP)
      for (R_xlen_t i = 0; i < Rf_xlength(arg); ++i)
        if (LENGTH(STRING_ELT(arg, i)) > 0) name(Rf_installTrChar(STRING_ELT(arg, i)), env, depth);
    inner(arg, env, bound, depth + 1);
  }
}

// A name in code whose function has the environment `env`
void Needs::name(SEXP symbol, SEXP env, int depth) {
  for (; env != R_GlobalEnv; env = r::parent_environment(env)) {
    if (TYPEOF(env) != ENVSXP || env == R_EmptyEnv || env == R_BaseNamespace || R_IsNamespaceEnv(env)) return;
    Binding b = r::binding_of(env, symbol);
    if (b.how != Binding::None) return value(b.value, depth + 1);
  }
  global(symbol, depth);
}

void Needs::global(SEXP symbol, int depth) {
  if (!globals_.insert(symbol).second) return;
  const Variable* v = journal().find(symbol);
  if (!v || v->travels == Travels::Hidden) return;
  if (v->travels != Travels::Sent) named.push_back(symbol);
  if (v->code || v->travels == Travels::Large) value(v->binding.value, depth + 1);
}

} // namespace mp::bind
