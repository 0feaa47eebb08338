#include "session/journal.h"

#include <algorithm>

namespace mp::bind {
namespace {

bool is_hidden(SEXP symbol) {
  static const SEXP hidden[] = {Rf_install(".Random.seed"), Rf_install(".Last.value"),
                                Rf_install(".requireCachedGenerics"), Rf_install(".Traceback")};
  return std::find(std::begin(hidden), std::end(hidden), symbol) != std::end(hidden);
}

// A table of S4 methods lies in the frame of its generic, with all methods that packages have: however large, it is sent.
bool is_method_table(SEXP symbol) { return !std::strncmp(CHAR(PRINTNAME(symbol)), ".__T__", 6); }

// The bytes of a plain vector of up to two words, which stay where they are; else 0.
uint8_t short_bytes(SEXP x) {
  if (ALTREP(x) || Rf_isObject(x)) return 0;
  R_xlen_t n = TYPEOF(x) == REALSXP || TYPEOF(x) == LGLSXP || TYPEOF(x) == INTSXP || TYPEOF(x) == STRSXP ? Rf_xlength(x) : 0;
  if (n == 2 && TYPEOF(x) == REALSXP) return 16;
  return n != 1 ? 0 : TYPEOF(x) == REALSXP || TYPEOF(x) == STRSXP ? 8 : 4;
}

const void* short_data(SEXP x) {
  return TYPEOF(x) == STRSXP ? static_cast<const void*>(STRING_PTR_RO(x)) : codec::data_of(x);
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
  uint64_t before = version();
  look_at_variables();
  if (version() != before) renew_sharers(before);
  options_.look(version_);
  environment_.look(version_);
  facts_.look(version_, frames_);
  return version();
}

// Most variables are the same at a glance. For the others R is asked; for all, if its table cannot be read.
std::vector<size_t> Journal::doubtful_glances() const {
  std::vector<size_t> doubtful;
  constexpr size_t kAhead = 16; // else most of the time is spent waiting for memory
  for (size_t i = 0; i < glances_.size(); ++i) {
    if (i + kAhead < glances_.size()) {
      const Glance& next = glances_[i + kAhead];
      __builtin_prefetch(next.cell);
      if (next.what == Glance::Itself) __builtin_prefetch(next.data);
    }
    if (!glances_[i].same_in_cell()) doubtful.push_back(i);
  }
  return doubtful;
}

bool Journal::any_added() const {
  return bindings_.readable() ? bindings_.any_new() : Rf_xlength(R_GlobalEnv) != present_;
}

void Journal::look_at_variables() {
  std::vector<size_t> doubtful = doubtful_glances(), stale;
  bool gone = false;
  codec::protect([&] { // an ordinary variable that has become an active one is called
    constexpr size_t kAhead = 16;
    for (size_t i = 0; i < doubtful.size(); ++i) {
      if (i + kAhead < doubtful.size()) {
        const Glance& next = glances_[doubtful[i + kAhead]];
        __builtin_prefetch(next.symbol);
        __builtin_prefetch(next.hash);
        __builtin_prefetch(next.value);
      }
      const Glance& g = glances_[doubtful[i]];
      if (!r::still_bound(R_GlobalEnv, g.symbol, {Binding::How(g.how), g.value}) ||
          (g.what == Glance::Itself && !g.same_bytes()) || (g.what == Glance::More && !same(variables_[g.index])))
        stale.push_back(doubtful[i]);
    }
    return R_NilValue;
  });
  for (size_t i : hidden_) gone = gone || !R_existsVarInFrame(R_GlobalEnv, variables_[i].symbol);
  for (size_t i : stale) {
    Variable& v = variables_[glances_[i].index];
    renew(v);
    gone = gone || v.travels == Travels::Gone;
    if (!gone) glances_[i] = glance_at(glances_[i].index, glances_[i].cell);
  }
  if (!gone && !any_added()) return;
  for (Variable& v : variables_)
    if (v.travels == Travels::Hidden && !R_existsVarInFrame(R_GlobalEnv, v.symbol)) set_gone(v);
  for (SEXP symbol : variables_of(R_GlobalEnv)) {
    auto [it, fresh] = index_.try_emplace(symbol, variables_.size());
    if (fresh) {
      variables_.emplace_back();
      variables_.back().symbol = symbol;
      versions_.push_back(0);
    }
    if (variables_[it->second].travels == Travels::Gone) renew(variables_[it->second]);
  }
  make_glances();
}

// Variables that share an environment are sent together: in a worker they share it, too. `before`: the version of the last look.
void Journal::renew_sharers(uint64_t before) {
  std::unordered_set<const Frame*> sent;
  auto is_new = [&](const Variable& v) { return version_of(v) > before; };
  auto add = [&](const Variable& v) {
    for (auto& f : v.insides.frames()) sent.insert(f.get());
  };
  for (const Variable& v : variables_)
    if (v.travels == Travels::Sent && is_new(v) && v.insides.any_shared()) add(v);
  for (bool more = !sent.empty(); more;) {
    more = false;
    for (Variable& v : variables_) {
      const auto& frames = v.insides.frames();
      if (v.travels != Travels::Sent || is_new(v) ||
          std::none_of(frames.begin(), frames.end(), [&](auto& f) { return sent.count(f.get()) > 0; }))
        continue;
      version_of(v) = version_.next();
      add(v);
      more = true;
    }
  }
}

bool Journal::same(const Variable& v) const {
  if (v.travels == Travels::Large && v.sampled != sampled_digest(v.binding.value)) return false;
  return v.insides.same();
}

Journal::Glance Journal::glance_at(size_t variable, const r::Cell* cell) const {
  const Variable& v = variables_[variable];
  Glance g{v.symbol, v.binding.value, cell, PRINTNAME(v.symbol), nullptr, {}, uint32_t(variable),
           uint8_t(v.binding.how), 0, Glance::More};
  if (v.travels == Travels::Large || v.travels == Travels::Delayed) return g; // a promise may have been forced
  if (v.insides.none()) {
    g.what = Glance::Identity;
  } else if (v.insides.only(g.value) && (g.bytes = short_bytes(g.value)) > 0) {
    g.what = Glance::Itself;
    g.data = short_data(g.value);
    std::memcpy(g.before, g.data, g.bytes);
  }
  return g;
}

void Journal::make_glances() {
  Bindings now(R_GlobalEnv, Bindings::Cells); // first, as this may fail
  bindings_ = std::move(now);
  glances_.clear();
  hidden_.clear();
  auto add = [&](size_t i, const r::Cell* cell) {
    Travels travels = variables_[i].travels;
    if (travels == Travels::Hidden) hidden_.push_back(i);
    else if (travels != Travels::Gone) glances_.push_back(glance_at(i, cell));
  };
  for (const r::Cell* cell : bindings_.cells())
    if (auto it = index_.find(cell->symbol); it != index_.end()) add(it->second, cell);
  size_t known = glances_.size() + hidden_.size();
  if (known == bindings_.cells().size() && known == size_t(present_)) return;
  // The table cannot be read, or a finalizer has added or removed a variable since the names were read. The next look asks R
  // for each variable, and finds that.
  bindings_ = Bindings();
  glances_.clear();
  hidden_.clear();
  for (size_t i = 0; i < variables_.size(); ++i) add(i, nullptr);
}

void Journal::set_gone(Variable& v) {
  if (v.travels == Travels::Gone) return;
  --present_;
  if (v.travels != Travels::Sent && v.travels != Travels::Hidden) --withheld_;
  if (v.travels != Travels::Hidden) version_of(v) = version_.next();
  SEXP symbol = v.symbol;
  v = Variable();
  v.symbol = symbol;
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
  version_of(v) = version_.next();
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
