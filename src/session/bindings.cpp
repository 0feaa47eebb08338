#include "session/bindings.h"

#include <cstring>

namespace mp::bind {

Bindings::Bindings(SEXP env, Keep keep) {
  bool readable = false;
  R_xlen_t n = Rf_xlength(env), part = 0;
  kept_ = Preserved(protect([&] {
    readable = r::tables_are_readable();
    return Rf_allocVector(VECSXP, 2 + (keep == Values ? 2 * n : n));
  }));
  // No allocation from here on: a finalizer could change the table.
  SEXP table = readable ? r::table_of(env) : R_NilValue;
  if (TYPEOF(table) != VECSXP || Rf_xlength(env) != n) return;
  auto keep_alive = [&](SEXP x) { SET_VECTOR_ELT(kept_, part++, x); };
  keep_alive(env_ = env);
  keep_alive(table_ = table);
  heads_.assign(r::chains_of(table), r::chains_of(table) + Rf_xlength(table));
  for (SEXP head : heads_)
    for (SEXP cell = head; cell != R_NilValue; cell = CDR(cell)) {
      if (R_xlen_t(cells_.size()) == n) { // more than R counts: no table of this kind
        cells_.clear();
        return;
      }
      keep_alive(cell);
      cells_.push_back(r::cell_of(cell));
      values_.push_back(keep == Values && cells_.back()->is_boxed() ? cells_.back()->value : nullptr);
      if (values_.back()) keep_alive(values_.back());
    }
}

bool Bindings::any_new() const {
  SEXP table = r::table_of(env_);
  return table != table_ || std::memcmp(r::chains_of(table), heads_.data(), heads_.size() * sizeof(SEXP));
}

bool Bindings::same() const {
  if (any_new()) return false;
  for (size_t i = 0; i < cells_.size(); ++i)
    if (cells_[i]->value != values_[i]) return false;
  return true;
}

} // namespace mp::bind
