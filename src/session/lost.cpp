#include "session/lost.h"

#include "r/compat.h"
#include "session/session.h"
#include "session/survey.h"

namespace mp::bind {
namespace {

constexpr int kMostNodes = 1000; // of one variable

class Lost {
public:
  std::vector<Preserved> found;

  // Functions in lists, too. Of each element of `x` only the first kMostNodes parts.
  void look_into(SEXP x) {
    if (TYPEOF(x) == CLOSXP) return look_at(x);
    if (TYPEOF(x) != VECSXP || ALTREP(x)) return;
    for (R_xlen_t i = 0; i < Rf_xlength(x); ++i) {
      int left = kMostNodes;
      look_for_functions(VECTOR_ELT(x, i), left);
    }
  }

private:
  void look_for_functions(SEXP x, int& left) {
    if (--left < 0) return;
    if (TYPEOF(x) == CLOSXP) return look_at(x);
    if (TYPEOF(x) != VECSXP || ALTREP(x)) return;
    for (R_xlen_t i = 0; i < Rf_xlength(x) && left > 0; ++i) look_for_functions(VECTOR_ELT(x, i), left);
  }

  void look_at(SEXP fun) {
    SEXP env = r::closure_environment(fun);
    if (top_level_of(env) != R_GlobalEnv) return;
    for (; !is_top_level(env) && seen_.insert(env).second; env = r::parent_environment(env))
      for (SEXP symbol : variables_of(env)) {
        Binding b = r::binding_of(env, symbol);
        if (b.how == Binding::Value) look_at_variable(env, symbol, b.value);
      }
  }

  void look_at_variable(SEXP env, SEXP symbol, SEXP value) {
    if (TYPEOF(value) == CLOSXP) return look_at(value);
    nodes_ = 0;
    std::string text, path = CHAR(PRINTNAME(symbol));
    if (TYPEOF(value) == EXTPTRSXP) {
      if (R_ExternalPtrAddr(value)) return;
      text = "it has a pointer, which is good in the process that made it";
    } else if (find_connection(value, path)) {
      text = "a connection belongs to the process that opened it";
    } else {
      int left = kMostNodes;
      return look_for_functions(value, left);
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
    SEXP names = Rf_getAttrib(x, R_NamesSymbol);
    for (R_xlen_t i = 0; i < Rf_xlength(x); ++i) {
      std::string inside;
      if (!find_connection(VECTOR_ELT(x, i), inside)) continue;
      bool named = TYPEOF(names) == STRSXP && LENGTH(STRING_ELT(names, i)) > 0;
      path += (named ? "$" + std::string(CHAR(STRING_ELT(names, i))) : "[[" + std::to_string(i + 1) + "]]") + inside;
      return true;
    }
    return false;
  }

  std::unordered_set<SEXP> seen_;
  int nodes_ = 0;
};

} // namespace

SEXP lost_variables(SEXP x) {
  if (TYPEOF(x) != CLOSXP && TYPEOF(x) != VECSXP) return R_NilValue;
  Lost lost;
  lost.look_into(x);
  if (lost.found.empty()) return R_NilValue;
  SEXP list = codec::protect([&] { return Rf_allocVector(VECSXP, R_xlen_t(lost.found.size())); });
  for (size_t i = 0; i < lost.found.size(); ++i) SET_VECTOR_ELT(list, R_xlen_t(i), lost.found[i]);
  return list;
}

} // namespace mp::bind
