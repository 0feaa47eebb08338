#include "session/inherited.h"

#include "session/handle.h"
#include "session/journal.h"

#include <utility>

namespace mp::bind {
namespace {

constexpr int kMostParts = 1000; // of one variable
constexpr size_t kMostPointers = 10'000;

// What a fork begins with. Written before a fork and after it; a fork keeps it.
Preserved& inherited = *new Preserved;

class Collector {
public:
  std::vector<SEXP> found;

  void look_into(SEXP env) {
    for (; !is_top_level(env) && seen_.insert(env).second; env = r::parent_environment(env)) {
      if (pointer_of(env) != R_NilValue || is_ours(env)) return;
      for (SEXP symbol : variables_of(env)) look_at_variable(r::binding_of(env, symbol));
    }
  }

  void look_at_variable(const Binding& b) {
    int left = kMostParts;
    if (b.how == Binding::Value) look_at(b.value, left);
  }

private:
  void look_at(SEXP x, int& left) {
    if (--left < 0 || found.size() == kMostPointers) return;
    switch (TYPEOF(x)) {
    case EXTPTRSXP:
      if (is_foreign(x) && seen_.insert(x).second) found.push_back(x);
      return;
    case CLOSXP:
      return look_into(r::closure_environment(x));
    case ENVSXP:
      return look_into(x);
    case VECSXP:
      if (ALTREP(x)) return;
      for (R_xlen_t i = 0; i < Rf_xlength(x) && left > 0; ++i) look_at(VECTOR_ELT(x, i), left);
      return;
    case S4SXP:
      return each_attribute(x, [&](SEXP, SEXP value) { look_at(value, left); });
    default:
      return;
    }
  }

  // Live, and none of this package's, nor what tells connections apart
  static bool is_foreign(SEXP x) {
    static const SEXP connection = Rf_install("connection");
    SEXP tag = R_ExternalPtrTag(x);
    return R_ExternalPtrAddr(x) && pointer_of(x) == R_NilValue && tag != named_memory_tag() && tag != connection;
  }

  std::unordered_set<SEXP> seen_;
};

} // namespace

void InheritedPointers::collect() {
  if (std::exchange(collected_, true)) return;
  Collector collector;
  for (const Variable& v : journal().variables())
    if (v.travels == Travels::Pointer) collector.look_at_variable(v.binding);
  Protected frames(call_r("frames_of_session"));
  for (R_xlen_t i = 0; i < Rf_xlength(frames); ++i)
    if (SEXP env = VECTOR_ELT(frames, i); top_level_of(env) != package_namespace()) collector.look_into(env);
  R_xlen_t n = R_xlen_t(collector.found.size());
  list_ = Preserved(codec::protect([&] { return Rf_allocVector(VECSXP, n); }));
  for (R_xlen_t i = 0; i < n; ++i) {
    SEXP x = collector.found[size_t(i)];
    SET_VECTOR_ELT(list_, i, x);
    kept_[x] = R_ExternalPtrAddr(x);
  }
}

void InheritedPointers::clear() {
  kept_.clear();
  list_ = Preserved();
}

InheritedPointers::Fork::Fork(const InheritedPointers& pointers) : before_(Preserved(SEXP(pointers.list_))) {
  std::swap(inherited, before_);
}
InheritedPointers::Fork::~Fork() { std::swap(inherited, before_); } // not in the fork, which never returns

SEXP own_pointer(uint64_t address) {
  SEXP list = inherited;
  for (R_xlen_t i = 0; i < Rf_xlength(list); ++i)
    if (uint64_t(uintptr_t(VECTOR_ELT(list, i))) == address) return VECTOR_ELT(list, i);
  return R_NilValue;
}

} // namespace mp::bind
