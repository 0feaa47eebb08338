#include "session/lost.h"

#include "r/compat.h"
#include "session/handle.h"
#include "session/session.h"
#include "session/survey.h"

#include <algorithm>

namespace mp::bind {
namespace {

constexpr int kMostNodes = 1000; // of one element, or of one variable

// The environment of a reference object, or `x`.
SEXP environment_in(SEXP x) {
  static const SEXP data = Rf_install(".xData");
  SEXP env = TYPEOF(x) == S4SXP ? r::find_attribute(x, data) : nullptr;
  return env ? env : x;
}

// Is it of a package: itself or, of an R6 object, the environment of its methods? `holder`: is what holds it?
bool is_of_package(SEXP env, bool holder) {
  static const SEXP methods_name = Rf_install(".__enclos_env__");
  SEXP methods = r::frame_variable(env, methods_name);
  SEXP top = top_level_of(TYPEOF(methods) == ENVSXP ? methods : env);
  return top == R_EmptyEnv ? holder : top != R_GlobalEnv;
}

class Lost {
public:
  std::vector<Preserved> found;

  // Each with its first kMostNodes parts.
  void look_into(SEXP list, bool named) {
    SEXP names = Rf_getAttrib(list, R_NamesSymbol);
    for (R_xlen_t i = 0; i < Rf_xlength(list); ++i) {
      bool has_name = TYPEOF(names) == STRSXP && LENGTH(STRING_ELT(names, i)) > 0;
      std::string path = has_name ? CHAR(STRING_ELT(names, i)) : ".." + std::to_string(i + 1); // as R calls it
      int left = kMostNodes;
      look_at(VECTOR_ELT(list, i), named ? path : "", false, left);
    }
  }

private:
  // Functions and environments; also in lists.
  void look_at(SEXP x, const std::string& path, bool of_package, int& left) {
    if (--left < 0) return;
    x = environment_in(x);
    if (TYPEOF(x) == CLOSXP) return look_at_function(x, left);
    if (TYPEOF(x) == ENVSXP) return look_at_environment(x, path.empty() ? "" : path + "$", of_package, left);
    if (TYPEOF(x) != VECSXP || ALTREP(x)) return;
    for (R_xlen_t i = 0; i < Rf_xlength(x) && left > 0; ++i)
      look_at(VECTOR_ELT(x, i), path + part(x, i), of_package, left);
  }

  void look_at_function(SEXP fun, int& left) {
    SEXP env = r::closure_environment(fun);
    if (top_level_of(env) == R_GlobalEnv) look_at_environment(env, "", false, left);
  }

  // `before`: how the paths of its variables begin; those of the environments around it are known by their names.
  void look_at_environment(SEXP env, std::string before, bool of_package, int& left) {
    for (; !is_top_level(env) && seen_.insert(env).second; env = r::parent_environment(env), before.clear()) {
      if (pointer_of(env) != R_NilValue) return; // a handle
      of_package = is_of_package(env, of_package);
      for (SEXP symbol : variables_of(env)) {
        Binding b = r::binding_of(env, symbol);
        if (b.how == Binding::Value) look_at_variable(env, symbol, b.value, before, of_package, left);
      }
    }
  }

  void look_at_variable(SEXP env, SEXP symbol, SEXP value, const std::string& before, bool of_package, int& left) {
    if (TYPEOF(value) == CLOSXP) return look_at_function(value, left);
    nodes_ = 0;
    std::string text, path = before + CHAR(PRINTNAME(symbol));
    if (TYPEOF(value) == EXTPTRSXP) {
      if (R_ExternalPtrAddr(value) || of_package) return;
      text = "it has a pointer, which is good in the process that made it";
    } else if (find_connection(value, path)) {
      text = "a connection belongs to the process that opened it";
    } else {
      int inside = std::min(left, kMostNodes);
      return look_at(value, path, of_package, inside);
    }
    text = "`" + path + "` cannot be sent to another process: " + text + "; make it in the function, or in `initializer`";
    found.emplace_back(list_of(env, std::string(CHAR(PRINTNAME(symbol))), text));
  }

  // Adds the way to it to `path`.
  bool find_connection(SEXP x, std::string& path) {
    if (++nodes_ > kMostNodes) return false;
    if (TYPEOF(x) == INTSXP && Rf_isObject(x) && Rf_inherits(x, "connection")) {
      Protected own(call_r("is_own_connection", x));
      return !Rf_asLogical(own);
    }
    if (TYPEOF(x) != VECSXP || ALTREP(x)) return false;
    for (R_xlen_t i = 0; i < Rf_xlength(x); ++i) {
      std::string inside = part(x, i);
      if (!find_connection(VECTOR_ELT(x, i), inside)) continue;
      path += inside;
      return true;
    }
    return false;
  }

  static std::string part(SEXP list, R_xlen_t i) {
    SEXP names = Rf_getAttrib(list, R_NamesSymbol);
    bool named = TYPEOF(names) == STRSXP && LENGTH(STRING_ELT(names, i)) > 0;
    return named ? "$" + std::string(CHAR(STRING_ELT(names, i))) : "[[" + std::to_string(i + 1) + "]]";
  }

  std::unordered_set<SEXP> seen_;
  int nodes_ = 0;
};

} // namespace

SEXP lost_variables(SEXP values, Received what) {
  if (TYPEOF(values) != VECSXP || ALTREP(values)) return R_NilValue;
  Lost lost;
  if (what != Received::Calls) lost.look_into(values, what == Received::Arguments);
  else
    for (R_xlen_t i = 0; i < Rf_xlength(values); ++i)
      if (TYPEOF(VECTOR_ELT(values, i)) == VECSXP) lost.look_into(VECTOR_ELT(values, i), true);
  if (lost.found.empty()) return R_NilValue;
  SEXP list = codec::protect([&] { return Rf_allocVector(VECSXP, R_xlen_t(lost.found.size())); });
  for (size_t i = 0; i < lost.found.size(); ++i) SET_VECTOR_ELT(list, R_xlen_t(i), lost.found[i]);
  return list;
}

void refuse_lost(SEXP values, Received what) {
  Protected lost(lost_variables(values, what));
  if (Rf_xlength(lost) > 0) call_r("refuse_lost", SEXP(lost));
}

} // namespace mp::bind
