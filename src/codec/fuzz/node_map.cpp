#include "node_map.h"

#include "codec/format.h"

#include <cstring>

using namespace mp::codec;

namespace fuzz {

namespace {

constexpr size_t kMostNodes = 3000;
constexpr int kDeepest = kMaxDepth + 8;

template <class T> T read(const Bytes& from, size_t at) {
  T value;
  std::memcpy(&value, from.data() + at, sizeof value);
  return value;
}

// Follows the nodes in the order in which they lie, whatever the offsets say; stops where the bytes
// end or make no sense.
class Walk {
public:
  Walk(Bytes& frame, bool repairs, NodeMap* found)
      : frame_(frame), repairs_(repairs), found_(found) {}

  void frame() {
    field(offsetof(FrameHeader, magic), 4);
    field(offsetof(FrameHeader, version), 1);
    field(offsetof(FrameHeader, reserved), 2);
    if (!has(0, sizeof(FrameHeader))) return;
    field(offsetof(FrameHeader, size), 8);
    if (repairs_) put<uint64_t>(offsetof(FrameHeader, size), frame_.size());
    if (frame_[offsetof(FrameHeader, kind)] == static_cast<uint8_t>(FrameKind::serialized) ||
        frame_[offsetof(FrameHeader, kind)] == static_cast<uint8_t>(FrameKind::out_of_band)) {
      field(16, 8);
      field(24, 8);
      return;
    }
    size_t end;
    node(sizeof(FrameHeader), 0, &end);
  }

private:
  bool has(size_t at, size_t bytes) const {
    return at <= frame_.size() && bytes <= frame_.size() - at;
  }

  void field(size_t at, size_t bytes) {
    if (has(at, bytes)) found_->fields.push_back({at, bytes});
  }

  template <class T> void put(size_t at, T value) {
    std::memcpy(frame_.data() + at, &value, sizeof value);
  }

  bool node(size_t at, int depth, size_t* end) {
    if (depth > kDeepest || found_->nodes.size() >= kMostNodes || !has(at, sizeof(NodeHeader)))
      return false;
    NodeHeader header = read<NodeHeader>(frame_, at);
    field(at, 1);
    field(at + offsetof(NodeHeader, flags), 1);
    field(at + offsetof(NodeHeader, attributes), 4);
    field(at + offsetof(NodeHeader, length), 8);
    size_t self = found_->nodes.size(), data = at + sizeof(NodeHeader);
    found_->nodes.push_back({at, data, data, data, header.type, false});
    size_t behind = data;
    if (!content(self, header, depth, &behind)) return false;
    found_->nodes[self].attributes = behind;
    for (uint32_t i = 0; i < header.attributes; i++) {
      size_t start = behind;
      if (!attribute(start, depth, &behind)) return false;
      found_->attributes.push_back({self, start, behind});
    }
    found_->nodes[self].end = *end = behind;
    found_->nodes[self].complete = true;
    return true;
  }

  bool content(size_t self, const NodeHeader& header, int depth, size_t* at) {
    uint64_t n = header.length, left = frame_.size() - *at;
    switch (static_cast<Type>(header.type)) {
    case Type::list:
      return n <= left / sizeof(Offset) && list(self, n, depth, at);
    case Type::string:
      return n <= left / kStringEntry && strings(n, at);
    case Type::handle:
      return record(at);
    default: {
      if (header.flags & kFlagBlock) return record(at);
      uint64_t size = element_size(static_cast<Type>(header.type));
      if (size == 0) return true;
      if (n > left / size) return false;
      *at += round_up(n * size);
      return has(*at, 0);
    }
    }
  }

  bool record(size_t* at) {
    field(*at, 4);
    field(*at + offsetof(HandleRecord, block), 8);
    field(*at + offsetof(HandleRecord, serial), 8);
    *at += sizeof(HandleRecord);
    return has(*at, 0);
  }

  bool list(size_t self, uint64_t n, int depth, size_t* at) {
    size_t table = *at;
    *at += n * sizeof(Offset);
    for (uint64_t i = 0; i < n; i++) {
      size_t start = *at;
      if (i < 4) field(table + i * sizeof(Offset), sizeof(Offset));
      if (repairs_) put<Offset>(table + i * sizeof(Offset), start);
      if (!node(start, depth + 1, at)) return false;
      found_->elements.push_back({self, static_cast<size_t>(i), start, *at});
    }
    return true;
  }

  bool strings(uint64_t n, size_t* at) {
    size_t encodings = *at + n * sizeof(StringLength);
    uint64_t used = n * kStringEntry;
    for (uint64_t i = 0; i < n; i++) {
      size_t length_at = *at + i * sizeof(StringLength);
      StringLength length = read<StringLength>(frame_, length_at);
      if (i < 4) field(length_at, sizeof(StringLength)), field(encodings + i, 1);
      used += length > 0 ? static_cast<uint64_t>(length) : 0;
    }
    if (!has(*at, used)) return false;
    *at += round_up(used);
    return has(*at, 0);
  }

  bool attribute(size_t start, int depth, size_t* end) {
    if (!has(start, sizeof(AttributeName))) return false;
    AttributeName name = read<AttributeName>(frame_, start);
    field(start, 4);
    field(start + offsetof(AttributeName, encoding), 1);
    size_t text = start + sizeof(AttributeName);
    return has(text, name.bytes) && node(text + round_up(name.bytes), depth + 1, end);
  }

  Bytes& frame_;
  bool repairs_;
  NodeMap* found_;
};

} // namespace

void study(const Bytes& frame, NodeMap* found) {
  found->fields.clear();
  found->nodes.clear();
  found->attributes.clear();
  found->elements.clear();
  Walk(const_cast<Bytes&>(frame), false, found).frame(); // does not write
}

void repair(Bytes& frame) {
  static NodeMap unused;
  study(Bytes(), &unused);
  Walk(frame, true, &unused).frame();
}

} // namespace fuzz
