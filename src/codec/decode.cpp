// The reading verbs: what a frame is, whole or in slices. Reading its nodes is in reader.cpp.
#include "codec/reader.h"

#include <cstring>

namespace mp::codec {

namespace {

constexpr uint64_t kHeaders = sizeof(FrameHeader) + sizeof(NodeHeader);

[[noreturn]] void refuse(const char* reason) {
  throw DecodeError(std::string("not a value that was encoded here: ") + reason);
}

FrameHeader frame_at(const uint8_t* p, uint64_t n) {
  FrameHeader frame;
  if (n < kHeaders) refuse("it ends too early");
  std::memcpy(&frame, p, sizeof frame);
  if (frame.magic != kMagic || frame.version != kVersion || frame.reserved != 0)
    refuse("it starts with something else");
  if (frame.kind < static_cast<uint8_t>(FrameKind::plain) ||
      frame.kind > static_cast<uint8_t>(FrameKind::out_of_band))
    refuse("a frame of unknown kind");
  if (frame.size < kHeaders || frame.size > n || frame.size % 8 != 0)
    refuse("its size is out of range");
  return frame;
}

bool is_serialized(const FrameHeader& frame) {
  return frame.kind != static_cast<uint8_t>(FrameKind::plain);
}

SerializedHeader serialized_at(const uint8_t* p, const FrameHeader& frame) {
  SerializedHeader header;
  std::memcpy(&header, p + sizeof(FrameHeader), sizeof header);
  if (header.bytes > frame.size - kHeaders) refuse("it ends too early");
  return header;
}

NodeHeader root_at(const uint8_t* p) {
  NodeHeader root;
  if (!Reader(p, kHeaders, sizeof(FrameHeader)).header(&root)) refuse("a node of unknown type");
  return root;
}

// Runs `read`, which gives nullptr for bad bytes, on a reader that starts at `at`.
template <class Read>
SEXP with_reader(const uint8_t* p, uint64_t size, uint64_t at, bool share, RecentVectors* recent, Read&& read) {
  const char* failure = nullptr;
  SEXP x = protect([&] {
    Reader in(p, size, at, share, recent);
    SEXP value = read(in);
    if (!value) failure = in.failure() ? in.failure() : "it has another length than it says";
    return value ? value : R_NilValue;
  });
  if (failure) refuse(failure);
  return x;
}

} // namespace

SEXP decode(const uint8_t* p, uint64_t n, bool share, RecentVectors* recent) {
  FrameHeader frame = frame_at(p, n);
  if (is_serialized(frame))
    return Serializer::decode(p + kHeaders, serialized_at(p, frame).bytes,
                              frame.kind == static_cast<uint8_t>(FrameKind::out_of_band));
  return with_reader(p, frame.size, sizeof(FrameHeader), share, recent, [](Reader& in) {
    SEXP value = in.value(0);
    return in.at_end() ? value : nullptr;
  });
}

SEXP decode_or_refuse(const uint8_t* p, uint64_t n) {
  FrameHeader frame = frame_at(p, n);
  if (!is_serialized(frame)) return decode(p, n);
  return Serializer::decode(p + kHeaders, serialized_at(p, frame).bytes,
                            frame.kind == static_cast<uint8_t>(FrameKind::out_of_band), true);
}

SEXP decode_small(const uint8_t* p, uint64_t n) {
  FrameHeader frame;
  NodeHeader node;
  if (n < kHeaders) return nullptr;
  std::memcpy(&frame, p, sizeof frame);
  std::memcpy(&node, p + sizeof frame, sizeof node);
  if (frame.magic != kMagic || frame.version != kVersion ||
      frame.kind != static_cast<uint8_t>(FrameKind::plain) || frame.reserved != 0 || frame.size > n ||
      node.flags != 0 || node.reserved != 0 || node.attributes != 0)
    return nullptr;
  Type type = static_cast<Type>(node.type);
  if (type == Type::null && node.length == 0 && frame.size == kHeaders) return R_NilValue;
  if (node.length != 1 || frame.size < kHeaders + sizeof(double)) return nullptr;
  if (type == Type::string) {
    Reader in(p, frame.size, kHeaders);
    SEXP x = in.strings(node, 0, 1);
    return in.at_end() ? x : nullptr;
  }
  if (frame.size != kHeaders + sizeof(double)) return nullptr;
  if (type == Type::real) {
    double value;
    std::memcpy(&value, p + kHeaders, sizeof value);
    return Rf_ScalarReal(value);
  }
  int value;
  std::memcpy(&value, p + kHeaders, sizeof value);
  if (type == Type::integer) return Rf_ScalarInteger(value);
  if (type == Type::logical && (value == 0 || value == 1 || value == NA_LOGICAL))
    return Rf_ScalarLogical(value); // R's constants
  return nullptr;
}

uint64_t length_of(const uint8_t* p, uint64_t n) {
  FrameHeader frame = frame_at(p, n);
  return is_serialized(frame) ? serialized_at(p, frame).elements : root_at(p).length;
}

SEXP decode_slice(const uint8_t* p, uint64_t n, uint64_t first, uint64_t count, bool* whole, RecentVectors* recent) {
  *whole = false;
  FrameHeader frame = frame_at(p, n);
  uint64_t length = length_of(p, n);
  if (first > length || count > length - first) refuse("the slice is out of range");
  NodeHeader root = is_serialized(frame) ? NodeHeader{} : root_at(p);
  Type type = static_cast<Type>(root.type);
  if (is_serialized(frame) || type == Type::handle) {
    *whole = true;
    return R_NilValue;
  }
  if (type == Type::null || type == Type::nil_pointer) return R_NilValue;
  return with_reader(p, frame.size, kHeaders, false, recent, [&](Reader& in) -> SEXP {
    if (type == Type::string) return in.strings(root, first, count);
    if (type != Type::list) return in.fixed(root, first, count);
    const uint8_t* table = in.offsets(length);
    if (!table || (count && !in.skip_to(Reader::offset_at(table, first)))) return nullptr;
    return in.elements(table + first * sizeof(Offset), count, 0);
  });
}

} // namespace mp::codec
