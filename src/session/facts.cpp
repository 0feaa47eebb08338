#include "session/facts.h"

#include <clocale>
#include <unistd.h>

namespace mp::bind {
namespace {

enum FactIndex { kSearch, kFolder, kLocale, kLibraries, kRandom, kMethods, kNamespaces };
constexpr const char* kFactNames[] = {"search_of_session", "folder_of_session", "locale_of_session",
                                      "libraries_of_session", "random_kind_of_session",
                                      "methods_of_session", "namespaces_of_session"};

} // namespace

void Facts::begin() {
  for (const char* name : kFactNames) {
    all_.emplace_back();
    all_.back().name = name;
  }
}

void Facts::fact(size_t index, bool same, Version& version) {
  Fact& f = all_[index];
  if (same && !f.missed) return;
  f.missed = true;
  Protected value(call_r(f.name)); // Ctrl-C may end it
  f.value = Preserved(value);
  f.version = version.next();
  f.missed = false;
}

bool Facts::quiet() const {
  if (all_.empty() || all_[kSearch].missed || all_[kLocale].missed || !same_search() || !same_locale()) return false;
  for (auto& a : attached_)
    if (!a.frame->same()) return false;
  return true;
}

bool Facts::same_search() const {
  size_t n = 0;
  for (SEXP e = r::parent_environment(R_GlobalEnv); e != R_BaseEnv; e = r::parent_environment(e), ++n)
    if (n >= search_.size() || SEXP(search_[n]) != e) return false;
  return n == search_.size();
}

bool Facts::same_locale() const {
  const char* locale = std::setlocale(LC_ALL, nullptr);
  return locale && locale_ == locale;
}

void Facts::look(Version& version, Frames& frames) {
  if (all_.empty()) begin();
  look_at_search(version, frames);
  look_at_folder(version);
  look_at_locale(version);
  look_at_libraries(version);
  look_at_random_kind(version);
  look_at_methods(version);
}

void Facts::look_at_search(Version& version, Frames& frames) {
  bool same = same_search();
  for (auto& a : attached_) same = same && !a.frame->changed && a.insides.same();
  if (!same) {
    all_[kSearch].missed = true; // until fact() has it
    search_.clear();
    attached_.clear();
    for (SEXP e = r::parent_environment(R_GlobalEnv); e != R_BaseEnv; e = r::parent_environment(e)) {
      search_.push_back(Preserved(e));
      if (R_IsPackageEnv(e)) continue;
      Survey survey;
      survey.look_into(e);
      attached_.push_back({frames.of(e), Insides(survey, frames)});
    }
  }
  fact(kSearch, same, version);
}

void Facts::look_at_folder(Version& version) {
  char folder[4096] = "";
  bool same = getcwd(folder, sizeof folder) && folder_ == folder;
  folder_ = folder;
  fact(kFolder, same, version);
}

void Facts::look_at_locale(Version& version) {
  bool same = same_locale();
  const char* locale = std::setlocale(LC_ALL, nullptr);
  locale_ = locale ? locale : "";
  fact(kLocale, same, version);
}

// .libPaths() keeps them in a variable of its own, which stays this variable.
void Facts::look_at_libraries(Version& version) {
  static const SEXP lib_paths = Rf_install(".libPaths"), lib_loc = Rf_install(".lib.loc");
  if (SEXP(lib_paths_) == R_NilValue) // functions of base are promises until they are called first, and stay so in its frame
    lib_paths_ = Preserved(codec::protect([&] {
      SEXP finder = Rf_eval(lib_paths, R_BaseEnv);
      return TYPEOF(finder) == CLOSXP ? r::closure_environment(finder) : R_BaseEnv;
    }));
  SEXP libraries = r::frame_variable(lib_paths_, lib_loc);
  bool same = libraries == SEXP(libraries_) && all_[kLibraries].version;
  if (!same) libraries_ = Preserved(libraries);
  fact(kLibraries, same, version);
}

void Facts::look_at_random_kind(Version& version) {
  static const SEXP seed_name = Rf_install(".Random.seed");
  Binding seed = r::binding_of(R_GlobalEnv, seed_name);
  bool seeded = seed.how == Binding::Value && TYPEOF(seed.value) == INTSXP && Rf_xlength(seed.value) > 1;
  int kind = seeded ? INTEGER(seed.value)[0] : random_kind_;
  bool removed = seeded_ && !seeded; // with it, what was its kind last
  bool same = kind == random_kind_ && !removed && all_[kRandom].version;
  random_kind_ = kind;
  seeded_ = seeded;
  fact(kRandom, same, version);
}

// Methods that registerS3method() put into the tables of packages
void Facts::look_at_methods(Version& version) {
  bool loaded = namespaces_.readable() ? !namespaces_.same() : Rf_xlength(r::namespace_registry()) != namespaces_loaded_;
  if (loaded) {
    Bindings now(r::namespace_registry(), Bindings::Values);
    R_xlen_t count = Rf_xlength(r::namespace_registry());
    Protected tables(call_r("method_tables"));
    tables_ = Preserved(tables);
    all_[kMethods].missed = all_[kNamespaces].missed = true; // until fact() has them
    namespaces_ = std::move(now);
    namespaces_loaded_ = count;
  }
  bool same = !all_[kMethods].missed && same_methods();
  if (!same) note_methods();
  fact(kMethods, same, version);
  if (!same) note_registered();
  fact(kNamespaces, !loaded, version);
}

bool Facts::same_methods() const {
  for (size_t i = 0; i < in_tables_.size(); ++i) {
    const Bindings& b = in_tables_[i];
    if (b.readable() ? !b.same() : Rf_xlength(VECTOR_ELT(tables_, R_xlen_t(i))) != table_lengths_[i]) return false;
  }
  for (const Registered& m : registered_)
    if (r::binding_of(m.table, m.symbol).value != SEXP(m.method)) return false;
  return true;
}

void Facts::note_methods() {
  in_tables_.clear();
  table_lengths_.clear();
  for (R_xlen_t i = 0; i < Rf_xlength(tables_); ++i) {
    SEXP table = VECTOR_ELT(tables_, i);
    in_tables_.emplace_back(table, Bindings::Values);
    table_lengths_.push_back(Rf_xlength(table));
  }
}

void Facts::note_registered() {
  registered_.clear();
  SEXP methods = all_[kMethods].value; // list(package, name, method) of each
  for (R_xlen_t i = 0; i < Rf_xlength(methods); ++i) {
    SEXP m = VECTOR_ELT(methods, i), method = VECTOR_ELT(m, 2);
    SEXP symbol = codec::protect([&] { return Rf_installTrChar(STRING_ELT(VECTOR_ELT(m, 1), 0)); });
    for (R_xlen_t t = 0; t < Rf_xlength(tables_) && method != R_NilValue; ++t)
      if (!in_tables_[size_t(t)].readable() && r::binding_of(VECTOR_ELT(tables_, t), symbol).value == method)
        registered_.push_back({VECTOR_ELT(tables_, t), symbol, Preserved(method)});
  }
}

bool Facts::loaded_since(uint64_t version) const {
  return !all_.empty() && all_[kNamespaces].version > version;
}

bool Facts::in_package(SEXP class_name) {
  if (all_.empty()) return true;
  if (in_packages_of_ != all_[kNamespaces].version) {
    Protected names(call_r("classes_in_packages"));
    class_names_ = Preserved(names);
    in_packages_.clear();
    for (R_xlen_t i = 0; i < Rf_xlength(names); ++i) in_packages_.insert(STRING_ELT(names, i));
    in_packages_of_ = all_[kNamespaces].version;
  }
  return in_packages_.count(class_name) > 0;
}

} // namespace mp::bind
