#include "codec/out_of_band.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace mp::codec {

namespace {

// R's serialization, see "Serialization Formats" in R Internals.
constexpr int32_t kTypeBits = 0xff, kHasAttributes = 1 << 9;
constexpr int32_t kLevelShift = 12, kGrowable = 1 << (kLevelShift + 5);
constexpr int32_t kAsciiText = CHARSXP | 64 << kLevelShift;
constexpr int32_t kReference = 255, kNil = 254, kAltrep = 238;
constexpr int kReferenceShift = 8;

constexpr int kNames = 6;
constexpr int kPackage = 6; // numbers of symbols, as they are written by with_names()

int class_number(int32_t type) { // 0: none of ours
  switch (type) {
  case LGLSXP:
    return 1;
  case INTSXP:
    return 2;
  case REALSXP:
    return 3;
  case CPLXSXP:
    return 4;
  case RAWSXP:
    return 5;
  default:
    return 0;
  }
}

bool has_bytes(const HandleId& id, const uint8_t* data, uint64_t bytes) {
  uint8_t piece[4096];
  for (uint64_t at = 0; at < bytes; at += sizeof piece) {
    uint64_t n = std::min<uint64_t>(bytes - at, sizeof piece);
    blocks.read(id, at, n, piece);
    if (std::memcmp(piece, data + at, n) != 0) return false;
  }
  return true;
}

} // namespace

Sink::~Sink() { std::free(bytes); }

void Sink::add(const void* from, uint64_t n) {
  if (n > room - used && !grow(n)) return;
  std::memcpy(bytes + used, from, n);
  used += n;
}

bool Sink::grow(uint64_t n) {
  uint64_t wanted = room ? room * 2 : 4096;
  while (wanted - used < n) wanted *= 2;
  void* larger = no_memory ? nullptr : std::realloc(bytes, wanted);
  no_memory = larger == nullptr;
  if (!larger) return false; // R cannot be stopped here without a jump: what follows is dropped
  bytes = static_cast<uint8_t*>(larger);
  room = wanted;
  return true;
}

SEXP OutOfBandWriter::with_names(SEXP value) {
  SEXP list = PROTECT(Rf_allocVector(VECSXP, kNames + 1));
  for (int type : {LGLSXP, INTSXP, REALSXP, CPLXSXP, RAWSXP})
    SET_VECTOR_ELT(list, class_number(type) - 1, Rf_install(view_class_name(SEXPTYPE(type))));
  SET_VECTOR_ELT(list, kPackage - 1, Rf_install(kPackageName));
  SET_VECTOR_ELT(list, kNames, value);
  UNPROTECT(1);
  return list;
}

SEXP OutOfBandWriter::without_names(SEXP list) {
  if (TYPEOF(list) != VECSXP || Rf_xlength(list) != kNames + 1)
    Rf_error("the serialized value is another one than it says");
  return VECTOR_ELT(list, kNames);
}

void OutOfBandWriter::write(const void* from, uint64_t n) {
  if (failure_ || confused_ || (found_ && !takes_)) return; // the rest will not be read
  if (left_) return data(static_cast<const uint8_t*>(from), n);
  if (n == sizeof(int32_t)) {
    ++numbers_;
  } else {
    if (looks_ && begins(n)) return data(static_cast<const uint8_t*>(from), n);
    numbers_ = 0;
  }
  sink_.add(from, n);
}

// Are these the first `n` bytes of a large vector's data? Flags and length were just written (a
// long vector's as -1 and two halves). A text has flags of its own before its length, so it is not
// taken for one.
bool OutOfBandWriter::begins(uint64_t n) {
  if (numbers_ < 2 || sink_.no_memory) return false;
  int32_t last[4] = {};
  uint64_t known = std::min<uint64_t>(uint64_t(numbers_) * sizeof(int32_t), sizeof last);
  std::memcpy(reinterpret_cast<uint8_t*>(last + 4) - known, sink_.bytes + sink_.used - known,
              known);
  bool is_long = numbers_ >= 4 && last[1] == -1 && class_number(last[0] & kTypeBits);
  uint64_t length = static_cast<uint32_t>(last[3]);
  if (is_long) length |= static_cast<uint64_t>(static_cast<uint32_t>(last[2])) << 32;
  flags_ = is_long ? last[0] : last[2];
  if (!class_number(flags_ & kTypeBits)) return false;
  uint64_t size = bytes_per_element(SEXPTYPE(flags_ & kTypeBits));
  if (length < kBlockBytes / size || n > length * size || n % size) return false;
  found_ = true;
  sink_.used -= (is_long ? 4 : 2) * sizeof(int32_t);
  length_ = static_cast<double>(length);
  bytes_ = left_ = length * size;
  start_ = nullptr;
  numbers_ = 0;
  return true;
}

void OutOfBandWriter::data(const uint8_t* from, uint64_t n) {
  if (!takes_) return;
  if (!start_) start_ = next_ = from;
  if (from != next_ || n > left_) { // from elsewhere, bit by bit
    confused_ = true;
    return;
  }
  next_ += n;
  left_ -= n;
  if (left_) return;
  try { // no exception may pass through R's serializer
    HandleId id = place();
    add_handle(out_.handles_, id);
    refer(id);
  } catch (...) {
    failure_ = std::current_exception();
  }
}

// The block where the data are: one that is known to have them, or a new one.
HandleId OutOfBandWriter::place() {
  HandleId shown;
  if (blocks.adopted && blocks.adopted(start_, bytes_, &shown)) return shown;
  if (const HandleId* id = out_.find_known(start_, bytes_)) return *id;
  // Twice in one value. What R made to write it (a function's bytecode) may have been freed, and
  // other data may be at its address.
  for (const Encoding::Stored& s : out_.stored_)
    if (s.bytes == bytes_ && s.data == start_ && has_bytes(s.id, start_, bytes_)) return s.id;
  out_.stored_.reserve(out_.stored_.size() + 1);
  HandleId id = blocks.store(start_, bytes_);
  out_.stored_.push_back({nullptr, start_, bytes_, id, Encoding::Stored::Ours});
  return id;
}

void OutOfBandWriter::number(int32_t value) { sink_.add(&value, sizeof value); }

// As R writes a view: its class, the state that view_state() gives, its attributes.
void OutOfBandWriter::refer(const HandleId& id) {
  int32_t type = flags_ & kTypeBits;
  number((flags_ & ~(kTypeBits | kHasAttributes | kGrowable)) | kAltrep);
  for (int name : {class_number(type), kPackage}) {
    number(LISTSXP);
    number(name << kReferenceShift | kReference);
  }
  number(LISTSXP);
  number(INTSXP);
  number(1);
  number(type);
  number(kNil);
  char text[kHandleText + 1];
  write_handle(id, 'v', text);
  number(VECSXP);
  number(2);
  number(STRSXP);
  number(1);
  number(kAsciiText);
  number(kHandleText);
  sink_.add(text, kHandleText);
  number(REALSXP);
  number(1);
  sink_.add(&length_, sizeof length_);
  if (!(flags_ & kHasAttributes)) number(kNil); // otherwise R writes the attributes next
}

} // namespace mp::codec
