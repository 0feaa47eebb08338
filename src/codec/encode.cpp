// Measuring: how many bytes, which handles, and can it travel at all. Writing is in write.cpp and
// walks the same way.
#include "codec/internal.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace mp::codec {

HandleHooks hooks = {};
BlockHooks blocks = {};

void set_hooks(const HandleHooks& given) { hooks = given; }
void set_block_hooks(const BlockHooks& given) { blocks = given; }

void Encoding::Free::operator()(uint8_t* p) const { std::free(p); }

namespace {

// An ALTREP vector that has no data in memory (1:1e9) is worth keeping so; R's serializer does.
constexpr R_xlen_t kMaxCopied = 1000000;

// How the walk came to a value: a chain on the C stack, made into a path only for an error.
struct Step {
  const Step* up;
  SEXP list;      // the element `index` of this list, or
  SEXP attribute; // the attribute of this name
  R_xlen_t index;
};

bool connections_refused = true;

bool is_name(const char* text) {
  if (!std::strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.", *text)) return false;
  return std::strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._") ==
         std::strlen(text);
}

PathStep named(const Step& step) {
  if (step.attribute) return {0, CHAR(PRINTNAME(step.attribute))};
  SEXP names = r::find_attribute(step.list, R_NamesSymbol);
  bool has_name = names && TYPEOF(names) == STRSXP && !ALTREP(names) && step.index < Rf_xlength(names) &&
                  STRING_ELT(names, step.index) != NA_STRING;
  return {step.index + 1, has_name ? CHAR(STRING_ELT(names, step.index)) : ""};
}

Path path_of(const Step* step) {
  Path path;
  for (; step; step = step->up) path.push_back(named(*step));
  std::reverse(path.begin(), path.end());
  return path;
}

} // namespace

std::string text_of(const Path& path, size_t without, const std::string& value) {
  std::string text = value;
  for (size_t i = without; i < path.size(); ++i) {
    const auto& [index, name] = path[i];
    if (index == 0) text = "attr(" + text + (text.empty() ? ",\"" : ", \"") + name + "\")";
    else if (name.empty()) text += "[[" + std::to_string(index) + "]]";
    else text += is_name(name.c_str()) ? "$" + name : "$`" + name + "`";
  }
  return text;
}

// Runs below run_protected(): a longjmp may take any of its frames away, so they own nothing, and
// what is found belongs to `out_`.
class Measurer {
public:
  Measurer(Encoding* out, uint64_t block_bytes)
      : out_(out), block_bytes_(blocks.store ? block_bytes : kNoBlocks) {}

  // Whether `x` is plain; if it is, out's size, handles and copies are right.
  bool measure(SEXP x) {
    bytes_ = sizeof(FrameHeader);
    value(x, nullptr, 0, false);
    return plain_;
  }
  uint64_t bytes() const { return bytes_; }
  bool deep() const { return deep_; } // nested deeper than the format allows

private:
  // Once something was not plain, the walk continues only to find what cannot travel.
  void value(SEXP x, const Step* step, int depth, bool in_attribute) {
    if (depth > kMaxDepth) {
      plain_ = false;
      deep_ = true;
      return;
    }
    bytes_ += sizeof(NodeHeader);
    switch (TYPEOF(x)) {
    case NILSXP:
      return;
    case LGLSXP:
      fixed(x, Type::logical);
      break;
    case INTSXP:
      if (connections_refused && Rf_isObject(x) && Rf_inherits(x, "connection"))
        throw EncodeError(path_of(step),
                          "a connection belongs to the process that opened it; open it in the function");
      fixed(x, Type::integer);
      break;
    case REALSXP:
      fixed(x, Type::real);
      break;
    case CPLXSXP:
      fixed(x, Type::complex);
      break;
    case RAWSXP:
      fixed(x, Type::raw);
      break;
    case STRSXP:
      strings(x);
      break;
    case VECSXP:
      list(x, step, depth, in_attribute);
      break;
    case ENVSXP:
    case EXTPTRSXP:
      reference(x, in_attribute);
      return;
    case LISTSXP:
    case LANGSXP:
    case DOTSXP:
      plain_ = false;
      if (is_long(x) && !out_->has_long_) {
        out_->has_long_ = true;
        out_->long_at_ = path_of(step);
      }
      return;
    default:
      plain_ = false;
      return;
    }
    attributes(x, step, depth);
  }

  static bool is_node(SEXP x) {
    return TYPEOF(x) == LISTSXP || TYPEOF(x) == LANGSXP || TYPEOF(x) == DOTSXP;
  }

  static bool is_long(SEXP x) {
    uint64_t nodes = 0;
    for (; is_node(x) && nodes < kLongPairlist; x = CDR(x)) ++nodes;
    return nodes == kLongPairlist;
  }

  void fixed(SEXP x, Type type) {
    if (!plain_) return;
    R_xlen_t length = Rf_xlength(x);
    uint64_t bytes = static_cast<uint64_t>(length) * element_size(type);
    const void* data = length == 0 ? nullptr : ALTREP(x) ? DATAPTR_OR_NULL(x) : DATAPTR_RO(x);
    HandleId id;
    bool may_be = ALTREP(x) || bytes >= block_bytes_;
    if (length && data && may_be && block_bytes_ != kNoBlocks && find_block(x, &id)) {
      out_->stored_.push_back({x, data, bytes, id, Encoding::Stored::Referred});
      bytes_ += sizeof(HandleRecord);
      return;
    }
    bool in_block = bytes >= block_bytes_ && length > 0;
    bytes_ += in_block ? sizeof(HandleRecord) : round_up(bytes);
    if (length && !data) {
      if (length > kMaxCopied && block_bytes_ >= kBlockBytes) { // share() wants the numbers themselves
        plain_ = false;
        return;
      }
      // Asking for elements later, in write(), could run any code; asking for a data pointer would
      // allocate the user's vector for good.
      uint8_t* copy = new_copy(x, bytes);
      copy_region(x, length, copy);
      data = copy;
    }
    if (in_block) out_->stored_.push_back({x, data, bytes, {}, Encoding::Stored::Planned});
  }

  uint8_t* new_copy(SEXP x, uint64_t bytes) { // owned before R runs again
    out_->copies_.push_back({x, Encoding::Memory(static_cast<uint8_t*>(std::malloc(bytes)))});
    if (!out_->copies_.back().data) throw std::bad_alloc();
    return out_->copies_.back().data.get();
  }

  static void copy_region(SEXP x, R_xlen_t n, uint8_t* to) {
    switch (TYPEOF(x)) {
    case LGLSXP:
      LOGICAL_GET_REGION(x, 0, n, reinterpret_cast<int*>(to));
      break;
    case INTSXP:
      INTEGER_GET_REGION(x, 0, n, reinterpret_cast<int*>(to));
      break;
    case REALSXP:
      REAL_GET_REGION(x, 0, n, reinterpret_cast<double*>(to));
      break;
    case CPLXSXP:
      COMPLEX_GET_REGION(x, 0, n, reinterpret_cast<Rcomplex*>(to));
      break;
    default:
      RAW_GET_REGION(x, 0, n, to);
    }
  }

  void strings(SEXP x) {
    if (!plain_) return;
    R_xlen_t n = Rf_xlength(x);
    if (n == 0) return;
    HandleId id;
    if (block_bytes_ != kNoBlocks && find_block(x, &id)) {
      out_->stored_.push_back({x, nullptr, 0, id, Encoding::Stored::Referred});
      bytes_ += sizeof(HandleRecord);
      return;
    }
    if (ALTREP(x) && n > kMaxCopied && !DATAPTR_OR_NULL(x)) {
      plain_ = false;
      return;
    }
    const SEXP* element = STRING_PTR_RO(x); // R's own way to expand as.character(1:10)
    uint64_t bytes = 0;
    for (R_xlen_t i = 0; i < n; i++)
      if (element[i] != NA_STRING) bytes += static_cast<uint64_t>(LENGTH(element[i]));
    uint64_t in_block = string_block_bytes(static_cast<uint64_t>(n)) + bytes;
    if (in_block >= block_bytes_) {
      out_->stored_.push_back({x, element, in_block, {}, Encoding::Stored::Planned});
      bytes_ += sizeof(HandleRecord);
    } else {
      bytes_ += round_up(static_cast<uint64_t>(n) * kStringEntry + bytes);
    }
  }

  void list(SEXP x, const Step* step, int depth, bool in_attribute) {
    if (ALTREP(x)) { // its elements may not exist until asked for
      plain_ = false;
      return;
    }
    R_xlen_t n = Rf_xlength(x);
    bytes_ += static_cast<uint64_t>(n) * sizeof(Offset);
    for (R_xlen_t i = 0; i < n; i++) {
      Step below = {step, x, nullptr, i};
      value(VECTOR_ELT(x, i), &below, depth + 1, in_attribute);
    }
  }

  void reference(SEXP x, bool in_attribute) {
    HandleId id;
    if (hooks.describe && hooks.describe(x, &id)) {
      add_handle(out_->handles_, id);
      bytes_ += sizeof(HandleRecord);
    } else if (!(in_attribute && TYPEOF(x) == EXTPTRSXP && !r::has_attributes(x))) {
      plain_ = false;
    }
  }

  void attributes(SEXP x, const Step* step, int depth) {
    if (Rf_isS4(x)) plain_ = false;
    if (!r::has_attributes(x)) {
      if (Rf_isObject(x)) plain_ = false;
      return;
    }
    r::Attributes all(x);
    if (!all.complete()) plain_ = false;
    bool has_class = false;
    AttributeCheck check(x, r::find_attribute(x, R_DimSymbol));
    for (auto [name, given] : all) {
      if (TYPEOF(name) != SYMSXP || !travels(PRINTNAME(name)) || !check.accepts(name, given))
        plain_ = false;
      else bytes_ += sizeof(AttributeName) + round_up(LENGTH(PRINTNAME(name)));
      has_class = has_class || name == R_ClassSymbol;
      Step below = {step, nullptr, name, 0};
      value(given, &below, depth + 1, true);
    }
    if (has_class != static_cast<bool>(Rf_isObject(x)))
      plain_ = false; // a reader takes one for the other
  }

  static bool travels(SEXP name) {
    return LENGTH(name) > 0 && static_cast<uint32_t>(LENGTH(name)) <= kMaxAttributeName &&
           Rf_getCharCE(name) != CE_BYTES;
  }

  Encoding* out_;
  uint64_t block_bytes_;
  uint64_t bytes_ = 0;
  bool plain_ = true;
  bool deep_ = false;
};

void add_handle(std::vector<HandleId>& handles, const HandleId& id) {
  for (const HandleId& known : handles)
    if (known == id) return;
  handles.push_back(id);
}

Encoding::~Encoding() {
  for (const Stored& s : stored_)
    if (s.state == Stored::Ours) blocks.release(s.id);
}

std::vector<Known> Encoding::made() const {
  std::vector<Known> blocks;
  for (const Stored& s : stored_)
    if (s.state == Stored::Ours) blocks.push_back({s.id, nullptr, s.bytes, true});
  return blocks;
}

const HandleId* Encoding::find_known(const void* data, uint64_t bytes) {
  if (!known_) return nullptr;
  for (Known& k : *known_)
    if (k.bytes == bytes && std::memcmp(k.data, data, bytes) == 0) {
      k.used = true;
      return &k.id;
    }
  return nullptr;
}

// Only once the whole value is known to be plain.
void Encoding::store() {
  for (Stored& s : stored_) {
    for (const Stored* t = stored_.data(); s.state == Stored::Planned && t != &s; t++)
      if (t->of == s.of) {
        s.id = t->id;
        s.state = Stored::Referred;
      }
    bool strings = TYPEOF(s.of) == STRSXP;
    const HandleId* same = nullptr;
    if (s.state == Stored::Planned && !strings) same = find_known(s.data, s.bytes);
    if (s.state == Stored::Planned && !same) {
      uint8_t* at = nullptr;
      s.id = strings ? blocks.reserve(s.bytes, &at) : blocks.store(s.data, s.bytes);
      s.state = Stored::Ours;
      if (at) write_string_block(static_cast<const SEXP*>(s.data), Rf_xlength(s.of), at);
      if (at) same = find_known(at, s.bytes);
      if (same) blocks.release(s.id);
    }
    if (same) {
      s.id = *same;
      s.state = Stored::Referred;
    }
    add_handle(handles_, s.id);
  }
}

void refuse_connections(bool refuse) { connections_refused = refuse; }

Encoding encode(SEXP x, uint64_t block_bytes, std::vector<Known>* known, const PointersKept* kept) {
  Encoding out;
  out.known_ = known;
  out.kept_ = kept;
  bool deep = false;
  out.value_ = x;
  protect([&] {
    Measurer measurer(&out, block_bytes);
    if (measurer.measure(x)) {
      out.store();
      out.size_ = measurer.bytes();
      return R_NilValue;
    }
    deep = measurer.deep();
    out.handles_.clear();
    out.copies_.clear();
    out.stored_.clear();
    out.elements_ = static_cast<uint64_t>(Rf_xlength(x));
    return R_NilValue;
  });
  if (out.size_ == 0) Serializer::encode(x, deep, block_bytes != kNoBlocks, &out);
  return out;
}

} // namespace mp::codec
