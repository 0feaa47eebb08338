#include "pool/read_pages.h"
#include "pool/pages.h"

#include "core/guard.h"

#include <algorithm>
#include <cstring>

namespace mp::bind {
namespace {

struct NewVariable {
  SEXP symbol, value;
};

// A table of S4's, of which R keeps copies elsewhere
bool is_definition(const char* name) { return !std::strncmp(name, ".__C__", 6) || !std::strncmp(name, ".__T__", 6); }

bool may_be_set(SEXP symbol) {
  Binding::How how = r::binding_of(R_GlobalEnv, symbol).how;
  return how == Binding::None || (how != Binding::Active && !R_BindingIsLocked(symbol, R_GlobalEnv));
}

// What is newer on a page of variables, if these are ordinary variables with new values; nothing if anything else is newer.
std::vector<NewVariable> ordinary_variables(SEXP page, double version) {
  std::vector<NewVariable> found;
  SEXP names = VECTOR_ELT(page, 0), values = VECTOR_ELT(page, 1);
  const double* versions = REAL(VECTOR_ELT(page, 2));
  const int* kinds = INTEGER(VECTOR_ELT(page, 3));
  for (R_xlen_t i = 0; i < Rf_xlength(names); ++i) {
    if (versions[i] <= version) continue;
    SEXP symbol = codec::protect([&] { return Rf_installTrChar(STRING_ELT(names, i)); });
    if (kinds[i] != kValue || is_definition(CHAR(PRINTNAME(symbol))) || !may_be_set(symbol)) return {};
    found.push_back({symbol, VECTOR_ELT(values, i)});
  }
  return found;
}

// As set_variable() in child-session.R does.
void set_variables(const std::vector<NewVariable>& variables) {
  static const SEXP state = Rf_install("seen"), given_name = Rf_install("given");
  SEXP given = r::frame_variable(r::frame_variable(package_namespace(), state), given_name);
  codec::protect([&] {
    for (const NewVariable& v : variables) {
      Rf_defineVar(v.symbol, v.value, R_GlobalEnv);
      Rf_defineVar(v.symbol, v.value, given);
    }
    return R_NilValue;
  });
}

void apply_variables(SEXP page, uint64_t version) {
  std::vector<NewVariable> ordinary = ordinary_variables(page, double(version));
  if (ordinary.empty()) call_r("apply_variables", page, double(version));
  else set_variables(ordinary);
}

} // namespace

uint64_t read_pages(SEXP pages, uint64_t version) {
  uint64_t latest = version;
  for (R_xlen_t i = 0; i + 3 < Rf_xlength(pages); i += 4) {
    const double* p = REAL(pages) + i; // see Pages::as_vector()
    if (uint64_t(p[3]) <= version) continue;
    uint64_t block = uint64_t(p[1]) * kPageBytes;
    if (heap().serial_of(block) != uint64_t(p[2]))
      throw Error{"ProcessError", "a page of the session's changes is gone"};
    GuardLimit guards = GuardLimit::none(); // it would not be read later
    Protected page(codec::decode(heap().at(block), heap().bytes_of(block)));
    if (p[0] == 0) call_r("apply_settings", SEXP(page), double(version));
    else apply_variables(page, version);
    latest = uint64_t(p[3]);
  }
  return latest;
}

} // namespace mp::bind
