#include "session/insides.h"

namespace mp::bind {

Frame::Frame(SEXP e) : env(e), symbols(variables_of(e)), parent(r::parent_environment(e)), locked(R_EnvironmentIsLocked(e)) {
  std::vector<SEXP> held;
  if (r::has_attributes(e))
    each_attribute(e, [&](SEXP name, SEXP value) {
      attributes.push_back(name);
      held.push_back(value);
    });
  R_xlen_t n = R_xlen_t(symbols.size());
  values = Preserved(codec::protect([&] { return Rf_allocVector(VECSXP, n + R_xlen_t(held.size()) + 1); }));
  for (SEXP symbol : symbols) {
    Binding b = r::binding_of(e, symbol);
    SET_VECTOR_ELT(values, R_xlen_t(how.size()), b.value);
    how.push_back(b.how);
  }
  for (size_t i = 0; i < held.size(); ++i) SET_VECTOR_ELT(values, n + R_xlen_t(i), held[i]);
  SET_VECTOR_ELT(values, n + R_xlen_t(held.size()), parent);
}

bool Frame::same() const {
  if (Rf_xlength(env) != R_xlen_t(symbols.size()) || r::parent_environment(env) != parent || locked != bool(R_EnvironmentIsLocked(env))) return false;
  bool same = true;
  codec::protect([&] { // a variable that has become an active one is called
    for (size_t i = 0; i < symbols.size() && same; ++i)
      same = r::still_bound(env, symbols[i], {how[i], VECTOR_ELT(values, R_xlen_t(i))});
    return R_NilValue;
  });
  if (!same) return false;
  size_t found = 0;
  if (r::has_attributes(env))
    r::visit_attributes(env, [&](SEXP name, SEXP value) {
      same = found < attributes.size() && attributes[found] == name &&
             VECTOR_ELT(values, R_xlen_t(symbols.size() + found)) == value;
      ++found;
      return same;
    });
  return same && found == attributes.size();
}

void Frames::look() {
  for (auto it = known_.begin(); it != known_.end();) {
    if (std::shared_ptr<Frame> f = it->second.lock()) {
      f->changed = !f->same();
      ++it;
    } else {
      it = known_.erase(it);
    }
  }
}

std::shared_ptr<Frame> Frames::of(SEXP env) {
  std::weak_ptr<Frame>& known = known_[env];
  std::shared_ptr<Frame> f = known.lock();
  if (!f || f->changed) known = f = std::make_shared<Frame>(env);
  return f;
}

Insides::Insides(const Survey& s, Frames& frames) {
  for (SEXP env : s.frames) frames_.push_back(frames.of(env));
  if (s.large || s.vectors.empty()) return;
  count_ = R_xlen_t(s.vectors.size());
  vectors_ = Preserved(codec::protect([&] { return Rf_allocVector(VECSXP, count_); }));
  for (R_xlen_t i = 0; i < count_; ++i) SET_VECTOR_ELT(vectors_, i, s.vectors[size_t(i)]);
  digest_ = digest_of(vectors_);
}

bool Insides::same() const {
  for (auto& f : frames_)
    if (f->changed) return false;
  return count_ == 0 || digest_ == digest_of(vectors_);
}

} // namespace mp::bind
