#include "session/journal.h"

#include <algorithm>
#include <clocale>
#include <cstring>
#include <unistd.h>

extern char** environ;

namespace mp::bind {
namespace {

enum FactIndex { kSearch, kFolder, kLocale, kLibraries, kRandom, kMethods, kNamespaces };
constexpr const char* kFactNames[] = {"search_of_session", "folder_of_session", "locale_of_session",
                                      "libraries_of_session", "random_kind_of_session",
                                      "methods_of_session", "namespaces_of_session"};

bool is_hidden(SEXP symbol) {
  static const SEXP hidden[] = {Rf_install(".Random.seed"), Rf_install(".Last.value"),
                                Rf_install(".requireCachedGenerics"), Rf_install(".Traceback")};
  return std::find(std::begin(hidden), std::end(hidden), symbol) != std::end(hidden);
}

// What each process has of its own, or what a worker without a screen cannot use.
bool is_own_option(const std::string& name) {
  static const char* const own[] = {"askYesNo", "browser", "browserNLdisabled", "continue", "device", "echo",
                                    "editor", "error", "interrupt", "menu.graphics", "pager", "papersize",
                                    "prompt", "showErrorCalls", "traceback.max.lines", "warning.expression"};
  return std::any_of(std::begin(own), std::end(own), [&](const char* o) { return name == o; });
}

bool is_own_environment(const std::string& name) {
  static const char* const own[] = {"MULTIPROCESSING_SPAWN", "R_SESSION_TMPDIR", "R_TESTS", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_"};
  return name.rfind("MULTIPROCESSING_", 0) == 0 ||
         std::any_of(std::begin(own), std::end(own), [&](const char* o) { return name == o; });
}

SEXP all_options() {
  static const SEXP name = Rf_install(".Options");
  return r::frame_variable(R_BaseEnv, name);
}

bool is_small(SEXP x, bool* pointer) {
  Survey s;
  s.look_at(x);
  *pointer = s.pointer;
  return !s.large;
}

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

Frame::Frame(SEXP e) : env(e), symbols(variables_of(e)) {
  values = Kept(codec::protect([&] { return Rf_allocVector(VECSXP, R_xlen_t(symbols.size())); }));
  for (size_t i = 0; i < symbols.size(); ++i) {
    Binding b = r::binding_of(e, symbols[i]);
    how.push_back(b.how);
    SET_VECTOR_ELT(values, R_xlen_t(i), b.value);
  }
}

bool Frame::same() const {
  if (Rf_xlength(env) != R_xlen_t(symbols.size())) return false;
  for (size_t i = 0; i < symbols.size(); ++i)
    if (!r::still_bound(env, symbols[i], {how[i], VECTOR_ELT(values, R_xlen_t(i))})) return false;
  return true;
}

Journal& journal() {
  static Journal& one = *new Journal;
  return one;
}

uint64_t Journal::next() {
  if (!bumped_) ++version_;
  bumped_ = true;
  return version_;
}

const Variable* Journal::find(SEXP symbol) const {
  auto it = index_.find(symbol);
  return it == index_.end() || variables_[it->second].travels == Travels::Gone
             ? nullptr
             : &variables_[it->second];
}

uint64_t Journal::look() {
  if (looking_) return version_;
  struct Looking {
    bool& flag;
    explicit Looking(bool& f) : flag(f) { flag = true; }
    ~Looking() { flag = false; }
  } looking(looking_);
  bumped_ = false;
  look_at_frames();
  look_at_variables();
  look_at_options();
  look_at_environment();
  look_at_facts();
  return version_;
}

void Journal::look_at_frames() {
  for (auto it = frames_.begin(); it != frames_.end();) {
    std::shared_ptr<Frame> f = it->second.lock();
    if (!f) {
      it = frames_.erase(it);
      continue;
    }
    f->changed = !f->same();
    ++it;
  }
}

void Journal::look_at_variables() {
  std::vector<size_t> stale;
  bool gone = false;
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
  if (v.travels == Travels::Large && v.digest != sampled_digest(v.binding.value)) return false;
  for (auto& f : v.frames)
    if (f->changed) return false;
  return v.vectors.empty() || v.digest == digest_of(v.vectors);
}

void Journal::make_glances() {
  glances_.clear();
  hidden_.clear();
  for (size_t i = 0; i < variables_.size(); ++i) {
    const Variable& v = variables_[i];
    if (v.travels == Travels::Hidden) hidden_.push_back(i);
    if (v.travels == Travels::Gone || v.travels == Travels::Hidden) continue;
    Glance g{v.symbol, v.binding.value, 0, uint32_t(i), uint8_t(v.binding.how), Glance::More};
    if (v.frames.empty() && v.travels != Travels::Large) {
      if (v.vectors.empty()) g.what = Glance::Identity;
      else if (v.vectors.size() == 1 && v.vectors[0] == v.binding.value && is_short(g.value)) {
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
  uint64_t version = v.travels == Travels::Hidden ? v.version : next();
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
  v.vectors.clear();
  v.frames.clear();
  v.classes.clear();
  v.code = false;
  v.digest = 0;
  if (is_hidden(v.symbol)) {
    v.kept = Kept();
    v.travels = Travels::Hidden;
    return;
  }
  v.version = next();
  if (b.how == Binding::Delayed) {
    v.kept = Kept(b.value);
    v.travels = Travels::Delayed;
    ++withheld_;
    return;
  }
  Kept value(b.value); // while it is looked at
  Survey s;
  s.look_at(b.value);
  v.code = s.code;
  v.travels = s.large ? Travels::Large : s.pointer ? Travels::Pointer : Travels::Sent;
  if (v.travels != Travels::Sent) ++withheld_;
  v.classes.assign(s.classes.begin(), s.classes.end());
  for (SEXP env : s.frames) {
    std::weak_ptr<Frame>& known = frames_[env];
    std::shared_ptr<Frame> f = known.lock();
    if (!f || f->changed) known = f = std::make_shared<Frame>(env);
    v.frames.push_back(std::move(f));
  }
  if (s.large) {
    v.kept = Kept();
    v.digest = sampled_digest(b.value);
  } else {
    v.kept = std::move(value);
    v.vectors = std::move(s.vectors);
    v.digest = digest_of(v.vectors);
  }
}

void Journal::mark_large() {
  for (Variable& v : variables_)
    if (v.travels == Travels::Large) MARK_NOT_MUTABLE(v.binding.value);
}

bool Journal::quiet() const {
  return !facts_.empty() && same_options() && same_search() && same_locale();
}

bool Journal::same_options() const {
  size_t n = 0;
  for (SEXP o = all_options(); o != R_NilValue; o = CDR(o), ++n)
    if (n >= option_cells_.size() || option_cells_[n].first != TAG(o) ||
        SEXP(option_cells_[n].second) != CAR(o))
      return false;
  return n == option_cells_.size();
}

bool Journal::same_search() const {
  size_t n = 0;
  for (SEXP e = r::parent_environment(R_GlobalEnv); e != R_BaseEnv; e = r::parent_environment(e), ++n)
    if (n >= search_.size() || SEXP(search_[n]) != e) return false;
  return n == search_.size();
}

bool Journal::same_locale() const {
  const char* locale = std::setlocale(LC_ALL, nullptr);
  return locale && locale_ == locale;
}

void Journal::look_at_options() {
  if (same_options()) return;
  SEXP all = all_options();
  option_cells_.clear();
  for (auto& o : options_) o.second.seen = false;
  for (SEXP o = all; o != R_NilValue; o = CDR(o)) {
    option_cells_.emplace_back(TAG(o), Kept(CAR(o)));
    std::string name = CHAR(PRINTNAME(TAG(o)));
    if (is_own_option(name)) continue;
    Setting& s = options_[name];
    s.seen = true;
    if (s.version && SEXP(s.value) == CAR(o)) continue;
    bool pointer = false;
    if (!is_small(CAR(o), &pointer) || pointer) continue;
    s.value = Kept(CAR(o));
    s.version = next();
  }
  for (auto& o : options_)
    if (!o.second.seen && SEXP(o.second.value) != R_NilValue) {
      o.second.value = Kept();
      o.second.version = next();
    }
}

void Journal::look_at_environment() {
  size_t n = 0;
  for (char** e = environ; e && *e; ++e, ++n)
    if (n >= environment_cells_.size() || environment_cells_[n] != *e) break;
  if (n == environment_cells_.size() && (!environ || !environ[n])) return;
  environment_cells_.clear();
  for (auto& s : environment_) s.second.seen = false;
  for (char** e = environ; e && *e; ++e) {
    environment_cells_.push_back(*e);
    const char* equals = std::strchr(*e, '=');
    if (!equals) continue;
    std::string name(*e, size_t(equals - *e));
    if (name.empty() || is_own_environment(name)) continue;
    Setting& s = environment_[name];
    s.seen = true;
    SEXP before = s.value;
    if (s.version && before != R_NilValue && !std::strcmp(CHAR(STRING_ELT(before, 0)), equals + 1))
      continue;
    s.value = Kept(codec::protect([&] { return Rf_mkString(equals + 1); }));
    s.version = next();
  }
  for (auto& s : environment_)
    if (!s.second.seen && SEXP(s.second.value) != R_NilValue) {
      s.second.value = Kept();
      s.second.version = next();
    }
}

bool Journal::loaded_since(uint64_t version) const {
  return !facts_.empty() && facts_[kNamespaces].version > version;
}

bool Journal::in_package(SEXP class_name) {
  if (facts_.empty()) return true;
  if (in_packages_of_ != facts_[kNamespaces].version) {
    Protected names(call_r("classes_in_packages"));
    class_names_ = Kept(names);
    in_packages_.clear();
    for (R_xlen_t i = 0; i < Rf_xlength(names); ++i) in_packages_.insert(STRING_ELT(names, i));
    in_packages_of_ = facts_[kNamespaces].version;
  }
  return in_packages_.count(class_name) > 0;
}

void Journal::note_registered() {
  registered_.clear();
  SEXP methods = facts_[kMethods].value; // list(package, name, method) of each
  for (R_xlen_t i = 0; i < Rf_xlength(methods); ++i) {
    SEXP m = VECTOR_ELT(methods, i), method = VECTOR_ELT(m, 2);
    SEXP symbol = codec::protect([&] { return Rf_installTrChar(STRING_ELT(VECTOR_ELT(m, 1), 0)); });
    for (R_xlen_t t = 0; t < Rf_xlength(tables_); ++t)
      if (r::binding_of(VECTOR_ELT(tables_, t), symbol).value == method)
        registered_.push_back({VECTOR_ELT(tables_, t), symbol, Kept(method)});
  }
}

void Journal::fact(size_t index, bool same) {
  if (same) return;
  Protected value(call_r(kFactNames[index]));
  facts_[index].value = Kept(value);
  facts_[index].version = next();
}

void Journal::look_at_facts() {
  if (facts_.empty())
    for (const char* name : kFactNames) {
      facts_.emplace_back();
      facts_.back().name = name;
    }
  // The search path, and what lies in attached lists
  bool same = same_search();
  for (auto& f : attached_) same = same && f->same();
  if (!same) {
    search_.clear();
    attached_.clear();
    for (SEXP e = r::parent_environment(R_GlobalEnv); e != R_BaseEnv; e = r::parent_environment(e)) {
      search_.push_back(Kept(e));
      if (!R_IsPackageEnv(e)) attached_.push_back(std::make_shared<Frame>(e));
    }
  }
  fact(kSearch, same);

  char folder[4096];
  same = getcwd(folder, sizeof folder) && folder_ == folder;
  folder_ = folder;
  fact(kFolder, same);

  same = same_locale();
  const char* locale = std::setlocale(LC_ALL, nullptr);
  locale_ = locale ? locale : "";
  fact(kLocale, same);

  static const SEXP lib_paths = Rf_install(".libPaths"), lib_loc = Rf_install(".lib.loc");
  SEXP finder = r::frame_variable(R_BaseEnv, lib_paths);
  SEXP libraries = TYPEOF(finder) == CLOSXP ? r::frame_variable(r::closure_environment(finder), lib_loc)
                                            : R_NilValue;
  same = libraries == SEXP(libraries_) && facts_[kLibraries].version;
  libraries_ = Kept(libraries);
  fact(kLibraries, same);

  static const SEXP seed_name = Rf_install(".Random.seed");
  Binding seed = r::binding_of(R_GlobalEnv, seed_name);
  int kind = seed.how == Binding::Value && TYPEOF(seed.value) == INTSXP && Rf_xlength(seed.value) > 1
                 ? INTEGER(seed.value)[0]
                 : random_kind_;
  same = kind == random_kind_ && facts_[kRandom].version;
  random_kind_ = kind;
  fact(kRandom, same);

  // Methods that registerS3method() put into the tables of packages
  R_xlen_t namespaces = Rf_xlength(r::namespace_registry());
  bool loaded = namespaces_ != namespaces;
  namespaces_ = namespaces;
  if (loaded) {
    Protected tables(call_r("method_tables"));
    tables_ = Kept(tables);
    table_lengths_.clear();
  }
  same = !loaded;
  table_lengths_.resize(size_t(Rf_xlength(tables_)), -1);
  for (size_t i = 0; i < table_lengths_.size(); ++i) {
    R_xlen_t length = Rf_xlength(VECTOR_ELT(tables_, R_xlen_t(i)));
    same = same && length == table_lengths_[i];
    table_lengths_[i] = length;
  }
  for (const Registered& m : registered_)
    same = same && r::binding_of(m.table, m.symbol).value == SEXP(m.method);
  fact(kMethods, same);
  if (!same) note_registered();
  fact(kNamespaces, !loaded);
}

} // namespace mp::bind
