// What the files of the codec share among themselves only.
#pragma once

#include "codec/codec.h"
#include "codec/format.h"
#include "r/compat.h"

namespace mp::codec {

extern HandleHooks hooks;
extern BlockHooks blocks;
// In bytes, see BlockHooks: of numbers, and of strings of a job, which all workers may get; of strings for one process
uint64_t copy_limit();
uint64_t text_copy_limit();

// Would R itself have accepted this attribute, and stored the same? Compiled code in R trusts
// names, dim, dimnames and class, so a frame that lies about them must not become a value. Asked
// for all attributes of `x`, in their order; `dim` is the one among them, or nullptr.
class AttributeCheck {
public:
  AttributeCheck(SEXP x, SEXP dim) : x_(x), dim_(dim) {}
  bool accepts(SEXP name, SEXP value);
  bool dim_follows() const { return dim_ && !dim_seen_; }

private:
  SEXP x_;
  SEXP dim_;
  bool dim_seen_ = false;
};

// Encodes everything that is not plain.
class Serializer {
public:
  // Throws Unwind; with `deep`, which costs 10 us, R's errors are caught and become EncodeError.
  // `refer`: untouched views are written as references to their blocks, other large vectors are put
  // into blocks.
  static void encode(SEXP x, bool deep, bool refer, Encoding* out);
  // With `refuse`, which costs 10 us, R's errors are caught and become DecodeError.
  static SEXP decode(const uint8_t* bytes, uint64_t n, bool out_of_band, bool refuse = false);

private:
  static void try_to_read(const Encoding& e);
};

// Nodes of a pairlist that may be too many for R's reader: of the usual stack of 8 MB, R 4.2 has room for 20,000.
// From here on it is tried.
constexpr uint64_t kLongPairlist = 4096;

// Elements [first, first + count) of the `length` that a block holds, see decode(). nullptr: no such
// block. May jump.
SEXP vector_in_block(SEXPTYPE type, uint64_t length, const HandleId& id, uint64_t first,
                     uint64_t count, bool share);
SEXP strings_in_block(uint64_t length, const HandleId& id, uint64_t first, uint64_t count,
                      uint64_t copy_up_to);
void write_string_block(const SEXP* element, R_xlen_t n, uint8_t* block);
// Where it lies, if `x` is an untouched view of a whole block.
bool find_block(SEXP x, HandleId* id);
// While one exists, R's serializer writes untouched views as references, listed in `handles`; but not
// in finalizers, which R's collector may run meanwhile. Throws Unwind.
class SerializingViews {
public:
  explicit SerializingViews(std::vector<HandleId>* handles);
  ~SerializingViews();

private:
  std::vector<HandleId>* before_;
  int before_in_;
};
// The classes of views, as R's serializer names them.
constexpr const char* kPackageName = "multiprocessing";
const char* view_class_name(SEXPTYPE type);

// What it is, then the three numbers in hexadecimal.
constexpr int kHandleText = 1 + 8 + 16 + 16;
void write_handle(const HandleId& id, char kind, char (&text)[kHandleText + 1]);
SEXP handle_text(const HandleId& id, char kind);
bool parse_handle(SEXP text, HandleId* id, char* kind);

void add_handle(std::vector<HandleId>& handles, const HandleId& id);

} // namespace mp::codec
