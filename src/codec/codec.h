// R values as bytes and back: two verbs over plain memory that the caller owns.
//
//   Encoding e = encode(x);            // measure; x stays protected by the caller until write()
//   uint8_t *block = ...e.size()...;   // 8-byte aligned
//   e.write(block);
//   SEXP y = decode(block, e.size());
//
// Main thread only. Nothing here lets a longjmp of R through, except decode_small(): an R error
// arrives as Unwind, and whoever stands at the boundary to R calls R_ContinueUnwind(token).
#pragma once

#ifndef R_NO_REMAP
#define R_NO_REMAP
#endif
#include <Rinternals.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace mp::codec {

// A lock, queue, shared vector ... of the session, as it travels.
struct HandleId {
  uint32_t kind;
  uint64_t block;
  uint64_t serial;
};

inline bool operator==(const HandleId& a, const HandleId& b) {
  return a.kind == b.kind && a.block == b.block && a.serial == b.serial;
}

// Set once when the package is loaded, by the layer that knows what handles are.
struct HandleHooks {
  // Is this environment or external pointer a handle? If so its id is in `out`. Neither allocates
  // nor jumps, and always says the same of the same object: write() asks again.
  bool (*describe)(SEXP x, HandleId* out);
  // The R object for `id` in this process. May allocate and may signal R errors, but throws
  // nothing.
  SEXP (*revive)(const HandleId& id, bool external_pointer);
};
void set_hooks(const HandleHooks& hooks);

// A value that cannot travel. `where` is the path from the value that was given to the culprit, as
// an R user would write it ("$con[[2]]"); empty if it is that value itself.
struct EncodeError : std::runtime_error {
  EncodeError(std::string path, const std::string& reason)
      : std::runtime_error(reason), where(std::move(path)) {}
  std::string where;
};

// Bytes that are not an encoded value.
struct DecodeError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// An R error or another jump is under way, and stopped here.
struct Unwind {
  SEXP token;
};

class Encoding {
public:
  uint64_t size() const { return size_; } // a multiple of 8
  // Every handle inside, in order of appearance, each once.
  const std::vector<HandleId>& handles() const { return handles_; }
  // `dst` is aligned to 8 and has room for size() bytes. Reads the R value again; calls nothing of
  // R that allocates or jumps.
  void write(uint8_t* dst) const;
  // Did the value go through R's serializer?
  bool serialized() const { return serialized_ != nullptr; }

private:
  friend Encoding encode(SEXP x);
  friend class Measurer;
  friend class Writer;
  friend class Serializer;
  struct Free {
    void operator()(uint8_t* p) const;
  };
  using Memory = std::unique_ptr<uint8_t, Free>;
  struct Copy {
    SEXP of;
    Memory data;
  };

  SEXP value_ = nullptr;
  uint64_t size_ = 0;
  std::vector<HandleId> handles_;
  std::vector<Copy> copies_; // of ALTREP vectors without data, in the order of the walk
  Memory serialized_;
  uint64_t serialized_bytes_ = 0;
  uint64_t elements_ = 0;
};

// Throws EncodeError, Unwind, std::bad_alloc.
Encoding encode(SEXP x);

// The quick way for what most tasks take and give: NULL and atomic vectors without attributes that
// fit into `room` (8-byte aligned). The bytes written, or 0: then it is a case for encode(). Never
// jumps, allocates nothing.
uint64_t encode_small(SEXP x, uint8_t* dst, uint64_t room);

// Any bytes give a value or an exception (DecodeError, Unwind), with one exception: what R's
// serializer wrote is trusted. Reads nothing outside [p, p + n); n may be larger than the frame.
// The result is not protected.
SEXP decode(const uint8_t* p, uint64_t n);

// decode() for NULL and for attribute-free logicals, integers, doubles and strings of length one,
// 25 ns cheaper (14 instead of 39): it may longjmp when R is out of memory, so the caller's frames
// own nothing. nullptr if the frame is anything else, valid or not.
SEXP decode_small(const uint8_t* p, uint64_t n);

// How many elements the value has, as length() says.
uint64_t length_of(const uint8_t* p, uint64_t n);

// Elements [first, first + count) as a vector of the same type without attributes; elements of a
// list keep theirs. `*whole` is set, and NULL is returned, if the value does not allow it (it went
// through R's serializer, or is a handle): decode() it and slice in R.
SEXP decode_slice(const uint8_t* p, uint64_t n, uint64_t first, uint64_t count, bool* whole);

} // namespace mp::codec
