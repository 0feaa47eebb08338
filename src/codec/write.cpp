// Writing what encode() measured: the same walk again. Nothing here may allocate in R or jump, as
// the destination may be a block that others wait for.
#include "codec/internal.h"

#include <cstring>

namespace mp::codec {

namespace {

template <class T> uint8_t* put(uint8_t* at, const T& record) {
  std::memcpy(at, &record, sizeof(T));
  return at + sizeof(T);
}

uint8_t* put_bytes(uint8_t* at, const void* from, uint64_t bytes) {
  if (bytes) // R's pointer to an empty vector may be anything
    std::memcpy(at, from, bytes);
  return at + bytes;
}

uint8_t* put_zeros(uint8_t* at, uint8_t* end) {
  if (at != end) std::memset(at, 0, static_cast<size_t>(end - at));
  return end;
}

Type type_of(SEXP x) {
  switch (TYPEOF(x)) {
  case NILSXP:
    return Type::null;
  case LGLSXP:
    return Type::logical;
  case INTSXP:
    return Type::integer;
  case REALSXP:
    return Type::real;
  case CPLXSXP:
    return Type::complex;
  case RAWSXP:
    return Type::raw;
  case STRSXP:
    return Type::string;
  case VECSXP:
    return Type::list;
  default:
    return Type::handle;
  }
}

NodeHeader node_of(Type type, uint64_t length, uint32_t attributes = 0, uint8_t flags = 0) {
  return {static_cast<uint8_t>(type), flags, 0, attributes, length};
}

FrameHeader frame_of(FrameKind kind, uint64_t size) {
  return {kMagic, kVersion, static_cast<uint8_t>(kind), 0, size};
}

uint8_t* put_strings(const SEXP* element, R_xlen_t n, uint8_t* at) {
  uint8_t* lengths = at;
  uint8_t* encodings = at + static_cast<uint64_t>(n) * sizeof(StringLength);
  uint8_t* bytes = encodings + n;
  for (R_xlen_t i = 0; i < n; i++) {
    SEXP s = element[i];
    if (s == NA_STRING) {
      lengths = put(lengths, kNaString);
      *encodings++ = CE_NATIVE;
      continue;
    }
    StringLength length = LENGTH(s);
    lengths = put(lengths, length);
    *encodings++ = static_cast<uint8_t>(Rf_getCharCE(s));
    bytes = put_bytes(bytes, CHAR(s), static_cast<uint64_t>(length));
  }
  return put_zeros(bytes, at + round_up(static_cast<uint64_t>(bytes - at)));
}

} // namespace

class Writer {
public:
  Writer(const Encoding& from, uint8_t* frame)
      : frame_(frame), copy_(from.copies_.data()), last_copy_(copy_ + from.copies_.size()),
        stored_(from.stored_.data()), last_stored_(stored_ + from.stored_.size()) {}

  uint8_t* value(SEXP x, uint8_t* at) {
    Type type = type_of(x);
    switch (type) {
    case Type::null:
      return put(at, node_of(type, 0));
    case Type::handle:
      return reference(x, at);
    default:
      break;
    }
    R_xlen_t length = Rf_xlength(x);
    r::Attributes attributes(x);
    uint32_t count = static_cast<uint32_t>(attributes.size());
    bool in_block = stored_ != last_stored_ && stored_->of == x;
    at = put(at, node_of(type, static_cast<uint64_t>(length), count,
                         in_block ? kFlagBlock : uint8_t{0}));
    switch (type) {
    case Type::string:
      if (in_block) at = block(x, at);
      else if (length) at = put_strings(STRING_PTR_RO(x), length, at);
      break;
    case Type::list:
      at = list(x, length, at);
      break;
    default:
      at = in_block ? block(x, at)
                    : fixed(x, static_cast<uint64_t>(length) * element_size(type), at);
    }
    for (auto [symbol, given] : attributes) at = value(given, name(PRINTNAME(symbol), at));
    return at;
  }

private:
  uint8_t* fixed(SEXP x, uint64_t bytes, uint8_t* at) {
    if (bytes == 0) return at;
    const void* data;
    if (copy_ != last_copy_ && copy_->of == x) // in the order in which the walk meets them
      data = (copy_++)->data.get();
    else data = DATAPTR_RO(x);
    return put_zeros(put_bytes(at, data, bytes), at + round_up(bytes));
  }

  uint8_t* block(SEXP x, uint8_t* at) {
    if (copy_ != last_copy_ && copy_->of == x) copy_++;
    const HandleId& id = (stored_++)->id;
    return put(at, HandleRecord{id.kind, 0, id.block, id.serial});
  }

  uint8_t* list(SEXP x, R_xlen_t n, uint8_t* at) {
    uint8_t* offsets = at;
    at += static_cast<uint64_t>(n) * sizeof(Offset);
    for (R_xlen_t i = 0; i < n; i++) {
      offsets = put(offsets, static_cast<Offset>(at - frame_));
      at = value(VECTOR_ELT(x, i), at);
    }
    return at;
  }

  static uint8_t* reference(SEXP x, uint8_t* at) {
    HandleId id;
    if (!hooks.describe || !hooks.describe(x, &id)) return put(at, node_of(Type::nil_pointer, 0));
    uint8_t flags = TYPEOF(x) == EXTPTRSXP ? kFlagExternalPointer : 0;
    at = put(at, node_of(Type::handle, 1, 0, flags));
    return put(at, HandleRecord{id.kind, 0, id.block, id.serial});
  }

  static uint8_t* name(SEXP text, uint8_t* at) {
    uint32_t bytes = static_cast<uint32_t>(LENGTH(text));
    at = put(at, AttributeName{bytes, static_cast<uint8_t>(Rf_getCharCE(text)), {0, 0, 0}});
    return put_zeros(put_bytes(at, CHAR(text), bytes), at + round_up(bytes));
  }

  uint8_t* frame_;
  const Encoding::Copy* copy_; // the next one
  const Encoding::Copy* last_copy_;
  const Encoding::Stored* stored_; // the next one
  const Encoding::Stored* last_stored_;
};

void write_string_block(const SEXP* element, R_xlen_t n, uint8_t* block) {
  uint64_t length = static_cast<uint64_t>(n);
  uint8_t* offsets = put(block, length);
  uint8_t* encodings = block + string_block_encodings(length);
  uint8_t* first = encodings + n;
  uint8_t* bytes = first;
  for (R_xlen_t i = 0; i < n; i++) {
    SEXP s = element[i];
    offsets = put(offsets, static_cast<StringOffset>(bytes - first));
    *encodings++ = s == NA_STRING ? kNaEncoding : static_cast<uint8_t>(Rf_getCharCE(s));
    if (s != NA_STRING) bytes = put_bytes(bytes, CHAR(s), static_cast<uint64_t>(LENGTH(s)));
  }
  put(offsets, static_cast<StringOffset>(bytes - first));
}

void Encoding::write(uint8_t* dst) const {
  if (!serialized_) {
    uint8_t* at = put(dst, frame_of(FrameKind::plain, size_));
    Writer(*this, dst).value(value_, at);
    return;
  }
  uint8_t* at = put(dst, frame_of(out_of_band_ ? FrameKind::out_of_band : FrameKind::serialized, size_));
  at = put(at, SerializedHeader{serialized_bytes_, elements_});
  put_zeros(put_bytes(at, serialized_.get(), serialized_bytes_), dst + size_);
}

uint64_t encode_small(SEXP x, uint8_t* dst, uint64_t room) {
  constexpr uint64_t kHeaders = sizeof(FrameHeader) + sizeof(NodeHeader);
  Type type = type_of(x);
  if (room < kHeaders || type == Type::list || type == Type::handle) return 0;
  uint64_t length = 0, bytes = 0;
  if (type != Type::null) {
    if (ALTREP(x) || r::has_attributes(x) || Rf_isObject(x) || Rf_isS4(x)) return 0;
    length = static_cast<uint64_t>(Rf_xlength(x));
    if (length > room) // even raw does not fit, and no product below can overflow
      return 0;
    bytes = length * element_size(type);
    if (type == Type::string) {
      bytes = length * kStringEntry;
      for (uint64_t i = 0; i < length && bytes <= room; i++) {
        SEXP s = STRING_ELT(x, static_cast<R_xlen_t>(i));
        bytes += s == NA_STRING ? 0 : static_cast<uint64_t>(LENGTH(s));
      }
    }
  }
  uint64_t size = kHeaders + round_up(bytes);
  if (size > room) return 0;
  uint8_t* at = put(dst, frame_of(FrameKind::plain, size));
  at = put(at, node_of(type, length));
  if (type == Type::string) {
    if (length) put_strings(STRING_PTR_RO(x), static_cast<R_xlen_t>(length), at);
  } else if (bytes) {
    put_zeros(put_bytes(at, DATAPTR_RO(x), bytes), dst + size);
  }
  return size;
}

} // namespace mp::codec
