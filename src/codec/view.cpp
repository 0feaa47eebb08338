// Views: R vectors over a private mapping of a block. Reading costs no copy; a write goes to pages
// of this process's own, and is seen by nobody else. ALTREP, as nothing else lets an R vector lie
// where we want without R's collector counting its bytes.
//
//   data1   external pointer to the View; its finalizer unmaps
//   data2   unused
//
// A forked child has the View, its mapping and its table; what it unmaps is its own.
#include "codec/internal.h"

#include <R_ext/Altrep.h>

#include <cstring>
#include <unordered_map>

namespace mp::codec {

namespace {

constexpr uint64_t kCheapCopy = 16 * 1024; // less than a mapping and an object with a finalizer

struct View {
  Mapping memory;
  R_xlen_t length;
  HandleId id;
  uint64_t first; // byte of the block where it begins
  bool whole;     // it is all that the block holds
  bool written;   // somebody got a pointer for writing
};

R_altrep_class_t logical_class, integer_class, real_class, complex_class, raw_class;

// Where views lie: R wraps vectors, and a wrapper's data are found by their address alone. Never
// destroyed: R's finalizers may run after the destructors of static objects.
std::unordered_map<const void*, View*>& table = *new std::unordered_map<const void*, View*>;

std::vector<HandleId>* serializing = nullptr;

R_altrep_class_t class_of(SEXPTYPE type) {
  switch (type) {
  case LGLSXP:
    return logical_class;
  case INTSXP:
    return integer_class;
  case REALSXP:
    return real_class;
  case CPLXSXP:
    return complex_class;
  default:
    return raw_class;
  }
}

View& view_in(SEXP x) { return *static_cast<View*>(R_ExternalPtrAddr(R_altrep_data1(x))); }

void finalize(SEXP pointer) { // within a collection: calls nothing of R that allocates
  auto* view = static_cast<View*>(R_ExternalPtrAddr(pointer));
  if (!view) return;
  R_ClearExternalPtr(pointer);
  table.erase(view->memory.at);
  blocks.unmap(view->id, view->memory);
  delete view;
}

// nullptr: no room for one more mapping. May jump; owns nothing when it does.
SEXP new_view(SEXPTYPE type, const HandleId& id, uint64_t first, R_xlen_t length, bool whole) {
  uint64_t size = bytes_per_element(type), bytes = static_cast<uint64_t>(length) * size;
  SEXP pointer = PROTECT(R_MakeExternalPtr(nullptr, R_NilValue, R_NilValue));
  R_RegisterCFinalizerEx(pointer, finalize, FALSE);
  SEXP x = PROTECT(R_new_altrep(class_of(type), pointer, R_NilValue));
  View* view = nullptr;
  Mapping memory = blocks.map(id, first * size, bytes);
  if (memory.at) {
    try {
      view = new View{memory, length, id, first * size, whole, false};
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

bool is_untouched(const View& view) {
  return !view.written || blocks.untouched(view.memory.at, view.memory.bytes);
}

// --- methods: none is called before new_view() has returned ------------------------------------

R_xlen_t length_method(SEXP x) { return view_in(x).length; }

void* pointer_method(SEXP x, Rboolean writable) {
  View& view = view_in(x);
  if (writable && !view.written) {
    view.written = true;
    blocks.may_write(&view.memory);
  }
  return view.memory.at;
}

const void* pointer_or_null_method(SEXP x) { return view_in(x).memory.at; }

// The same bytes once more, copied only where one of both is written.
SEXP duplicate_method(SEXP x, Rboolean) {
  View& view = view_in(x);
  if (view.memory.bytes >= kCheapCopy && is_untouched(view)) {
    uint64_t size = bytes_per_element(TYPEOF(x));
    SEXP again = new_view(TYPEOF(x), view.id, view.first / size, view.length, view.whole);
    if (again) return again;
  }
  SEXP copy = Rf_allocVector(TYPEOF(x), view.length);
  std::memcpy(data_of(copy), view.memory.at, view.memory.bytes);
  return copy;
}

// NULL: R writes an ordinary vector, which any R can read.
SEXP state_method(SEXP x) {
  HandleId id;
  if (!serializing || !find_block(x, &id)) return nullptr;
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

template <SEXPTYPE type> SEXP unserialize_method(SEXP, SEXP state) {
  HandleId id;
  char kind;
  SEXP x = nullptr;
  if (TYPEOF(state) == VECSXP && Rf_xlength(state) == 2 &&
      parse_handle(VECTOR_ELT(state, 0), &id, &kind))
    x = view_of(type, static_cast<R_xlen_t>(Rf_asReal(VECTOR_ELT(state, 1))), id);
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

template <SEXPTYPE type> void common_methods(R_altrep_class_t c) {
  R_set_altrep_Length_method(c, length_method);
  R_set_altrep_Duplicate_method(c, duplicate_method);
  R_set_altrep_Serialized_state_method(c, state_method);
  R_set_altrep_Unserialize_method(c, unserialize_method<type>);
  R_set_altvec_Dataptr_method(c, pointer_method);
  R_set_altvec_Dataptr_or_null_method(c, pointer_or_null_method);
}

} // namespace

void register_views(DllInfo* dll) {
  const char* package = "multiprocessing";
  logical_class = R_make_altlogical_class("shared_logical", package, dll);
  common_methods<LGLSXP>(logical_class);
  R_set_altlogical_Elt_method(logical_class, element_method<int>);
  R_set_altlogical_Get_region_method(logical_class, region_method<int>);
  integer_class = R_make_altinteger_class("shared_integer", package, dll);
  common_methods<INTSXP>(integer_class);
  R_set_altinteger_Elt_method(integer_class, element_method<int>);
  R_set_altinteger_Get_region_method(integer_class, region_method<int>);
  real_class = R_make_altreal_class("shared_real", package, dll);
  common_methods<REALSXP>(real_class);
  R_set_altreal_Elt_method(real_class, element_method<double>);
  R_set_altreal_Get_region_method(real_class, region_method<double>);
  complex_class = R_make_altcomplex_class("shared_complex", package, dll);
  common_methods<CPLXSXP>(complex_class);
  R_set_altcomplex_Elt_method(complex_class, element_method<Rcomplex>);
  R_set_altcomplex_Get_region_method(complex_class, region_method<Rcomplex>);
  raw_class = R_make_altraw_class("shared_raw", package, dll);
  common_methods<RAWSXP>(raw_class);
  R_set_altraw_Elt_method(raw_class, element_method<Rbyte>);
  R_set_altraw_Get_region_method(raw_class, region_method<Rbyte>);
}

SEXP vector_in_block(SEXPTYPE type, uint64_t length, const HandleId& id, uint64_t first,
                     uint64_t count) {
  uint64_t size = bytes_per_element(type);
  if (!blocks.has || !blocks.has(id, length * size)) return nullptr;
  R_xlen_t n = static_cast<R_xlen_t>(count);
  bool whole = count == length;
  if (count && (whole || count * size >= kBlockBytes))
    if (SEXP x = new_view(type, id, first, n, whole)) return x;
  SEXP copy = Rf_allocVector(type, n);
  if (count) blocks.read(id, first * size, count * size, data_of(copy));
  return copy;
}

SEXP view_of(SEXPTYPE type, R_xlen_t length, const HandleId& id) {
  if (length < 1) return nullptr;
  uint64_t n = static_cast<uint64_t>(length);
  return vector_in_block(type, n, id, 0, n);
}

bool find_block(SEXP x, HandleId* id) {
  if (!ALTREP(x) || TYPEOF(x) == STRSXP || table.empty()) return false;
  const void* data = DATAPTR_OR_NULL(x);
  auto found = data ? table.find(data) : table.end();
  if (found == table.end()) return false;
  const View& view = *found->second;
  if (!view.whole || static_cast<uint64_t>(Rf_xlength(x)) != static_cast<uint64_t>(view.length) ||
      bytes_per_element(TYPEOF(x)) * static_cast<uint64_t>(view.length) != view.memory.bytes ||
      !is_untouched(view))
    return false;
  *id = view.id;
  return true;
}

bool is_untouched_view(SEXP x) {
  HandleId id;
  return find_block(x, &id);
}

SerializingViews::SerializingViews(std::vector<HandleId>* handles) : before_(serializing) {
  serializing = handles;
}
SerializingViews::~SerializingViews() { serializing = before_; }

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
  return static_cast<uint64_t>(Rf_xlength(x)) * bytes_per_element(TYPEOF(x));
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
