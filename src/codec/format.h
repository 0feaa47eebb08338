// The bytes of an encoded value. README.md beside this file has the diagrams; this header has the
// structs, the numbers and the asserts. All integers are in native byte order: a frame never leaves
// the machine. No R header is needed to read this file.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mp::codec {

constexpr uint32_t kMagic = 0x3143504d; // "MPC1" in memory
constexpr uint8_t kVersion = 1;

// Values nested deeper than this travel through R's serializer, so that neither writer nor reader
// can exhaust the C stack.
constexpr int kMaxDepth = 512;

// R refuses longer symbols.
constexpr uint32_t kMaxAttributeName = 10000;

enum class FrameKind : uint8_t {
  plain = 1,      // one node
  serialized = 2, // SerializedHeader, then R's serialization (version 3, native binary)
  out_of_band = 3,     // the same, of a list whose last element is the value, see out_of_band.h
};

struct FrameHeader {
  uint32_t magic;
  uint8_t version;
  uint8_t kind;
  uint16_t reserved; // 0
  uint64_t size;     // of the whole frame with this header, a multiple of 8
};

enum class Type : uint8_t {
  null = 0,
  logical = 1,
  integer = 2,
  real = 3,
  complex = 4,
  raw = 5,
  string = 6,
  list = 7,
  handle = 8, // one HandleRecord; the node's flag tells an external pointer from an environment
  nil_pointer = 9, // an external pointer within attributes
};

constexpr uint8_t kFlagExternalPointer = 1;
constexpr uint8_t kFlagBlock = 2; // of logical .. string: the data are a HandleRecord

struct NodeHeader {
  uint8_t type;
  uint8_t flags;
  uint16_t reserved;   // 0
  uint32_t attributes; // how many follow the data
  uint64_t length;     // in elements, as R counts them
};

struct AttributeName {
  uint32_t bytes;
  uint8_t encoding;
  uint8_t reserved[3]; // 0
};

struct HandleRecord {
  uint32_t kind;
  uint32_t reserved; // 0
  uint64_t block;
  uint64_t serial;
};

struct SerializedHeader {
  uint64_t bytes;    // of R's serialization, which follows
  uint64_t elements; // length() of the value
};

// A string vector of n: n lengths, n encodings, then the bytes of all strings without separators.
using StringLength = int32_t;
constexpr StringLength kNaString = -1;
constexpr uint64_t kStringEntry = sizeof(StringLength) + 1;

// A string vector in a block of its own: n; where each of the n strings begins in the bytes, and
// where the last one ends; n encodings; the bytes. So each can be read alone.
using StringOffset = uint64_t;
constexpr uint8_t kNaEncoding = 255; // and no bytes
constexpr uint64_t string_block_offset(uint64_t i) { return (1 + i) * sizeof(StringOffset); }
constexpr uint64_t string_block_encodings(uint64_t n) { return string_block_offset(n + 1); }
constexpr uint64_t string_block_bytes(uint64_t n) { // without those of the strings
  return string_block_encodings(n) + n;
}

// A list of n: n offsets from the start of the frame, then the elements, which follow each other
// without gaps. A reader insists on that, so that every byte is read at most once: otherwise a
// small hostile frame could stand for an enormous value.
using Offset = uint64_t;

constexpr uint64_t round_up(uint64_t bytes) { return (bytes + 7) & ~uint64_t{7}; }

constexpr uint64_t element_size(Type type) {
  switch (type) {
  case Type::logical:
  case Type::integer:
    return 4;
  case Type::real:
    return 8;
  case Type::complex:
    return 16;
  case Type::raw:
    return 1;
  default:
    return 0;
  }
}

static_assert(sizeof(FrameHeader) == 16 && offsetof(FrameHeader, kind) == 5 &&
                  offsetof(FrameHeader, size) == 8,
              "a frame written by one build is read by another of the same session");
static_assert(sizeof(NodeHeader) == 16 && offsetof(NodeHeader, attributes) == 4 &&
                  offsetof(NodeHeader, length) == 8,
              "data follow a node's header and must stay aligned to 8");
static_assert(sizeof(AttributeName) == 8, "an attribute's node must stay aligned to 8");
static_assert(sizeof(HandleRecord) == 24 && sizeof(SerializedHeader) == 16,
              "what follows must stay aligned to 8");

} // namespace mp::codec
