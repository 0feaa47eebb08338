// Entry points from R for dictionaries: R/sync-manager.R.
#include "session/handle.h"
#include "session/output.h"
#include "session/session.h"
#include "session/waits.h"

#include "core/dict.h"
#include "core/lock.h"
#include "r/compat.h"

#include <algorithm>
#include <cstring>

using namespace mp;
using namespace mp::bind;

namespace {

// Of the pointer, or of the object itself, which spares R looking for the pointer: its methods know it as `ptr`. An object that
// only says that it is ours may have R code called here, which may jump: the callers own nothing yet.
uint64_t dict_of(SEXP x) {
  static SEXP enclosure = nullptr, pointer = nullptr;
  if (TYPEOF(x) == ENVSXP) {
    if (!pointer) { // no initializers: R may jump out of them
      enclosure = Rf_install(".__enclos_env__");
      pointer = Rf_install("ptr");
    }
    x = r::own_variable(x, enclosure);
    if (TYPEOF(x) == ENVSXP) x = r::own_variable(x, pointer);
  }
  return block_of(x, BlockKind::Dict);
}

std::string key_of(SEXP key) {
  if (TYPEOF(key) != STRSXP || Rf_xlength(key) != 1 || STRING_ELT(key, 0) == NA_STRING)
    refuse(key, "a key must be one string");
  SEXP name = STRING_ELT(key, 0);
  std::string bytes = CHAR(name);
  auto is_ascii = [](char c) { return !(c & 0x80); };
  if (Rf_getCharCE(name) == CE_UTF8 || std::all_of(bytes.begin(), bytes.end(), is_ascii)) return bytes; // it is UTF-8
  const char* text = nullptr;
  protect([&] {
    text = Rf_translateCharUTF8(name);
    return R_NilValue;
  });
  return text;
}

// Reading may call R, and R may read the same value again meanwhile: its block is counted.
SEXP decoded(DictValue& value) {
  KeptBlock kept(value.release_block());
  return codec::decode(value.data(), value.size());
}

// Calls put(input) with the encoded value.
template <class F> auto with_encoded(SEXP x, F put) -> decltype(put(DictInput{})) {
  alignas(8) uint8_t small[256];
  DictInput in;
  in.bytes = small;
  in.size = codec::encode_small(x, small, sizeof small);
  if (in.size) return put(in);
  codec::Encoding e = codec::encode(x);
  in.size = e.size();
  if (in.size <= kInDict && e.handles().empty()) {
    alignas(8) uint8_t buffer[kInDict];
    e.write(buffer);
    in.bytes = buffer;
    return put(in);
  }
  NewBlock block(store_encoded(e));
  in.block = block.get();
  return put(in);
}

SEXP names_of(const std::vector<DictItem>& items) {
  std::vector<std::string> names;
  for (const DictItem& item : items) names.push_back(item.key);
  return protect([&] { return to_r(names); });
}

} // namespace

// `face`: 1 a dict, 2 a list, 3 a name space, 4 a set.
// [[Rcpp::export(rng = false)]]
SEXP dict_create(int face) {
  return entry([&] {
    NewBlock lock(create_lock(true));
    return new_handle(create_dict(lock.get(), uint64_t(face)), BlockKind::Dict);
  });
}

// [[Rcpp::export(rng = false)]]
int dict_kind(SEXP dict) {
  return entry([&] { return int(dict_face(dict_of(dict))); });
}

// A handle of its lock.
// [[Rcpp::export(rng = false)]]
SEXP dict_lock_pointer(SEXP dict) {
  return entry([&] { return another_handle(dict_lock(dict_of(dict)), BlockKind::Lock); });
}

// The value, or KeyError.
// [[Rcpp::export(rng = false)]]
SEXP dict_item(SEXP dict, SEXP key) {
  alignas(8) uint8_t small[64]; // a number: read when nothing is owned any more
  uint64_t n = 0;
  SEXP item = entry([&] {
    uint64_t block = dict_of(dict);
    DictValue value;
    std::string name = key_of(key);
    if (!dict_get(block, name, &value))
      throw Error{"KeyError", "no such key: \"" + name + "\""};
    if (value.in_block() || value.size() > sizeof small) return decoded(value);
    n = value.size();
    std::memcpy(small, value.data(), n);
    return R_NilValue;
  });
  if (n == 0) return item;
  SEXP number = codec::decode_small(small, n);
  return number ? number : entry([&] { return codec::decode(small, n); });
}

// The value, or `missing`.
// [[Rcpp::export(rng = false)]]
SEXP dict_lookup(SEXP dict, SEXP key, SEXP missing) {
  return entry([&] {
    uint64_t block = dict_of(dict);
    std::string name = key_of(key);
    DictValue value;
    return dict_get(block, name, &value) ? decoded(value) : missing;
  });
}

// list(stamp, value), for dict_assign(); list(0) if there is none.
// [[Rcpp::export(rng = false)]]
SEXP dict_fetch(SEXP dict, SEXP key) {
  return entry([&] {
    uint64_t block = dict_of(dict);
    std::string name = key_of(key);
    DictValue found;
    if (!dict_get(block, name, &found)) return list_of(0.0);
    double stamp = double(found.stamp());
    Protected value(decoded(found));
    return list_of(stamp, SEXP(value));
  });
}

// `stamp`: NULL, or the stamp of the change that this one must follow. FALSE: another one came between.
// [[Rcpp::export(rng = false)]]
bool dict_assign(SEXP dict, SEXP key, SEXP value, SEXP stamp) {
  return entry([&] {
    uint64_t block = dict_of(dict);
    std::string name = key_of(key);
    uint64_t after = Rf_isNull(stamp) ? kAnyStamp : uint64_t(Rf_asReal(stamp));
    mark_output();
    return with_encoded(value, [&](const DictInput& in) { return dict_put(block, name, in, after); });
  });
}

// list(value), or NULL if there was none.
// [[Rcpp::export(rng = false)]]
SEXP dict_take(SEXP dict, SEXP key) {
  return entry([&]() -> SEXP {
    uint64_t block = dict_of(dict);
    std::string name = key_of(key);
    DictValue found;
    mark_output();
    if (!dict_remove(block, name, &found)) return R_NilValue;
    Protected value(decoded(found));
    return list_of(SEXP(value));
  });
}

// [[Rcpp::export(rng = false)]]
void dict_empty(SEXP dict) {
  entry([&] {
    mark_output();
    dict_clear(dict_of(dict));
  });
}

// [[Rcpp::export(rng = false)]]
bool dict_has(SEXP dict, SEXP key) {
  return entry([&] {
    uint64_t block = dict_of(dict);
    std::string name = key_of(key);
    DictValue ignored;
    bool found = dict_get(block, name, &ignored);
    KeptBlock kept(ignored.release_block());
    return found;
  });
}

// [[Rcpp::export(rng = false)]]
double dict_size(SEXP dict) {
  return entry([&] { return double(dict_length(dict_of(dict))); });
}

// [[Rcpp::export(rng = false)]]
SEXP dict_names(SEXP dict) {
  return entry([&] { return names_of(dict_items(dict_of(dict), false)); });
}

// A named list, all as it is at one moment.
// [[Rcpp::export(rng = false)]]
SEXP dict_values(SEXP dict) {
  return entry([&] {
    std::vector<DictItem> items = dict_items(dict_of(dict), true);
    std::vector<KeptBlock> kept;
    kept.reserve(items.size());
    for (DictItem& item : items) kept.emplace_back(item.value.release_block());
    Protected names(names_of(items));
    Protected list(protect([&] {
      SEXP r = PROTECT(Rf_allocVector(VECSXP, R_xlen_t(items.size())));
      Rf_setAttrib(r, R_NamesSymbol, names);
      UNPROTECT(1);
      return r;
    }));
    for (size_t i = 0; i < items.size(); ++i) {
      Protected value(codec::decode(items[i].value.data(), items[i].value.size()));
      SET_VECTOR_ELT(list, R_xlen_t(i), value);
    }
    return SEXP(list);
  });
}
