#include "session/settings.h"

#include <algorithm>
#include <cstring>
#include <unistd.h>

extern char** environ;

namespace mp::bind {
namespace {

// What each process has of its own (also places in its code), or what a worker without a screen cannot use.
bool is_own_option(const std::string& name) {
  static const char* const own[] = {"askYesNo", "browser", "browserNLdisabled", "continue", "device", "echo",
                                    "editor", "error", "interrupt", "menu.graphics", "pager", "papersize",
                                    "prompt", "rlang_trace_top_env", "showErrorCalls", "testthat_topenv",
                                    "topLevelEnvironment", "traceback.max.lines", "warning.expression"};
  return std::any_of(std::begin(own), std::end(own), [&](const char* o) { return name == o; });
}

bool is_own_environment(const std::string& name) {
  static const char* const own[] = {"MULTIPROCESSING_SPAWN", "R_SESSION_TMPDIR", "R_TESTS", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_"};
  return name.rfind("MULTIPROCESSING_", 0) == 0 ||
         std::any_of(std::begin(own), std::end(own), [&](const char* o) { return name == o; });
}

SEXP option_list() {
  static const SEXP name = Rf_install(".Options");
  return r::frame_variable(R_BaseEnv, name);
}

void begin(Settings& settings) {
  for (auto& s : settings) s.second.seen = false;
}

void drop_unseen(Settings& settings, Version& version) {
  for (auto& [name, s] : settings)
    if (!s.seen && s.set()) {
      s.value = Preserved();
      s.version = version.next();
    }
}

} // namespace

bool Options::same() const {
  size_t n = 0;
  auto as_listed = [&](SEXP symbol, SEXP value) {
    if (n >= listed_.size() || listed_[n].symbol != symbol || listed_[n].value != value) return false;
    ++n;
    return true;
  };
  SEXP options = option_list();
  if (cells_readable_) { // R's functions take six times as long
    for (; options != R_NilValue; options = r::cell_of(options)->rest)
      if (!as_listed(r::cell_of(options)->symbol, r::cell_of(options)->value)) return false;
    return n == listed_.size();
  }
  for (; options != R_NilValue; options = CDR(options))
    if (!as_listed(TAG(options), CAR(options))) return false;
  return n == listed_.size();
}

void Options::take(const std::string& name, SEXP value, Version& version) {
  Setting& s = all_[name];
  s.seen = true;
  if (s.version && SEXP(s.value) == value) return;
  Survey survey;
  survey.look_at(value);
  bool travels = !survey.large && !survey.pointer;
  if (!travels && !s.set()) return; // each process has its own
  s.value = travels ? Preserved(value) : Preserved(); // unset there: no worker keeps an earlier value of the session's
  s.version = version.next();
}

void Options::look(Version& version) {
  if (same()) return;
  codec::protect([&] { return cells_readable_ = r::tables_are_readable(), R_NilValue; });
  listed_.clear();
  begin(all_);
  for (SEXP o = option_list(); o != R_NilValue; o = CDR(o)) listed_.push_back({TAG(o), CAR(o), Preserved(CAR(o))});
  for (auto& o : listed_) {
    std::string name = CHAR(PRINTNAME(o.symbol));
    if (!is_own_option(name)) take(name, o.value, version);
  }
  drop_unseen(all_, version);
}

bool EnvironmentVariables::same() const {
  size_t n = 0;
  for (char** e = environ; e && *e; ++e, ++n)
    if (n >= cells_.size() || cells_[n] != *e) return false;
  return n == cells_.size();
}

void EnvironmentVariables::look(Version& version) {
  if (same()) return;
  cells_.clear();
  begin(all_);
  for (char** e = environ; e && *e; ++e) cells_.push_back(*e);
  for (const char* cell : cells_) {
    const char* equals = std::strchr(cell, '=');
    if (!equals || equals == cell) continue;
    std::string name(cell, size_t(equals - cell));
    if (is_own_environment(name)) continue;
    Setting& s = all_[name];
    s.seen = true;
    if (s.set() && !std::strcmp(CHAR(STRING_ELT(s.value, 0)), equals + 1)) continue;
    s.value = Preserved(codec::protect([&] { return Rf_mkString(equals + 1); }));
    s.version = version.next();
  }
  drop_unseen(all_, version);
}

} // namespace mp::bind
