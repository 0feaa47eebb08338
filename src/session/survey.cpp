#include "session/survey.h"

#include <cstring>

namespace mp::bind {
namespace {

constexpr uint64_t kMaxNodes = 50'000; // of one value; with more it is a large one
constexpr int kMaxDepth = 500;

uint64_t mix(uint64_t h, uint64_t word) {
  h = (h ^ word) * 0x9E3779B97F4A7C15u;
  return h ^ (h >> 29);
}

uint64_t digest_bytes(uint64_t h, const void* data, uint64_t bytes) {
  auto* at = static_cast<const uint8_t*>(data);
  uint64_t lanes[4] = {h, h + 1, h + 2, h + 3}, word;
  for (; bytes >= 32; bytes -= 32)
    for (uint64_t& lane : lanes) {
      std::memcpy(&word, at, 8);
      lane = mix(lane, word);
      at += 8;
    }
  h = mix(mix(lanes[0], lanes[1]), mix(lanes[2], lanes[3]));
  for (; bytes >= 8; bytes -= 8, at += 8) {
    std::memcpy(&word, at, 8);
    h = mix(h, word);
  }
  word = 0;
  std::memcpy(&word, at, bytes);
  return mix(h, word);
}

uint64_t element_bytes_of(SEXP x) {
  switch (TYPEOF(x)) {
  case LGLSXP:
  case INTSXP: return 4;
  case REALSXP: return 8;
  case CPLXSXP: return 16;
  case RAWSXP: return 1;
  default: return 8; // of pointers
  }
}

// Its elements, and which attributes it has.
uint64_t digest_vector(uint64_t h, SEXP x) {
  R_xlen_t n = Rf_xlength(x);
  switch (TYPEOF(x)) {
  case STRSXP:
    for (R_xlen_t i = 0; i < n; ++i) h = mix(h, uint64_t(uintptr_t(STRING_ELT(x, i))));
    break;
  case VECSXP:
  case EXPRSXP:
    for (R_xlen_t i = 0; i < n; ++i) h = mix(h, uint64_t(uintptr_t(VECTOR_ELT(x, i))));
    break;
  default: // without data in memory (1:10) nothing could be written there
    if (const void* data = ALTREP(x) ? DATAPTR_OR_NULL(x) : codec::data_of(x))
      h = digest_bytes(h, data, uint64_t(n) * element_bytes_of(x));
  }
  if (Rf_isObject(x)) each_attribute(x, [&](SEXP, SEXP value) { h = mix(h, uint64_t(uintptr_t(value))); });
  return mix(h, uint64_t(n));
}

} // namespace

bool is_top_level(SEXP env) {
  if (TYPEOF(env) != ENVSXP) return true; // C code of packages makes environments without a parent
  return env == R_GlobalEnv || env == R_BaseEnv || env == R_EmptyEnv || env == R_BaseNamespace ||
         R_IsNamespaceEnv(env) || R_IsPackageEnv(env);
}

bool is_ours(SEXP env) {
  static const SEXP name = Rf_install(".__enclos_env__");
  if (!Rf_isObject(env)) return false;
  SEXP enclosure = r::frame_variable(env, name);
  return TYPEOF(enclosure) == ENVSXP && r::parent_environment(enclosure) == package_namespace();
}

SEXP top_level_of(SEXP env) {
  while (!is_top_level(env)) env = r::parent_environment(env);
  return env;
}

std::vector<SEXP> variables_of(SEXP env) {
  std::vector<SEXP> symbols;
  Protected names(codec::protect([&] { return R_lsInternal3(env, TRUE, FALSE); }));
  R_xlen_t n = Rf_xlength(names);
  symbols.reserve(size_t(n));
  for (R_xlen_t i = 0; i < n; ++i)
    symbols.push_back(codec::protect([&] { return Rf_installTrChar(STRING_ELT(names, i)); }));
  return symbols;
}

uint64_t digest_of(SEXP vectors) {
  uint64_t h = 0;
  for (R_xlen_t i = 0; i < Rf_xlength(vectors); ++i) h = digest_vector(h, VECTOR_ELT(vectors, i));
  return h;
}

uint64_t sampled_digest(SEXP x) {
  switch (TYPEOF(x)) {
  case LGLSXP:
  case INTSXP:
  case REALSXP:
  case CPLXSXP:
  case RAWSXP:
    break;
  default:
    return 0;
  }
  if (ALTREP(x)) return uint64_t(Rf_xlength(x));
  uint64_t bytes = uint64_t(Rf_xlength(x)) * element_bytes_of(x);
  auto* data = static_cast<const uint8_t*>(codec::data_of(x));
  constexpr uint64_t kSamples = 16, kSample = 32;
  if (bytes < kSamples * kSample) return digest_bytes(bytes, data, bytes);
  uint64_t h = bytes;
  for (uint64_t i = 0; i < kSamples; ++i)
    h = digest_bytes(h, data + (bytes - kSample) / (kSamples - 1) * i, kSample);
  return h;
}

void Survey::look_at(SEXP x) { visit(x, 0); }

void Survey::look_into(SEXP env) {
  for (SEXP s : variables_of(env)) visit(r::binding_of(env, s).value, 1);
}

void Survey::visit(SEXP x, int depth) {
  if (++nodes_ > kMaxNodes || depth > kMaxDepth || bytes > kSmallBytes) {
    large = true;
    return;
  }
  switch (TYPEOF(x)) {
  case LGLSXP:
  case INTSXP:
  case REALSXP:
  case CPLXSXP:
  case RAWSXP:
  case STRSXP:
    bytes += uint64_t(Rf_xlength(x)) * element_bytes_of(x);
    if (bytes > kSmallBytes) large = true;
    else if (!ALTREP(x) || TYPEOF(x) != STRSXP) vectors.push_back(x);
    break;
  case VECSXP:
  case EXPRSXP: {
    R_xlen_t n = Rf_xlength(x);
    bytes += uint64_t(n) * 8;
    if (bytes > kSmallBytes) {
      large = true;
      return;
    }
    if (!ALTREP(x)) vectors.push_back(x);
    for (R_xlen_t i = 0; i < n && !large; ++i) visit(VECTOR_ELT(x, i), depth + 1);
    break;
  }
  case LISTSXP:
  case LANGSXP:
  case DOTSXP:
    if (TYPEOF(x) == LANGSXP) code = true;
    if (!seen_.insert(x).second) return;
    visit_attributes(x, depth);
    for (; x != R_NilValue && !large; x = CDR(x)) {
      if (TYPEOF(x) != LISTSXP && TYPEOF(x) != LANGSXP && TYPEOF(x) != DOTSXP) {
        visit(x, depth + 1);
        break;
      }
      SEXP car = CAR(x);
      if (TYPEOF(car) != SYMSXP && TYPEOF(car) != STRSXP) visit(car, depth + 1);
    }
    return;
  case CLOSXP:
    code = true;
    if (!seen_.insert(x).second) return;
    visit(r::closure_formals(x), depth + 1);
    visit(R_ClosureExpr(x), depth + 1);
    visit_frame(r::closure_environment(x), depth + 1);
    break;
  case ENVSXP:
    visit_frame(x, depth);
    return;
  case EXTPTRSXP:
    if (codec::is_kept(x, kept)) return;
    if (R_ExternalPtrAddr(x) && pointer_of(x) == R_NilValue && R_ExternalPtrTag(x) != named_memory_tag()) pointer = true;
    return;
  case WEAKREFSXP:
    pointer = true;
    return;
  case S4SXP:
    break;
  default:
    return;
  }
  visit_attributes(x, depth);
}

void Survey::visit_attributes(SEXP x, int depth) {
  // Source, and pointers that are marks only: data.table's, and the key of an S4 class's version
  static const SEXP no_matter[] = {Rf_install("srcref"), Rf_install("srcfile"),
                                   Rf_install("wholeSrcref"), Rf_install(".internal.selfref"),
                                   Rf_install("versionKey")};
  each_attribute(x, [&](SEXP name, SEXP value) {
    for (SEXP s : no_matter)
      if (name == s) return;
    if (name == R_ClassSymbol && TYPEOF(value) == STRSXP) {
      for (R_xlen_t i = 0; i < Rf_xlength(value); ++i) classes.insert(STRING_ELT(value, i));
      SEXP package = r::find_attribute(value, Rf_install("package")); // of an S4 class
      if (package && TYPEOF(package) == STRSXP && Rf_xlength(package) == 1) classes.insert(STRING_ELT(package, 0));
      visit_attributes(value, depth + 1);
      return;
    }
    if (name == R_NamesSymbol || name == R_RowNamesSymbol || name == R_DimNamesSymbol) {
      bytes += uint64_t(Rf_xlength(value)) * 8;
      if (TYPEOF(value) == STRSXP && !ALTREP(value)) vectors.push_back(value);
      return;
    }
    visit(value, depth + 1);
  });
}

void Survey::visit_frame(SEXP env, int depth) {
  while (!is_top_level(env)) {
    if (!seen_.insert(env).second) return;
    if (pointer_of(env) != R_NilValue) return; // a handle
    if (is_ours(env)) { // a pool, a process: good in the process that made it
      pointer = true;
      return;
    }
    frames.push_back(env);
    std::vector<SEXP> symbols = variables_of(env);
    bytes += symbols.size() * 16;
    for (SEXP s : symbols) {
      if (large) return;
      visit(r::binding_of(env, s).value, depth + 1);
    }
    visit_attributes(env, depth);
    env = r::parent_environment(env);
  }
}

} // namespace mp::bind
