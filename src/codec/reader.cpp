#include "codec/reader.h"

#include <cstring>

namespace mp::codec {

namespace {

SEXPTYPE r_type(Type type) {
  switch (type) {
  case Type::logical:
    return LGLSXP;
  case Type::integer:
    return INTSXP;
  case Type::real:
    return REALSXP;
  case Type::complex:
    return CPLXSXP;
  default:
    return RAWSXP;
  }
}

StringLength length_at(const uint8_t* lengths, uint64_t i) {
  StringLength length;
  std::memcpy(&length, lengths + i * sizeof length, sizeof length);
  return length;
}

} // namespace

SEXP Reader::fail(const char* reason) {
  if (!failure_) failure_ = reason;
  return nullptr;
}

const uint8_t* Reader::take(uint64_t bytes) {
  if (bytes > left()) {
    fail("it ends too early");
    return nullptr;
  }
  const uint8_t* from = frame_ + at_;
  at_ += bytes;
  return from;
}

bool Reader::skip_to(Offset offset) {
  if (offset < at_ || offset > size_ || offset % 8 != 0)
    return fail("an offset out of range") != nullptr;
  at_ = offset;
  return true;
}

Offset Reader::offset_at(const uint8_t* offsets, uint64_t i) {
  Offset offset;
  std::memcpy(&offset, offsets + i * sizeof offset, sizeof offset);
  return offset;
}

bool Reader::header(NodeHeader* node) {
  const uint8_t* from = take(sizeof *node);
  if (!from) return false;
  std::memcpy(node, from, sizeof *node);
  Type type = static_cast<Type>(node->type);
  uint8_t flags = type == Type::handle                         ? kFlagExternalPointer
                  : element_size(type) || type == Type::string ? kFlagBlock
                                                               : 0;
  if (node->reserved != 0 || node->type > static_cast<uint8_t>(Type::nil_pointer) ||
      node->flags & ~flags)
    return fail("a node of unknown type") != nullptr;
  return true;
}

SEXP Reader::value(int depth) {
  NodeHeader node;
  if (depth > kMaxDepth) return fail("nested too deeply");
  if (!header(&node)) return nullptr;
  HandleId id;
  bool kept = recent_ && in_block(node, &id);
  if (SEXP x = kept ? recent_vector(node, id, depth) : nullptr) return x;
  SEXP x = data(node, depth);
  if (!x) return nullptr;
  PROTECT(x);
  bool good = node.attributes == 0 || attributes(node, x, depth);
  if (good && kept && !ALTREP(x)) recent_->add(id, x);
  UNPROTECT(1);
  return good ? x : nullptr;
}

// A vector of numbers that lies in a block? Reads ahead.
bool Reader::in_block(const NodeHeader& node, HandleId* id) {
  if (!(node.flags & kFlagBlock) || !element_size(static_cast<Type>(node.type))) return false;
  uint64_t start = at_;
  bool good = block_id(id);
  at_ = start;
  return good;
}

SEXP Reader::recent_vector(const NodeHeader& node, const HandleId& id, int depth) {
  SEXP x = recent_->take(id, r_type(static_cast<Type>(node.type)), node.length);
  if (!x) return nullptr;
  uint64_t start = at_;
  HandleId same_id;
  PROTECT(x);
  bool same = block_id(&same_id) && has_attributes(node, x, depth);
  if (same) recent_->add(id, x);
  UNPROTECT(1);
  if (same) return x;
  at_ = start;
  failure_ = nullptr; // data() fails again, with the reason
  return nullptr;
}

// Does `x` have the attributes that follow in the frame?
bool Reader::has_attributes(const NodeHeader& node, SEXP x, int depth) {
  constexpr int kBitByBit = 1 | 2 | 4 | 16; // of R's identical()
  uint32_t count = 0;
  r::visit_attributes(x, [&](SEXP, SEXP) { return ++count > 0; });
  if (count != node.attributes) return false;
  for (uint32_t i = 0; i < count; i++) {
    SEXP name = attribute_name();
    SEXP given = name ? value(depth + 1) : nullptr;
    SEXP had = given ? r::find_attribute(x, name) : nullptr;
    if (!had) return false;
    PROTECT(given);
    bool same = R_compute_identical(had, given, kBitByBit);
    UNPROTECT(1);
    if (!same) return false;
  }
  return true;
}

SEXP Reader::data(const NodeHeader& node, int depth) {
  Type type = static_cast<Type>(node.type);
  switch (type) {
  case Type::null:
    return node.length == 0 ? R_NilValue : fail("a NULL with a length");
  case Type::string:
    return strings(node, 0, node.length);
  case Type::list: {
    const uint8_t* table = offsets(node.length);
    return table ? elements(table, node.length, depth) : nullptr;
  }
  case Type::handle:
    return handle(node);
  case Type::nil_pointer:
    return node.length == 0 ? R_MakeExternalPtr(nullptr, R_NilValue, R_NilValue)
                            : fail("a nil pointer with a length");
  default:
    return fixed(node, 0, node.length);
  }
}

SEXP Reader::fixed(const NodeHeader& node, uint64_t first, uint64_t count) {
  Type type = static_cast<Type>(node.type);
  uint64_t length = node.length, size = element_size(type);
  if (node.flags & kFlagBlock) {
    HandleId id;
    if (length == 0 || length > (UINT64_MAX >> 1) / size || !block_id(&id))
      return fail("a block that cannot be one");
    SEXP x = vector_in_block(r_type(type), length, id, first, count, share_);
    return x ? x : fail("a block that is not there");
  }
  if (length > left() / size) return fail("a vector runs past the end");
  const uint8_t* from = take(round_up(length * size));
  if (!from) return nullptr;
  SEXP x = Rf_allocVector(r_type(type), static_cast<R_xlen_t>(count));
  if (count) std::memcpy(data_of(x), from + first * size, count * size);
  return x;
}

SEXP Reader::strings(const NodeHeader& node, uint64_t first, uint64_t count) {
  uint64_t length = node.length;
  if (node.flags & kFlagBlock) {
    HandleId id;
    if (length == 0 || !block_id(&id)) return fail("a block that cannot be one");
    SEXP x = strings_in_block(length, id, first, count, share_ ? 0 : recent_ ? copy_limit() : text_copy_limit());
    return x ? x : fail("a block that is not there");
  }
  if (length > left() / kStringEntry) return fail("a string vector runs past the end");
  uint64_t start = at_;
  const uint8_t* lengths = take(length * sizeof(StringLength));
  const uint8_t* encodings = take(length);
  uint64_t before = 0;
  for (uint64_t i = 0; i < first; i++) {
    StringLength bytes = length_at(lengths, i);
    before += bytes > 0 ? static_cast<uint64_t>(bytes) : 0;
  }
  if (!take(before)) return nullptr;
  SEXP x = PROTECT(Rf_allocVector(STRSXP, static_cast<R_xlen_t>(count)));
  for (uint64_t i = 0; i < count; i++) {
    SEXP s = string(length_at(lengths, first + i), encodings[first + i]);
    if (!s) {
      UNPROTECT(1);
      return nullptr;
    }
    SET_STRING_ELT(x, static_cast<R_xlen_t>(i), s);
  }
  UNPROTECT(1);
  uint64_t used = at_ - start;
  return take(round_up(used) - used) ? x : nullptr;
}

SEXP Reader::string(StringLength length, uint8_t encoding) {
  if (length == kNaString)
    return encoding == CE_NATIVE ? NA_STRING : fail("an NA with an encoding");
  if (length < 0) return fail("a string of negative length");
  if (encoding != CE_NATIVE && encoding != CE_UTF8 && encoding != CE_LATIN1 && encoding != CE_BYTES)
    return fail("a string of unknown encoding");
  const uint8_t* text = take(static_cast<uint64_t>(length));
  if (!text) return nullptr;
  if (length && std::memchr(text, 0, static_cast<size_t>(length)))
    return fail("a zero within a string");
  return Rf_mkCharLenCE(reinterpret_cast<const char*>(text), length,
                        static_cast<cetype_t>(encoding));
}

const uint8_t* Reader::offsets(uint64_t length) {
  if (length > left() / (sizeof(Offset) + sizeof(NodeHeader))) {
    fail("a list runs past the end");
    return nullptr;
  }
  return take(length * sizeof(Offset));
}

SEXP Reader::elements(const uint8_t* offsets, uint64_t count, int depth) {
  SEXP x = PROTECT(Rf_allocVector(VECSXP, static_cast<R_xlen_t>(count)));
  for (uint64_t i = 0; i < count; i++) {
    SEXP element = offset_at(offsets, i) == at_ ? value(depth + 1) : fail("a list with gaps");
    if (!element) {
      UNPROTECT(1);
      return nullptr;
    }
    SET_VECTOR_ELT(x, static_cast<R_xlen_t>(i), element);
  }
  UNPROTECT(1);
  return x;
}

bool Reader::block_id(HandleId* id) {
  const uint8_t* from = take(sizeof(HandleRecord));
  if (!from) return false;
  HandleRecord record;
  std::memcpy(&record, from, sizeof record);
  *id = {record.kind, record.block, record.serial};
  return record.reserved == 0;
}

SEXP Reader::handle(const NodeHeader& node) {
  HandleId id;
  if (!block_id(&id) || node.length != 1 || !hooks.revive)
    return fail("a handle that cannot be one");
  return hooks.revive(id, (node.flags & kFlagExternalPointer) != 0);
}

SEXP Reader::attribute_name() {
  AttributeName name;
  const uint8_t* from = take(sizeof name);
  if (!from) return nullptr;
  std::memcpy(&name, from, sizeof name);
  if (name.bytes == 0 || name.bytes > kMaxAttributeName || name.encoding == CE_BYTES ||
      name.reserved[0] || name.reserved[1] || name.reserved[2])
    return fail("an attribute without a proper name");
  uint64_t end = at_ + round_up(name.bytes);
  SEXP text = string(static_cast<StringLength>(name.bytes), name.encoding);
  if (!text || !take(end - at_)) return nullptr;
  PROTECT(text);
  SEXP symbol = Rf_installTrChar(text);
  UNPROTECT(1);
  return symbol;
}

bool Reader::attributes(const NodeHeader& node, SEXP x, int depth) {
  if (!Rf_isVector(x)) return fail("attributes of a value that has none") != nullptr;
  SEXP all = PROTECT(Rf_cons(R_NilValue, R_NilValue)), last = all, dim = nullptr;
  for (uint32_t i = 0; i < node.attributes; i++) {
    SEXP name = attribute_name();
    SEXP given = name ? value(depth + 1) : nullptr;
    if (!given) break;
    last = SETCDR(last, Rf_cons(given, R_NilValue));
    SET_TAG(last, name);
    if (name == R_DimSymbol) dim = given;
  }
  bool good = !failure_ && set_attributes(x, CDR(all), dim);
  UNPROTECT(1);
  return good;
}

bool Reader::set_attributes(SEXP x, SEXP all, SEXP dim) {
  AttributeCheck check(x, dim);
  for (SEXP cell = all; cell != R_NilValue; cell = CDR(cell)) {
    if (!check.accepts(TAG(cell), CAR(cell)))
      return fail("an attribute that does not fit its value") != nullptr;
    bool needs_dim = TAG(cell) == R_TspSymbol && check.dim_follows(); // R counts the rows
    if (needs_dim) Rf_setAttrib(x, R_DimSymbol, dim);
    SEXP given = PROTECT(CAR(cell));
    SETCAR(cell, R_NilValue);          // nothing else refers to it, so R stores it as it is
    Rf_setAttrib(x, TAG(cell), given); // marks a value with a class as an object, too
    UNPROTECT(1);
    if (needs_dim) Rf_setAttrib(x, R_DimSymbol, R_NilValue); // it keeps its place in the order
  }
  return true;
}

} // namespace mp::codec
