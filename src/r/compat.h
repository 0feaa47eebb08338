// What R offers under other names in its newer versions. Below the codec: R's C API and nothing of
// ours.
#pragma once

#include <Rinternals.h>
#include <Rversion.h>

#include <cstdint>
#include <type_traits>

namespace mp::r {

// -- Functions and environments ----------------------------------------------------------------

#if R_VERSION >= R_Version(4, 5, 0)
inline SEXP closure_environment(SEXP f) { return R_ClosureEnv(f); }
inline SEXP closure_formals(SEXP f) { return R_ClosureFormals(f); }
inline SEXP closure_body(SEXP f) { return R_ClosureBody(f); } // bytecode if it was compiled
inline SEXP make_closure(SEXP formals, SEXP body, SEXP environment) {
  return R_mkClosure(formals, body, environment);
}
inline SEXP parent_environment(SEXP env) { return R_ParentEnv(env); }
#else
inline SEXP closure_environment(SEXP f) { return CLOENV(f); }
inline SEXP closure_formals(SEXP f) { return FORMALS(f); }
inline SEXP closure_body(SEXP f) { return BODY(f); }
inline SEXP make_closure(SEXP formals, SEXP body, SEXP environment) {
  SEXP f = Rf_allocSExp(CLOSXP);
  SET_FORMALS(f, formals);
  SET_BODY(f, body);
  SET_CLOENV(f, environment);
  return f;
}
inline SEXP parent_environment(SEXP env) { return ENCLOS(env); }
#endif

// The environment that holds all loaded namespaces: there is no function of the API for it. The
// first call may jump.
inline SEXP namespace_registry() {
  static SEXP registry = nullptr;
  if (!registry) {
    SEXP what = PROTECT(Rf_lang1(Rf_install("getNamespaceRegistry")));
    SEXP call = PROTECT(Rf_lang2(Rf_install(".Internal"), what));
    SEXP found = Rf_eval(call, R_BaseEnv);
    R_PreserveObject(found);
    registry = found;
    UNPROTECT(2);
  }
  return registry;
}

// -- Attributes, as they are stored and without allocating -------------------------------------

#if R_VERSION >= R_Version(4, 6, 0)
inline bool has_attributes(SEXP x) { return ANY_ATTRIB(x); }

// Calls visit(name, value) for one after the other until it returns false. C frames of R lie
// between: `visit` must neither throw nor jump.
template <class Visit> void visit_attributes(SEXP x, Visit&& visit) {
  using V = std::remove_reference_t<Visit>;
  R_mapAttrib(
      x,
      [](SEXP name, SEXP value, void* data) -> SEXP {
        return (*static_cast<V*>(data))(name, value) ? nullptr : R_NilValue;
      },
      &visit);
}
#else
inline bool has_attributes(SEXP x) { return ATTRIB(x) != R_NilValue; }

template <class Visit> void visit_attributes(SEXP x, Visit&& visit) {
  for (SEXP cell = ATTRIB(x); cell != R_NilValue; cell = CDR(cell))
    if (!visit(TAG(cell), CAR(cell))) return;
}
#endif

inline SEXP find_attribute(SEXP x, SEXP wanted) { // nullptr if there is none
  SEXP found = nullptr;
  visit_attributes(x, [&](SEXP name, SEXP value) {
    if (name == wanted) found = value;
    return !found;
  });
  return found;
}

// A list of them for code that may throw or jump. `x` keeps them alive.
class Attributes {
public:
  struct Attribute {
    SEXP name;
    SEXP value;
  };
  static constexpr int kMost = 16;

  explicit Attributes(SEXP x) {
    visit_attributes(x, [this](SEXP name, SEXP value) {
      if (size_ == kMost) return complete_ = false;
      list_[size_++] = {name, value};
      return true;
    });
  }
  bool complete() const { return complete_; } // false: there are more
  int size() const { return size_; }
  const Attribute* begin() const { return list_; }
  const Attribute* end() const { return list_ + size_; }

private:
  Attribute list_[kMost];
  int size_ = 0;
  bool complete_ = true;
};

// -- Bindings ----------------------------------------------------------------------------------

// A binding as it stands, nothing of it evaluated.
struct Binding {
  enum How { None, Value, Delayed, Active } how;
  SEXP value; // of Active: the function; of Delayed: the promise, or R_MissingArg
};
inline Binding binding_of(SEXP env, SEXP symbol) {
#if R_VERSION >= R_Version(4, 6, 0)
  switch (R_GetBindingType(symbol, env)) {
  case R_BindingTypeUnbound:
    return {Binding::None, R_NilValue};
  case R_BindingTypeActive:
    return {Binding::Active, R_ActiveBindingFunction(symbol, env)};
  case R_BindingTypeDelayed:
    return {Binding::Delayed, R_MissingArg};
  case R_BindingTypeMissing:
    return {Binding::Value, R_MissingArg};
  default:
    return {Binding::Value, R_getVarEx(symbol, env, FALSE, R_NilValue)};
  }
#else
  if (!R_existsVarInFrame(env, symbol)) return {Binding::None, R_NilValue};
  if (R_BindingIsActive(symbol, env))
    return {Binding::Active, R_ActiveBindingFunction(symbol, env)};
  SEXP v = Rf_findVarInFrame(env, symbol);
  if (TYPEOF(v) != PROMSXP) return {Binding::Value, v};
  if (PRVALUE(v) == R_UnboundValue) return {Binding::Delayed, v};
  return {Binding::Value, PRVALUE(v)};
#endif
}

// Is the variable still the promise, evaluated or not, that binding_of() gave as Delayed? R 4.6 does not tell one promise from
// another.
inline bool is_promise(SEXP env, SEXP symbol, const Binding& delayed) {
#if R_VERSION >= R_Version(4, 6, 0)
  (void)delayed;
  R_BindingType_t type = R_GetBindingType(symbol, env);
  return type == R_BindingTypeDelayed || type == R_BindingTypeForced;
#else
  return R_existsVarInFrame(env, symbol) && !R_BindingIsActive(symbol, env) && Rf_findVarInFrame(env, symbol) == delayed.value;
#endif
}

// R_NilValue: no such variable, or one whose value R code computes when it is asked for: an active
// binding, a promise that was not forced. That code may jump.
inline SEXP frame_variable(SEXP env, SEXP symbol) {
  Binding b = binding_of(env, symbol);
  return b.how == Binding::Value ? b.value : R_NilValue;
}

// Of a frame that is ours, without promises or active bindings. R_NilValue: no such variable.
inline SEXP own_variable(SEXP env, SEXP symbol) {
#if R_VERSION >= R_Version(4, 6, 0)
  return R_getVarEx(symbol, env, FALSE, R_NilValue);
#else
  SEXP v = Rf_findVarInFrame(env, symbol);
  return v == R_UnboundValue ? R_NilValue : v;
#endif
}

// Is the binding still what binding_of() gave, {how, value}? In R 4.2 one look into the table: an
// ordinary binding that has become an active one meanwhile has its function called once.
inline bool still_bound(SEXP env, SEXP symbol, const Binding& before) {
#if R_VERSION < R_Version(4, 6, 0)
  if (before.how == Binding::Value || before.how == Binding::Delayed) {
    SEXP v = Rf_findVarInFrame(env, symbol);
    if (v == before.value) return before.how == Binding::Value || PRVALUE(v) == R_UnboundValue;
    return TYPEOF(v) == PROMSXP && before.how == Binding::Value && PRVALUE(v) == before.value;
  }
#endif
  Binding now = binding_of(env, symbol);
  return now.how == before.how && now.value == before.value;
}

// -- Hash tables of environments, in memory ----------------------------------------------------
//
// R has no function that tells whether an environment has changed, and one call for each variable takes too long. R 4.2 to 4.6
// have the same layout and treat it in the same way, which is verified before it is used; newer versions are asked for each variable.

// Of a pairlist and of a table. CAR() is an error while compiled code keeps a number in the cell itself; the type of that
// number is in the top bits of the header.
struct Cell {
  uint64_t header;
  SEXP attributes, next, previous; // of R's collector
  SEXP value, rest, symbol;
  bool is_boxed() const { return header >> 48 == 0; }
};
inline const Cell* cell_of(SEXP cell) { return reinterpret_cast<const Cell*>(cell); }

struct Environment {
  uint64_t header;
  SEXP attributes, next, previous, frame, enclosure, table;
};
inline SEXP table_of(SEXP env) { return reinterpret_cast<const Environment*>(env)->table; }

inline const SEXP* chains_of(SEXP table) {
#if R_VERSION >= R_Version(4, 5, 0)
  return VECTOR_PTR_RO(table);
#else
  return static_cast<const SEXP*>(DATAPTR_RO(table));
#endif
}

// May jump.
inline bool tables_are_readable() {
  static int readable = -1;
  if (readable >= 0) return readable;
  bool known = R_VERSION < R_Version(4, 7, 0) && sizeof(SEXP) == 8;
  SEXP env = PROTECT(R_NewEnv(R_BaseEnv, TRUE, 2));
  Rf_defineVar(R_NamesSymbol, R_EmptyEnv, env);
  auto* e = reinterpret_cast<const Environment*>(env);
  known = known && e->enclosure == R_BaseEnv && e->frame == R_NilValue && TYPEOF(e->table) == VECSXP;
  int right = 0;
  SEXP first = R_NilValue;
  for (R_xlen_t i = 0; known && i < Rf_xlength(e->table); ++i) {
    SEXP cell = VECTOR_ELT(e->table, i);
    if (cell == R_NilValue) continue;
    const Cell* c = cell_of(first = cell);
    right += (c->header & 31) == LISTSXP && c->is_boxed() && c->value == R_EmptyEnv && c->rest == R_NilValue && c->symbol == R_NamesSymbol;
  }
  if (known && right == 1) { // as bindings.h relies on: a new cell is the first of its chain, a removed one gets another value
    PROTECT(first);
    SEXP table = PROTECT(e->table), heads = PROTECT(Rf_allocVector(VECSXP, Rf_xlength(table)));
    for (R_xlen_t i = 0; i < Rf_xlength(table); ++i) SET_VECTOR_ELT(heads, i, VECTOR_ELT(table, i));
    Rf_defineVar(R_DimSymbol, R_EmptyEnv, env);
    bool seen = e->table != table;
    for (R_xlen_t i = 0; i < Rf_xlength(heads) && !seen; ++i) seen = VECTOR_ELT(table, i) != VECTOR_ELT(heads, i);
    R_removeVarFromFrame(R_NamesSymbol, env);
    known = seen && cell_of(first)->value != R_EmptyEnv;
    UNPROTECT(3);
  }
  UNPROTECT(1);
  readable = known && right == 1;
  return readable;
}

} // namespace mp::r
