#include "session/journal.h"

#include <algorithm>
#include <cstring>

namespace mp::bind {
namespace {

bool is_hidden(SEXP symbol) {
  static const SEXP hidden[] = {Rf_install(".Random.seed"), Rf_install(".Last.value"),
                                Rf_install(".requireCachedGenerics"), Rf_install(".Traceback")};
  return std::find(std::begin(hidden), std::end(hidden), symbol) != std::end(hidden);
}

// A table of S4 methods lies in the frame of its generic, with all methods that packages have: however large, it is sent.
bool is_method_table(SEXP symbol) { return !std::strncmp(CHAR(PRINTNAME(symbol)), ".__T__", 6); }

// Plain vectors of up to two words: their bytes are their digest.
bool is_short(SEXP x) {
  switch (TYPEOF(x)) {
  case REALSXP:
    return !ALTREP(x) && !Rf_isObject(x) && Rf_xlength(x) >= 1 && Rf_xlength(x) <= 2;
  case LGLSXP:
  case INTSXP:
    return !ALTREP(x) && !Rf_isObject(x) && Rf_xlength(x) == 1;
  case STRSXP:
    return !ALTREP(x) && !Rf_isObject(x) && Rf_xlength(x) == 1;
  default:
    return false;
  }
}

uint64_t short_digest(SEXP x) {
  if (TYPEOF(x) == STRSXP) return uint64_t(uintptr_t(STRING_ELT(x, 0)));
  uint64_t words[2] = {0, 0};
  if (TYPEOF(x) == REALSXP) std::memcpy(words, REAL(x), size_t(LENGTH(x)) * 8);
  else std::memcpy(words, TYPEOF(x) == INTSXP ? INTEGER(x) : LOGICAL(x), 4);
  return words[0] ^ (words[1] * 0x9E3779B97F4A7C15u);
}

} // namespace

Journal& journal() {
  static Journal& one = *new Journal;
  return one;
}

const Variable* Journal::find(SEXP symbol) const {
  auto it = index_.find(symbol);
  return it == index_.end() || variables_[it->second].travels == Travels::Gone
             ? nullptr
             : &variables_[it->second];
}

uint64_t Journal::look() {
  if (looking_) return version();
  struct Looking {
    bool& flag;
    explicit Looking(bool& f) : flag(f) { flag = true; }
    ~Looking() { flag = false; }
  } looking(looking_);
  version_.begin_look();
  frames_.look();
  look_at_variables();
  options_.look(version_);
  environment_.look(version_);
  facts_.look(version_, frames_);
  return version();
}

void Journal::look_at_variables() {
  std::vector<size_t> stale;
  bool gone = false;
  codec::protect([&] { // an ordinary variable that has become an active one is called
    constexpr size_t kAhead = 12;
    for (size_t i = 0; i < glances_.size(); ++i) {
      if (i + kAhead < glances_.size()) {
        __builtin_prefetch(glances_[i + kAhead].symbol);
        __builtin_prefetch(glances_[i + kAhead].value);
      }
      const Glance& g = glances_[i];
      if (!r::still_bound(R_GlobalEnv, g.symbol, {Binding::How(g.how), g.value}) ||
          (g.what == Glance::Itself && short_digest(g.value) != g.digest) ||
          (g.what == Glance::More && !same(variables_[g.index])))
        stale.push_back(g.index);
    }
    return R_NilValue;
  });
  for (size_t i : hidden_) gone = gone || !R_existsVarInFrame(R_GlobalEnv, variables_[i].symbol);
  for (size_t i : stale) {
    renew(variables_[i]);
    gone = gone || variables_[i].travels == Travels::Gone;
  }
  if (!gone && Rf_xlength(R_GlobalEnv) == present_) {
    if (!stale.empty()) make_glances();
    return;
  }
  for (Variable& v : variables_)
    if (v.travels == Travels::Hidden && !R_existsVarInFrame(R_GlobalEnv, v.symbol)) set_gone(v);
  for (SEXP symbol : variables_of(R_GlobalEnv)) {
    auto [it, fresh] = index_.try_emplace(symbol, variables_.size());
    if (fresh) {
      variables_.emplace_back();
      variables_.back().symbol = symbol;
    }
    if (variables_[it->second].travels == Travels::Gone) renew(variables_[it->second]);
  }
  make_glances();
}

bool Journal::same(const Variable& v) const {
  if (v.travels == Travels::Large && v.sampled != sampled_digest(v.binding.value)) return false;
  return v.insides.same();
}

void Journal::make_glances() {
  glances_.clear();
  hidden_.clear();
  for (size_t i = 0; i < variables_.size(); ++i) {
    const Variable& v = variables_[i];
    if (v.travels == Travels::Hidden) hidden_.push_back(i);
    if (v.travels == Travels::Gone || v.travels == Travels::Hidden) continue;
    Glance g{v.symbol, v.binding.value, 0, uint32_t(i), uint8_t(v.binding.how), Glance::More};
    if (v.travels != Travels::Large) {
      if (v.insides.none()) g.what = Glance::Identity;
      else if (v.insides.only(g.value) && is_short(g.value)) {
        g.what = Glance::Itself;
        g.digest = short_digest(g.value);
      }
    }
    glances_.push_back(g);
  }
}

void Journal::set_gone(Variable& v) {
  if (v.travels == Travels::Gone) return;
  --present_;
  if (v.travels != Travels::Sent && v.travels != Travels::Hidden) --withheld_;
  uint64_t version = v.travels == Travels::Hidden ? v.version : version_.next();
  SEXP symbol = v.symbol;
  v = Variable();
  v.symbol = symbol;
  v.version = version;
}

void Journal::renew(Variable& v) {
  Binding b = r::binding_of(R_GlobalEnv, v.symbol);
  if (b.how == Binding::None) return set_gone(v);
  bool was_gone = v.travels == Travels::Gone;
  bool was_withheld = !was_gone && v.travels != Travels::Sent && v.travels != Travels::Hidden;
  present_ += was_gone;
  withheld_ -= was_withheld;
  v.binding = b;
  v.insides = Insides();
  v.classes.clear();
  v.code = false;
  v.sampled = 0;
  if (is_hidden(v.symbol)) {
    v.kept = Preserved();
    v.travels = Travels::Hidden;
    return;
  }
  v.version = version_.next();
  if (b.how == Binding::Delayed) {
    v.kept = Preserved(b.value);
    v.travels = Travels::Delayed;
    ++withheld_;
    return;
  }
  Preserved value(b.value); // while it is looked at
  Survey s;
  s.look_at(b.value);
  bool large = s.large && !is_method_table(v.symbol);
  v.code = s.code;
  v.travels = large ? Travels::Large : s.pointer ? Travels::Pointer : Travels::Sent;
  if (v.travels != Travels::Sent) ++withheld_;
  v.classes.assign(s.classes.begin(), s.classes.end());
  v.insides = Insides(s, frames_);
  v.kept = large ? Preserved() : std::move(value);
  if (large) v.sampled = sampled_digest(b.value);
}

SEXP Journal::mark_large() {
  std::vector<SEXP> large;
  for (Variable& v : variables_)
    if (v.travels == Travels::Large) {
      MARK_NOT_MUTABLE(v.binding.value);
      large.push_back(v.binding.value);
    }
  SEXP list = codec::protect([&] { return Rf_allocVector(VECSXP, R_xlen_t(large.size())); });
  for (size_t i = 0; i < large.size(); ++i) SET_VECTOR_ELT(list, R_xlen_t(i), large[i]);
  return list;
}

} // namespace mp::bind
