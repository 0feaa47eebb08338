// What views of numbers (view.cpp) and of strings (string_view.cpp) share.
#pragma once

#include "codec/internal.h"

#include <R_ext/Altrep.h>

namespace mp::codec {

struct View {
  Mapping memory;
  HandleId id;
  R_xlen_t length;
  uint64_t first;        // element of the block where it begins
  uint64_t total;        // elements of the block
  bool written = false;  // a pointer for writing was given out, or it was written
  bool complete = false; // of strings: all were read
  bool whole() const { return first == 0 && static_cast<uint64_t>(length) == total; }
};

View& view_in(SEXP x);

// An object of the class over [from, from + bytes) of the block. nullptr: no room for one more
// mapping. May jump; owns nothing when it does.
SEXP new_view(R_altrep_class_t type, const HandleId& id, uint64_t from, uint64_t bytes,
              R_xlen_t length, uint64_t first, uint64_t total);

// Unmaps it: the object must not be used any more.
void end_view(SEXP x);

R_xlen_t view_length(SEXP x);
SEXP view_state(SEXP x); // for R's serializer
// The element number of such a state, -1 if it is none.
R_xlen_t read_state(SEXP state, HandleId* id);
void mark_written(View& view);

void register_string_views(DllInfo* dll);
// The address of the memory of the string view that `x` is, or that `x` wraps (R wraps views, and a
// wrapper gives the data pointer of what is in it); otherwise another address, which is none of a view.
const void* string_view_address(SEXP x);

} // namespace mp::codec
