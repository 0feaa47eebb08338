// R values as bytes and back: two verbs over plain memory that the caller owns.
//
//   Encoding e = encode(x);            // measure; x stays protected by the caller until write()
//   uint8_t *block = ...e.size()...;   // 8-byte aligned
//   e.write(block);
//   SEXP y = decode(block, e.size());
//
// Main thread only. Nothing here lets a longjmp of R through, except decode_small(): an R error
// arrives as Unwind, and the code at the boundary to R calls continue_unwind().
#pragma once

#include "r/unwind.h"

#include <R_ext/Rdynload.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace mp::codec {

using bind::protect;
using bind::run_protected;
using bind::Unwind;

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
  // nor jumps, and always gives the same answer for the same object: write() asks again.
  bool (*describe)(SEXP x, HandleId* out);
  // The R object for `id` in this process. May allocate and may signal R errors, but throws
  // nothing.
  SEXP (*revive)(const HandleId& id, bool external_pointer);
  // This process's own pointer instead of one of PointersKept; NULL if it has none. Neither allocates nor jumps.
  SEXP (*own_pointer)(uint64_t address);
};

// External pointers that the receiver has, too, as it is a fork: where each of them pointed to when it was forked. As long as
// one points there it is sent as the address of its object.
using PointersKept = std::unordered_map<SEXP, void*>;
inline bool is_kept(SEXP x, const PointersKept* kept) {
  if (!kept || TYPEOF(x) != EXTPTRSXP) return false;
  auto known = kept->find(x);
  return known != kept->end() && known->second == R_ExternalPtrAddr(x);
}
void set_hooks(const HandleHooks& hooks);

struct Mapping {
  uint8_t* at;
  uint64_t bytes;
  uint64_t charge; // for use by map() and unmap()
};

// Large vectors lie in blocks of their own, apart from the frame that names them. Without these
// hooks everything is in the frame, and a frame that names a block is refused.
struct BlockHooks {
  // A new block with a copy of the `bytes` (> 0) at `from`, kept until release(). May throw, and
  // may jump.
  HandleId (*store)(const void* from, uint64_t bytes);
  // The same without the copy: the caller fills what `at` is set to.
  HandleId (*reserve)(uint64_t bytes, uint8_t** at);
  // How many bytes it has; 0: there is no such block. May jump.
  uint64_t (*size)(const HandleId& id);
  // Bytes [first, first + bytes) of a block that has them as memory of this process alone, shared
  // until written; the block is kept until unmap(). `at` nullptr: no room for one more. May jump.
  Mapping (*map)(const HandleId& id, uint64_t first, uint64_t bytes);
  // The same bytes, copied.
  void (*read)(const HandleId& id, uint64_t first, uint64_t bytes, void* to);
  // Was nothing written into what map() gave? False when in doubt.
  bool (*untouched)(const uint8_t* at, uint64_t bytes);
  // An ordinary vector, not filled, for adopt(). May jump.
  SEXP (*vector_to_adopt)(SEXPTYPE type, R_xlen_t length);
  // Makes the memory of such a vector show the block's bytes, copy-on-write. False:
  // it cannot; nothing was changed. nullptr: it never can. May jump.
  bool (*adopt)(const HandleId& id, void* data, uint64_t bytes);
  // Does this vector show a whole block into which nothing was written? Neither allocates nor jumps.
  bool (*adopted)(const void* data, uint64_t bytes, HandleId* id);
  // Up to how many bytes a copy is better than a view, which R's functions read element by element; at most kCopyBytes,
  // except for strings of a message or a result. nullptr: kCopyBytes.
  uint64_t (*copy_limit)();
  // A caller got a pointer that it may write to; called once for each mapping.
  void (*may_write)(Mapping* mapping);
  // Neither of them ever jumps or throws; unmap() is called by R's collector.
  void (*unmap)(const HandleId& id, const Mapping& mapping);
  void (*release)(const HandleId& id);
};
void set_block_hooks(const BlockHooks& hooks);

// A block whose data a value may have, too.
struct Known {
  HandleId id;
  const uint8_t* data;
  uint64_t bytes;
  bool used; // set by encode(), which found the same data
};

// From a value to one of its parts: the element of a list, or an attribute.
struct PathStep {
  R_xlen_t index;   // of the element, from 1 on; 0: an attribute
  std::string name; // empty if the element has none
};
using Path = std::vector<PathStep>;
// As an R user would write it, without the first steps: "x$con[[2]]", "attr(x, \"kept\")". `value`: what the rest begins at, x;
// it may be empty.
std::string text_of(const Path& path, size_t without = 0, const std::string& value = "");

// A value that cannot travel. `path` leads from the value that was given to the culprit; empty if it is that value itself.
struct EncodeError : bind::ClassedError {
  EncodeError(Path path, const std::string& reason) : ClassedError(reason), path(std::move(path)) {}
  const char* kind() const override { return "EncodingError"; }
  std::string message() const override {
    return message_about(path.empty() ? "the value" : "the value's element " + text_of(path));
  }
  // The same, of a value that its user knows by another name.
  std::string message_about(const std::string& part) const { return part + " cannot be sent to another process: " + what(); }
  Path path;
};

// Bytes that are not an encoded value.
struct DecodeError : bind::ClassedError {
  using ClassedError::ClassedError;
  const char* kind() const override { return "EncodingError"; }
  std::string message() const override {
    return std::string("a message could not be read: ") + what();
  }
};

class Encoding {
public:
  Encoding() = default;
  Encoding(Encoding&&) = default;
  ~Encoding(); // releases its blocks: they live on if handles() were referred to from elsewhere
  uint64_t size() const { return size_; } // a multiple of 8
  // Every handle inside, and every block with a part of the value, each once.
  const std::vector<HandleId>& handles() const { return handles_; }
  // `dst` is aligned to 8 and has room for size() bytes. Reads the R value again; calls nothing of
  // R that allocates or jumps.
  void write(uint8_t* dst) const;
  // Did the value go through R's serializer?
  bool serialized() const { return serialized_ != nullptr; }
  // The blocks that were made for it, of strings too. They are kept as long as this object.
  std::vector<Known> made() const;

private:
  friend Encoding encode(SEXP x, uint64_t block_bytes, std::vector<Known>* known, const PointersKept* kept);
  friend class OutOfBandWriter;
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

  struct Stored {
    SEXP of;
    const void* data; // until it is stored
    uint64_t bytes;   // to be stored
    HandleId id;
    enum { Planned, Ours, Referred } state;
  };

  void store();
  const HandleId* find_known(const void* data, uint64_t bytes);

  SEXP value_ = nullptr;
  std::vector<Known>* known_ = nullptr;
  const PointersKept* kept_ = nullptr;
  uint64_t size_ = 0;
  std::vector<HandleId> handles_;
  std::vector<Copy> copies_;   // of ALTREP vectors without data, in the order of the walk
  std::vector<Stored> stored_; // vectors in blocks, in the order of the walk
  Memory serialized_;
  uint64_t serialized_bytes_ = 0;
  uint64_t elements_ = 0;
  bool has_long_ = false; // a pairlist or call that R may be unable to read
  Path long_at_;          // the path to it
  bool out_of_band_ = false; // large vectors were taken out of the serialization
};

constexpr uint64_t kBlockBytes = 256 * 1024; // see README.md
constexpr uint64_t kNoBlocks = UINT64_MAX;
constexpr uint64_t kCopyBytes = 64 << 20;

// Vectors of numbers of at least `block_bytes` go into blocks of their own; those that were decoded
// from a block and not changed since are referred to, and so are those that are bit by bit what one
// of the `known` blocks has (the caller keeps these; the hooks may remove unused ones
// meanwhile). Throws EncodeError, Unwind, std::bad_alloc, and what the hooks throw.
Encoding encode(SEXP x, uint64_t block_bytes = kBlockBytes, std::vector<Known>* known = nullptr,
                const PointersKept* kept = nullptr);

// Whether a connection is refused (as at first), or travels as serialize() writes it: a number
// that means nothing where it arrives. Set once, before this process encodes anything.
void refuse_connections(bool refuse);

// The quick way for what most tasks take and give: NULL and atomic vectors without attributes that
// fit into `room` (8-byte aligned). The bytes written, or 0: then it is a case for encode(). Never
// jumps, allocates nothing.
uint64_t encode_small(SEXP x, uint8_t* dst, uint64_t room);

// Ordinary vectors that showed blocks when earlier frames were decoded. A new one costs the receiver an allocation of its size, and
// so, if it is large, a collection.
class RecentVectors {
public:
  // Takes out one that shows the block, without a change; nullptr: none.
  virtual SEXP take(const HandleId& id, SEXPTYPE type, uint64_t length) = 0;
  virtual void add(const HandleId& id, SEXP x) = 0; // may jump

protected:
  ~RecentVectors() = default;
};

// Any bytes give a value or an exception (DecodeError, Unwind), with one exception: what R's
// serializer wrote is trusted. Reads nothing outside [p, p + n); n may be larger than the frame.
// The result is not protected. Vectors in blocks become ordinary ones, which show the block's bytes or are a
// copy; only those too large to copy become views. `share`: what is in a block stays there, whatever its size.
// `recent`: such vectors are taken from there if they can be, and added.
SEXP decode(const uint8_t* p, uint64_t n, bool share = false, RecentVectors* recent = nullptr);

// The same; an error of code that runs meanwhile (of the ALTREP class of a package, say) is a DecodeError with its message.
SEXP decode_or_refuse(const uint8_t* p, uint64_t n);

// `x` without the source references of functions, as it travels; `x` itself if there are none.
// Allocates, so may jump.
SEXP without_source(SEXP x, int depth = 0);

// decode() for NULL and for attribute-free logicals, integers, doubles and strings of length one,
// 25 ns cheaper (14 instead of 39): it may longjmp when R is out of memory, so the caller's frames
// own nothing. nullptr if the frame is anything else, valid or not.
SEXP decode_small(const uint8_t* p, uint64_t n);

// How many elements the value has, as length() says.
uint64_t length_of(const uint8_t* p, uint64_t n);

// Elements [first, first + count) as a vector of the same type without attributes; elements of a
// list keep theirs. `*whole` is set, and NULL is returned, if the value does not allow it (it went
// through R's serializer, or is a handle): decode() it and slice in R.
SEXP decode_slice(
    const uint8_t* p, uint64_t n, uint64_t first, uint64_t count, bool* whole, RecentVectors* recent = nullptr);

// A vector of the bytes of a block that holds nothing else, as decode() makes them; nullptr: there is no
// such block, or it is too short. May jump.
SEXP view_of(SEXPTYPE type, R_xlen_t length, const HandleId& id);

// Does the vector lie in a whole block, into which nothing was written?
bool is_untouched_view(SEXP x);
// Makes the memory of all views this process's own, by a write to each page. For a fork that holds
// no blocks: the parent may free them and fill them with something else.
void own_views();

// Of logical, integer, real, complex and raw vectors.
void* data_of(SEXP x);
uint64_t bytes_per_element(SEXPTYPE type);

uint64_t bytes_in(SEXP x); // that an atomic vector would take in a block

// When the package is loaded: the classes of views.
void register_views(DllInfo* dll);

} // namespace mp::codec
