// Views: R vectors over a private mapping of a block. Reading costs no copy; a write goes to this
// process's own pages, and no other process sees it. ALTREP, as nothing else lets an R vector lie
// where we want without R's collector counting its bytes.
//
//   data1   external pointer to the View; its finalizer unmaps
//   data2   unused
//
// A forked child has the View, its mapping and its table; what it unmaps is its own.
#include "codec/view.h"

#include <cstring>
#include <unordered_map>

namespace mp::codec {

namespace {

constexpr uint64_t kCheapCopy = 16 * 1024; // less than a mapping and an object with a finalizer

R_altrep_class_t classes[RAWSXP + 1]; // by type

// Where views lie: R wraps vectors, and a wrapper's data are found by their address alone. Never
// destroyed: R's finalizers may run after the destructors of static objects.
std::unordered_map<const void*, View*>& table = *new std::unordered_map<const void*, View*>;

// The serialization that refers to blocks, and the top level of R's that it runs in. Finalizers
// that R's collector runs meanwhile have another top level: what they serialize, say to a file, does
// not refer to blocks.
std::vector<HandleId>* serializing = nullptr;
int serializing_in = 0;

// R's current top level: the number of calls that it lies in. May jump.
int top_level() {
  SEXP call = PROTECT(Rf_lang1(Rf_install("sys.nframe")));
  int n = Rf_asInteger(Rf_eval(call, R_BaseEnv));
  UNPROTECT(1);
  return n;
}

// Within a collection: calls nothing of R that allocates.
void finalize(SEXP pointer) {
  auto* view = static_cast<View*>(R_ExternalPtrAddr(pointer));
  if (!view) return;
  R_ClearExternalPtr(pointer);
  table.erase(view->memory.at);
  blocks.unmap(view->id, view->memory);
  delete view;
}

SEXP view_of_numbers(SEXPTYPE type, const HandleId& id, uint64_t first, R_xlen_t length,
                     uint64_t total) {
  uint64_t size = bytes_per_element(type);
  return new_view(classes[type], id, first * size, static_cast<uint64_t>(length) * size, length,
                  first, total);
}

bool is_untouched(const View& view) {
  return !view.written || blocks.untouched(view.memory.at, view.memory.bytes);
}

// --- methods: none is called before new_view() has returned ------------------------------------

void* pointer_method(SEXP x, Rboolean writable) {
  View& view = view_in(x);
  if (writable) mark_written(view);
  return view.memory.at;
}

const void* pointer_or_null_method(SEXP x) { return view_in(x).memory.at; }

// A second mapping of the same bytes: a page is copied only when one of the two is written.
SEXP duplicate_method(SEXP x, Rboolean) {
  View& view = view_in(x);
  if (view.memory.bytes >= kCheapCopy && is_untouched(view)) {
    SEXP again = view_of_numbers(TYPEOF(x), view.id, view.first, view.length, view.total);
    if (again) return again;
  }
  SEXP copy = Rf_allocVector(TYPEOF(x), view.length);
  std::memcpy(data_of(copy), view.memory.at, view.memory.bytes);
  return copy;
}

template <SEXPTYPE type> SEXP unserialize_method(SEXP, SEXP state) {
  HandleId id;
  R_xlen_t length = read_state(state, &id);
  SEXP x = length > 0 ? view_of(type, length, id) : nullptr;
  if (!x) Rf_error("the serialized value refers to memory that is not there");
  return x;
}

template <class T> T element_method(SEXP x, R_xlen_t i) {
  return reinterpret_cast<const T*>(view_in(x).memory.at)[i];
}

template <class T> R_xlen_t region_method(SEXP x, R_xlen_t first, R_xlen_t n, T* to) {
  const View& view = view_in(x);
  if (n > view.length - first) n = view.length - first;
  if (n > 0)
    std::memcpy(to, reinterpret_cast<const T*>(view.memory.at) + first,
                static_cast<size_t>(n) * sizeof(T));
  return n;
}

template <class T> struct NA;
template <> struct NA<int> {
  static int value() { return NA_INTEGER; }
};
template <> struct NA<double> {
  static double value() { return NA_REAL; }
};
template <> struct NA<Rcomplex> {
  static Rcomplex value() {
    Rcomplex na;
    na.r = na.i = NA_REAL;
    return na;
  }
};
template <> struct NA<Rbyte> {
  static Rbyte value() { return 0; }
};

template <class T, class I> void gather(const View& view, const I* index, R_xlen_t n, T* to) {
  const T* from = reinterpret_cast<const T*>(view.memory.at);
  for (R_xlen_t k = 0; k < n; ++k) // an NA is no such place
    to[k] = index[k] >= 1 && index[k] < static_cast<double>(view.length) + 1 ? from[static_cast<R_xlen_t>(index[k]) - 1] : NA<T>::value();
}

// x[index], of places from 1 on. R itself would ask for each element. The index may be a range that R has not written out.
template <SEXPTYPE type, class T> SEXP subset_method(SEXP x, SEXP index, SEXP) {
  constexpr R_xlen_t kPart = 512;
  SEXPTYPE kind = static_cast<SEXPTYPE>(TYPEOF(index));
  if (kind != INTSXP && kind != REALSXP) return nullptr;
  R_xlen_t n = Rf_xlength(index);
  SEXP part = PROTECT(Rf_allocVector(type, n));
  T* to = static_cast<T*>(data_of(part));
  for (R_xlen_t at = 0; at < n; at += kPart) {
    R_xlen_t count = n - at < kPart ? n - at : kPart;
    if (kind == INTSXP) {
      int places[kPart];
      INTEGER_GET_REGION(index, at, count, places);
      gather(view_in(x), places, count, to + at);
    } else {
      double places[kPart];
      REAL_GET_REGION(index, at, count, places);
      gather(view_in(x), places, count, to + at);
    }
  }
  UNPROTECT(1);
  return part;
}

// R converts an ordinary vector several times as fast as one that it asks for each element.
SEXP coerce_method(SEXP x, int type) {
  const View& view = view_in(x);
  SEXP copy = PROTECT(Rf_allocVector(static_cast<SEXPTYPE>(TYPEOF(x)), view.length));
  std::memcpy(data_of(copy), view.memory.at, view.memory.bytes);
  SHALLOW_DUPLICATE_ATTRIB(copy, x);
  SEXP other = Rf_coerceVector(copy, static_cast<SEXPTYPE>(type));
  UNPROTECT(1);
  return other;
}

Rboolean inspect_method(SEXP x, int, int, int, void (*)(SEXP, int, int, int)) {
  const View& view = view_in(x);
  Rprintf(" shared memory, %.0f of %.0f elements%s\n", static_cast<double>(view.length), static_cast<double>(view.total),
          view.written ? ", may have been written" : "");
  return TRUE;
}

template <SEXPTYPE type, class T> void common_methods(R_altrep_class_t c) {
  R_set_altrep_Length_method(c, view_length);
  R_set_altrep_Duplicate_method(c, duplicate_method);
  R_set_altrep_Serialized_state_method(c, view_state);
  R_set_altrep_Unserialize_method(c, unserialize_method<type>);
  R_set_altvec_Dataptr_method(c, pointer_method);
  R_set_altvec_Dataptr_or_null_method(c, pointer_or_null_method);
  R_set_altvec_Extract_subset_method(c, subset_method<type, T>);
  R_set_altrep_Coerce_method(c, coerce_method);
  R_set_altrep_Inspect_method(c, inspect_method);
}

} // namespace

const char* view_class_name(SEXPTYPE type) {
  switch (type) {
  case LGLSXP:
    return "shared_logical";
  case INTSXP:
    return "shared_integer";
  case REALSXP:
    return "shared_real";
  case CPLXSXP:
    return "shared_complex";
  default:
    return "shared_raw";
  }
}

void register_views(DllInfo* dll) {
  const char* package = kPackageName;
  classes[LGLSXP] = R_make_altlogical_class(view_class_name(LGLSXP), package, dll);
  common_methods<LGLSXP, int>(classes[LGLSXP]);
  R_set_altlogical_Elt_method(classes[LGLSXP], element_method<int>);
  R_set_altlogical_Get_region_method(classes[LGLSXP], region_method<int>);
  classes[INTSXP] = R_make_altinteger_class(view_class_name(INTSXP), package, dll);
  common_methods<INTSXP, int>(classes[INTSXP]);
  R_set_altinteger_Elt_method(classes[INTSXP], element_method<int>);
  R_set_altinteger_Get_region_method(classes[INTSXP], region_method<int>);
  classes[REALSXP] = R_make_altreal_class(view_class_name(REALSXP), package, dll);
  common_methods<REALSXP, double>(classes[REALSXP]);
  R_set_altreal_Elt_method(classes[REALSXP], element_method<double>);
  R_set_altreal_Get_region_method(classes[REALSXP], region_method<double>);
  classes[CPLXSXP] = R_make_altcomplex_class(view_class_name(CPLXSXP), package, dll);
  common_methods<CPLXSXP, Rcomplex>(classes[CPLXSXP]);
  R_set_altcomplex_Elt_method(classes[CPLXSXP], element_method<Rcomplex>);
  R_set_altcomplex_Get_region_method(classes[CPLXSXP], region_method<Rcomplex>);
  classes[RAWSXP] = R_make_altraw_class(view_class_name(RAWSXP), package, dll);
  common_methods<RAWSXP, Rbyte>(classes[RAWSXP]);
  R_set_altraw_Elt_method(classes[RAWSXP], element_method<Rbyte>);
  R_set_altraw_Get_region_method(classes[RAWSXP], region_method<Rbyte>);
  register_string_views(dll);
}

uint64_t copy_limit() {
  uint64_t wanted = text_copy_limit();
  return wanted < kCopyBytes ? wanted : kCopyBytes;
}

uint64_t text_copy_limit() { return blocks.copy_limit ? blocks.copy_limit() : kCopyBytes; }

View& view_in(SEXP x) { return *static_cast<View*>(R_ExternalPtrAddr(R_altrep_data1(x))); }

SEXP new_view(R_altrep_class_t type, const HandleId& id, uint64_t from, uint64_t bytes,
              R_xlen_t length, uint64_t first, uint64_t total) {
  SEXP pointer = PROTECT(R_MakeExternalPtr(nullptr, R_NilValue, R_NilValue));
  R_RegisterCFinalizerEx(pointer, finalize, FALSE);
  SEXP x = PROTECT(R_new_altrep(type, pointer, R_NilValue));
  View* view = nullptr;
  Mapping memory = blocks.map(id, from, bytes);
  if (memory.at) {
    try {
      view = new View{memory, id, length, first, total};
      table.emplace(memory.at, view);
    } catch (...) { // no memory for the bookkeeping
      delete view;
      blocks.unmap(id, memory);
      view = nullptr;
    }
  }
  if (view) R_SetExternalPtrAddr(pointer, view);
  UNPROTECT(2);
  return view ? x : nullptr;
}

R_xlen_t view_length(SEXP x) { return view_in(x).length; }

void end_view(SEXP x) { finalize(R_altrep_data1(x)); }

void mark_written(View& view) {
  if (view.written) return;
  view.written = true;
  blocks.may_write(&view.memory);
}

// NULL: R writes an ordinary vector, which any R can read.
SEXP view_state(SEXP x) {
  HandleId id;
  if (!serializing || !find_block(x, &id) || top_level() != serializing_in) return nullptr;
  try { // no exception may pass through R's serializer
    add_handle(*serializing, id);
  } catch (...) {
    return nullptr;
  }
  SEXP state = PROTECT(Rf_allocVector(VECSXP, 2));
  SET_VECTOR_ELT(state, 0, handle_text(id, 'v'));
  SET_VECTOR_ELT(state, 1, Rf_ScalarReal(static_cast<double>(view_in(x).length)));
  UNPROTECT(1);
  return state;
}

R_xlen_t read_state(SEXP state, HandleId* id) {
  char kind;
  if (TYPEOF(state) != VECSXP || Rf_xlength(state) != 2 ||
      !parse_handle(VECTOR_ELT(state, 0), id, &kind))
    return -1;
  return static_cast<R_xlen_t>(Rf_asReal(VECTOR_ELT(state, 1)));
}

SEXP vector_in_block(SEXPTYPE type, uint64_t length, const HandleId& id, uint64_t first,
                     uint64_t count, bool share) {
  uint64_t size = bytes_per_element(type);
  if (!blocks.size || blocks.size(id) < length * size) return nullptr;
  R_xlen_t n = static_cast<R_xlen_t>(count);
  uint64_t bytes = count * size;
  bool whole = count == length && count > 0;
  bool adopt = whole && blocks.adopt;
  SEXP x = PROTECT(adopt ? blocks.vector_to_adopt(type, n) : Rf_allocVector(type, n));
  bool ready = adopt && blocks.adopt(id, data_of(x), bytes);
  if (!ready && count && (share || bytes > copy_limit())) {
    if (SEXP view = view_of_numbers(type, id, first, n, length)) {
      UNPROTECT(1);
      return view;
    }
  }
  if (!ready && count) blocks.read(id, first * size, bytes, data_of(x));
  UNPROTECT(1);
  return x;
}

SEXP view_of(SEXPTYPE type, R_xlen_t length, const HandleId& id) {
  if (length < 1) return nullptr;
  uint64_t n = static_cast<uint64_t>(length);
  return vector_in_block(type, n, id, 0, n, false);
}

bool find_block(SEXP x, HandleId* id) {
  bool is_text = TYPEOF(x) == STRSXP;
  if (!ALTREP(x) && (is_text || !blocks.adopted)) return false;
  if (ALTREP(x) && table.empty() && !blocks.adopted) return false;
  const void* data = is_text ? string_view_address(x) : ALTREP(x) ? DATAPTR_OR_NULL(x) : DATAPTR_RO(x);
  if (!data) return false;
  uint64_t bytes = is_text ? 0 : bytes_per_element(TYPEOF(x)) * static_cast<uint64_t>(Rf_xlength(x));
  if (!is_text && blocks.adopted && blocks.adopted(data, bytes, id)) return true;
  auto found = table.find(data);
  if (found == table.end()) return false;
  const View& view = *found->second;
  if (!view.whole() || Rf_xlength(x) != view.length) return false;
  if (is_text) {
    if (view.written) return false; // the memory itself is never written
  } else if (bytes != view.memory.bytes || !is_untouched(view)) {
    return false;
  }
  *id = view.id;
  return true;
}

bool is_untouched_view(SEXP x) {
  HandleId id;
  return find_block(x, &id);
}

SerializingViews::SerializingViews(std::vector<HandleId>* handles)
    : before_(serializing), before_in_(serializing_in) {
  int level = 0;
  if (table.empty()) handles = nullptr; // the value has no view
  if (handles)
    run_protected(
        [](void* data) {
          *static_cast<int*>(data) = top_level();
          return R_NilValue;
        },
        &level);
  serializing = handles;
  serializing_in = level;
}
SerializingViews::~SerializingViews() {
  serializing = before_;
  serializing_in = before_in_;
}

void own_views() {
  constexpr uint64_t kPage = 4096; // the smallest there is
  auto touch = [](volatile uint8_t& byte) { byte = byte; };
  for (auto& entry : table) {
    const Mapping& memory = entry.second->memory;
    for (uint64_t i = 0; i < memory.bytes; i += kPage) touch(memory.at[i]);
    if (memory.bytes) touch(memory.at[memory.bytes - 1]);
  }
}

uint64_t bytes_per_element(SEXPTYPE type) {
  switch (type) {
  case LGLSXP:
  case INTSXP:
    return 4;
  case REALSXP:
    return 8;
  case CPLXSXP:
    return 16;
  default:
    return 1;
  }
}

uint64_t bytes_in(SEXP x) {
  uint64_t n = static_cast<uint64_t>(Rf_xlength(x));
  if (TYPEOF(x) != STRSXP) return n * bytes_per_element(TYPEOF(x));
  uint64_t bytes = string_block_bytes(n);
  for (uint64_t i = 0; i < n; i++)
    bytes += static_cast<uint64_t>(LENGTH(STRING_ELT(x, static_cast<R_xlen_t>(i))));
  return bytes;
}

void* data_of(SEXP x) {
  switch (TYPEOF(x)) {
  case LGLSXP:
    return LOGICAL(x);
  case INTSXP:
    return INTEGER(x);
  case REALSXP:
    return REAL(x);
  case CPLXSXP:
    return COMPLEX(x);
  default:
    return RAW(x);
  }
}

} // namespace mp::codec
