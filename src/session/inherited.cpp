#include "session/inherited.h"

#include "session/handle.h"
#include "session/journal.h"

#include <utility>

namespace mp::bind {
namespace {

constexpr int kMostParts = 1000; // of one variable
constexpr size_t kMostPointers = 10'000, kMostEnvironments = 50'000;

// What a fork begins with. Written before a fork and after it; a fork keeps it.
Preserved& inherited = *new Preserved;

// Environments may hold one another in a long chain: they wait in a list, where recursion would need the stack.
class Collector {
public:
  std::vector<SEXP> found;

  void look_into(SEXP env) {
    add(env);
    while (!pending_.empty()) {
      env = pending_.back();
      pending_.pop_back();
      add(r::parent_environment(env));
      for (SEXP symbol : variables_of(env)) look_at_variable(r::binding_of(env, symbol));
    }
  }

  void look_at_variable(const Binding& b) {
    int left = kMostParts;
    if (b.how == Binding::Value) look_at(b.value, left);
  }

private:
  // Handles, pools, results and futures, and what is reached through them alone, are this package's.
  void add(SEXP env) {
    if (is_top_level(env) || seen_.size() >= kMostEnvironments || !seen_.insert(env).second) return;
    if (pointer_of(env) == R_NilValue && !is_ours(env) && top_level_of(env) != package_namespace()) pending_.push_back(env);
  }

  void look_at(SEXP x, int& left) {
    if (--left < 0 || found.size() == kMostPointers) return;
    switch (TYPEOF(x)) {
    case EXTPTRSXP:
      if (is_foreign(x) && seen_.insert(x).second) found.push_back(x);
      return;
    case CLOSXP:
      return add(r::closure_environment(x));
    case ENVSXP:
      return add(x);
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
  std::vector<SEXP> pending_;
};

} // namespace

void InheritedPointers::collect() {
  if (collected_) return;
  Collector collector;
  for (const Variable& v : journal().variables())
    if (v.travels == Travels::Pointer) collector.look_at_variable(v.binding);
  Protected frames(call_r("frames_of_session"));
  collector.look_into(R_GlobalEnv); // what its variables hold
  for (R_xlen_t i = 0; i < Rf_xlength(frames); ++i) collector.look_into(VECTOR_ELT(frames, i));
  R_xlen_t n = R_xlen_t(collector.found.size());
  list_ = Preserved(codec::protect([&] { return Rf_allocVector(VECSXP, n); }));
  for (R_xlen_t i = 0; i < n; ++i) {
    SEXP x = collector.found[size_t(i)];
    SET_VECTOR_ELT(list_, i, x);
    kept_[x] = R_ExternalPtrAddr(x);
  }
  collected_ = true;
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
