// Reads the nodes of a frame. Every length and offset is copied out of the frame, checked, and only
// then used. A reader's frames own nothing, as any of R's allocations may jump; it reports bad
// bytes by returning nullptr all the way up, so that every PROTECT finds its UNPROTECT.
#pragma once

#include "codec/internal.h"

namespace mp::codec {

class Reader {
public:
  Reader(const uint8_t* frame, uint64_t size, uint64_t at, bool share = false, RecentVectors* recent = nullptr)
      : frame_(frame), size_(size), at_(at), share_(share), recent_(recent) {}

  const char* failure() const { return failure_; }
  bool at_end() const { return at_ == size_; }

  bool header(NodeHeader* node);
  SEXP value(int depth); // a node: header, data, attributes

  // The header is behind us: elements [first, first + count) of those that start here.
  SEXP fixed(const NodeHeader& node, uint64_t first, uint64_t count);
  SEXP strings(const NodeHeader& node, uint64_t first, uint64_t count);

  // The table of a list whose header is behind us, and the `count` elements that start here.
  const uint8_t* offsets(uint64_t length);
  SEXP elements(const uint8_t* offsets, uint64_t count, int depth);
  bool skip_to(Offset offset); // forward only
  static Offset offset_at(const uint8_t* offsets, uint64_t i);

private:
  SEXP fail(const char* reason);
  const uint8_t* take(uint64_t bytes);
  uint64_t left() const { return size_ - at_; }
  SEXP data(const NodeHeader& node, int depth);
  SEXP string(StringLength length, uint8_t encoding);
  SEXP handle(const NodeHeader& node);
  bool block_id(HandleId* id);
  SEXP attribute_name();
  bool in_block(const NodeHeader& node, HandleId* id);
  SEXP recent_vector(const NodeHeader& node, const HandleId& id, int depth); // nullptr: none, and nothing was read
  bool has_attributes(const NodeHeader& node, SEXP x, int depth);
  bool attributes(const NodeHeader& node, SEXP x, int depth); // x is protected
  bool set_attributes(SEXP x, SEXP all, SEXP dim);            // a pairlist, protected

  const uint8_t* frame_;
  uint64_t size_;
  uint64_t at_; // never beyond size_
  bool share_;
  RecentVectors* recent_;
  const char* failure_ = nullptr;
};

} // namespace mp::codec
