// Views of strings. A string becomes one of R's when it is first asked for: R's own table of
// strings is what makes decoding slow, and most readers of a long vector want a part of it.
//
//   data1   external pointer to the View of the whole block
//   data2   NULL, then a string vector with those that were asked for, and `absent` for the others
//
// The block is checked when a string is read, not before: nothing is believed of it but its length
// and size.
#include "codec/view.h"

#include <climits>
#include <cstring>

namespace mp::codec {

namespace {

R_altrep_class_t string_class;
bool address_wanted = false; // set by string_view_address(), for the view that it asks next

SEXP absent() { // a string of our own, recognized by its address
  static SEXP text = nullptr;
  if (!text) {
    text = Rf_mkCharCE("\001multiprocessing: not read yet\001", CE_BYTES);
    R_PreserveObject(text);
  }
  return text;
}

// String i of the n in a block. May signal an R error.
SEXP read_string(const uint8_t* block, uint64_t bytes, uint64_t n, uint64_t i) {
  const uint8_t* texts = block + string_block_bytes(n);
  StringOffset ends[2];
  std::memcpy(ends, block + string_block_offset(i), sizeof ends);
  uint8_t encoding = block[string_block_encodings(n) + i];
  if (encoding == kNaEncoding) return NA_STRING;
  bool sound = ends[0] <= ends[1] && ends[1] <= bytes - string_block_bytes(n) &&
               ends[1] - ends[0] <= INT_MAX &&
               (encoding == CE_NATIVE || encoding == CE_UTF8 || encoding == CE_LATIN1 ||
                encoding == CE_BYTES);
  const char* text = reinterpret_cast<const char*>(texts + (sound ? ends[0] : 0));
  size_t length = sound ? ends[1] - ends[0] : 0;
  if (!sound || (length && std::memchr(text, 0, length)))
    Rf_error("a string in shared memory is damaged");
  return Rf_mkCharLenCE(text, static_cast<int>(length), static_cast<cetype_t>(encoding));
}

SEXP strings_of(SEXP x) { // data2, made when it is first needed
  SEXP strings = R_altrep_data2(x);
  if (strings != R_NilValue) return strings;
  R_xlen_t n = view_in(x).length;
  strings = PROTECT(Rf_allocVector(STRSXP, n));
  SEXP nothing = absent();
  for (R_xlen_t i = 0; i < n; i++) SET_STRING_ELT(strings, i, nothing);
  R_set_altrep_data2(x, strings);
  UNPROTECT(1);
  return strings;
}

SEXP element_method(SEXP x, R_xlen_t i) {
  SEXP strings = strings_of(x), s = STRING_ELT(strings, i);
  if (s != absent()) return s;
  const View& view = view_in(x);
  s = read_string(view.memory.at, view.memory.bytes, view.total,
                  view.first + static_cast<uint64_t>(i));
  SET_STRING_ELT(strings, i, s);
  return s;
}

SEXP all_strings(SEXP x) {
  View& view = view_in(x);
  if (!view.complete) {
    for (R_xlen_t i = 0; i < view.length; i++) element_method(x, i);
    view.complete = true;
  }
  return strings_of(x);
}

void set_element_method(SEXP x, R_xlen_t i, SEXP s) {
  mark_written(view_in(x));
  SET_STRING_ELT(strings_of(x), i, s);
}

void* pointer_method(SEXP x, Rboolean writable) {
  SEXP strings = all_strings(x);
  if (writable) mark_written(view_in(x));
  return const_cast<SEXP*>(STRING_PTR_RO(strings));
}

const void* pointer_or_null_method(SEXP x) {
  if (address_wanted) {
    address_wanted = false;
    return view_in(x).memory.at;
  }
  return view_in(x).complete ? STRING_PTR_RO(strings_of(x)) : nullptr;
}

SEXP duplicate_method(SEXP x, Rboolean) {
  View& view = view_in(x);
  if (!view.written && !view.complete) {
    SEXP again =
        new_view(string_class, view.id, 0, view.memory.bytes, view.length, view.first, view.total);
    if (again) return again;
  }
  return Rf_shallow_duplicate(all_strings(x));
}

SEXP unserialize_method(SEXP, SEXP state) {
  HandleId id;
  R_xlen_t length = read_state(state, &id);
  uint64_t n = static_cast<uint64_t>(length);
  SEXP x = length > 0 ? strings_in_block(n, id, 0, n, copy_limit()) : nullptr;
  if (!x) Rf_error("the serialized value refers to memory that is not there");
  return x;
}

} // namespace

void register_string_views(DllInfo* dll) {
  R_altrep_class_t c = R_make_altstring_class("shared_string", kPackageName, dll);
  string_class = c;
  R_set_altrep_Length_method(c, view_length);
  R_set_altrep_Duplicate_method(c, duplicate_method);
  R_set_altrep_Serialized_state_method(c, view_state);
  R_set_altrep_Unserialize_method(c, unserialize_method);
  R_set_altvec_Dataptr_method(c, pointer_method);
  R_set_altvec_Dataptr_or_null_method(c, pointer_or_null_method);
  R_set_altstring_Elt_method(c, element_method);
  R_set_altstring_Set_elt_method(c, set_element_method);
}

const void* string_view_address(SEXP x) {
  // R's wrappers lie around a view; another package's vector is not asked, as it may run R code,
  // and in it finalizers, while the address is wanted.
  SEXP inner = x;
  while (ALTREP(inner) && TYPEOF(inner) == STRSXP && !R_altrep_inherits(inner, string_class))
    inner = R_altrep_data1(inner);
  if (!ALTREP(inner) || TYPEOF(inner) != STRSXP) return nullptr;
  address_wanted = true;
  const void* at = DATAPTR_OR_NULL(x);
  address_wanted = false;
  return at;
}

SEXP strings_in_block(uint64_t length, const HandleId& id, uint64_t first, uint64_t count,
                      uint64_t copy_up_to) {
  uint64_t bytes = blocks.size ? blocks.size(id) : 0;
  if (length > bytes / sizeof(StringOffset) || bytes < string_block_bytes(length)) return nullptr;
  uint64_t written; // a frame that lies about the length would make other strings of the bytes
  blocks.read(id, 0, sizeof written, &written);
  if (written != length) return nullptr;
  if (count == 0) return Rf_allocVector(STRSXP, 0);
  SEXP x = PROTECT(Rf_allocVector(STRSXP, static_cast<R_xlen_t>(count)));
  auto fill = [&](const uint8_t* block) {
    for (uint64_t i = 0; i < count; i++)
      SET_STRING_ELT(x, static_cast<R_xlen_t>(i), read_string(block, bytes, length, first + i));
  };
  SEXP view =
      new_view(string_class, id, 0, bytes, static_cast<R_xlen_t>(count), first, length);
  if (view && bytes / length * count > copy_up_to) {
    UNPROTECT(1);
    return view;
  }
  if (view) {
    PROTECT(view);
    fill(view_in(view).memory.at);
    end_view(view);
  } else {
    SEXP copy = PROTECT(Rf_allocVector(RAWSXP, static_cast<R_xlen_t>(bytes)));
    blocks.read(id, 0, bytes, RAW(copy));
    fill(RAW(copy));
  }
  UNPROTECT(2);
  return x;
}

} // namespace mp::codec
