#include "mutator.h"

#include "node_map.h"
#include "codec/format.h"

#include <algorithm>
#include <cstring>

using namespace mp::codec;

namespace fuzz {

uint64_t Random::next() { // splitmix64
  uint64_t z = state_ += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

namespace {

// The names that a reader has to check, and some that it need not.
const char* const kNames[] = {"names", "dim",    "dimnames", "class", "row.names",
                              "tsp",   "levels", "comment",  "x"};

class Surgeon {
public:
  Surgeon(Bytes& frame, const Bytes& other, Random& random)
      : frame_(frame), other_(other), random_(random) {}

  void operate() {
    switch (random_.below(16)) {
    case 0:
    case 1:
    case 2:
      return overwrite_bytes();
    case 3:
    case 4:
    case 5:
    case 6:
      return overwrite_field();
    case 7:
      return move_end();
    case 8:
      return swap_type();
    case 9:
      return replace_node();
    case 10:
      return insert_attribute();
    case 11:
      return erase_attribute();
    case 12:
      return rename_attribute();
    case 13:
      return insert_element();
    case 14:
      return erase_element();
    default:
      return resize_vector();
    }
  }

private:
  const NodeMap& own() {
    static NodeMap found;
    study(frame_, &found);
    return found;
  }

  const NodeMap& others() {
    static NodeMap found;
    study(other_, &found);
    return found;
  }

  template <class T> T read(size_t at) const {
    T value;
    std::memcpy(&value, frame_.data() + at, sizeof value);
    return value;
  }

  template <class T> void put(size_t at, T value) {
    std::memcpy(frame_.data() + at, &value, sizeof value);
  }

  template <class T> const T* pick(const std::vector<T>& from) {
    return from.empty() ? nullptr : &from[random_.below(from.size())];
  }

  static Bytes cut(const Bytes& from, size_t start, size_t end) {
    return Bytes(from.begin() + static_cast<ptrdiff_t>(start),
                 from.begin() + static_cast<ptrdiff_t>(end));
  }

  void erase(size_t start, size_t end) {
    frame_.erase(frame_.begin() + static_cast<ptrdiff_t>(start),
                 frame_.begin() + static_cast<ptrdiff_t>(end));
  }

  void insert(size_t at, const Bytes& what) {
    if (frame_.size() + what.size() > kMaxInput) return;
    frame_.insert(frame_.begin() + static_cast<ptrdiff_t>(at), what.begin(), what.end());
  }

  void overwrite_bytes() {
    if (frame_.empty()) return;
    for (size_t i = random_.below(4) + 1; i > 0; i--) {
      uint8_t& byte = frame_[random_.below(frame_.size())];
      if (random_.one_in(2)) byte ^= static_cast<uint8_t>(1u << random_.below(8));
      else byte = static_cast<uint8_t>(random_.next());
    }
  }

  uint64_t interesting(uint64_t now) {
    switch (random_.below(12)) {
    case 0:
      return now + 1;
    case 1:
      return now - 1;
    case 2:
      return now + 8;
    case 3:
      return now - 8;
    case 4:
      return now * 2;
    case 5:
      return uint64_t{1} << random_.below(64);
    case 6:
      return (uint64_t{1} << random_.below(64)) - 1;
    case 7:
      return ~uint64_t{0} / element_size(static_cast<Type>(1 + random_.below(5))) + 1; // overflows
    case 8:
      return frame_.size() - random_.below(3) * 8;
    case 9:
      return random_.below(frame_.size() + 1);
    case 10:
      return random_.below(12);
    default:
      return random_.next();
    }
  }

  void overwrite_field() {
    const NodeMap& parts = own();
    const Field* field = pick(parts.fields);
    if (!field) return;
    uint64_t value = 0;
    std::memcpy(&value, frame_.data() + field->at, field->bytes);
    value = interesting(value);
    std::memcpy(frame_.data() + field->at, &value, field->bytes);
  }

  void move_end() {
    if (random_.one_in(4)) frame_.resize(std::min(kMaxInput, frame_.size() + random_.below(64)));
    else frame_.resize(random_.below(frame_.size() + 1));
    if (random_.one_in(2)) repair(frame_);
  }

  void swap_type() {
    const NodeMap& parts = own();
    if (const Node* node = pick(parts.nodes))
      frame_[node->start] =
          static_cast<uint8_t>(random_.below(static_cast<size_t>(Type::nil_pointer) + 2));
    if (random_.one_in(2)) repair(frame_);
  }

  void replace_node() {
    const NodeMap &here = own(), &there = others();
    const Node *old = pick(here.nodes), *graft = pick(there.nodes);
    if (!old || !graft || !old->complete || !graft->complete) return;
    Bytes bytes = cut(other_, graft->start, graft->end);
    if (frame_.size() + bytes.size() > kMaxInput) return;
    size_t at = old->start;
    erase(old->start, old->end);
    insert(at, bytes);
    repair(frame_);
  }

  void insert_attribute() {
    const NodeMap &here = own(), &there = others();
    const Node* owner = pick(here.nodes);
    const Attribute* graft = pick(there.attributes);
    if (!owner || !graft || !owner->complete) return;
    insert(random_.one_in(2) ? owner->end : owner->attributes,
           cut(other_, graft->start, graft->end));
    add_to_count(owner->start, 1);
  }

  void erase_attribute() {
    const NodeMap& here = own();
    const Attribute* old = pick(here.attributes);
    if (!old) return;
    size_t owner = here.nodes[old->owner].start;
    erase(old->start, old->end);
    add_to_count(owner, static_cast<uint32_t>(-1));
  }

  void add_to_count(size_t node, uint32_t more) {
    size_t at = node + offsetof(NodeHeader, attributes);
    put(at, read<uint32_t>(at) + more);
    repair(frame_);
  }

  void rename_attribute() {
    const NodeMap& here = own();
    const Attribute* chosen = pick(here.attributes);
    if (!chosen) return;
    const char* name = kNames[random_.below(std::size(kNames))];
    uint32_t bytes = static_cast<uint32_t>(std::strlen(name));
    size_t text = chosen->start + sizeof(AttributeName);
    size_t old = round_up(read<AttributeName>(chosen->start).bytes);
    put(chosen->start, AttributeName{bytes, 0, {0, 0, 0}});
    erase(text, text + old);
    Bytes padded(round_up(bytes));
    std::memcpy(padded.data(), name, bytes);
    insert(text, padded);
    repair(frame_);
  }

  void insert_element() {
    const NodeMap &here = own(), &there = others();
    const Element* next = pick(here.elements);
    const Node* graft = pick(there.nodes);
    if (!next || !graft || !graft->complete) return;
    insert(next->start, cut(other_, graft->start, graft->end));
    insert(here.nodes[next->list].data, Bytes(sizeof(Offset)));
    add_to_length(here.nodes[next->list].start, 1);
  }

  void erase_element() {
    const NodeMap& here = own();
    const Element* old = pick(here.elements);
    if (!old) return;
    const Node& list = here.nodes[old->list];
    size_t start = list.start;
    erase(old->start, old->end);
    erase(list.data, list.data + sizeof(Offset));
    add_to_length(start, static_cast<uint64_t>(-1));
  }

  void add_to_length(size_t node, uint64_t more) {
    size_t at = node + offsetof(NodeHeader, length);
    put(at, read<uint64_t>(at) + more);
    repair(frame_);
  }

  // A vector that is longer or shorter than its names, its dim ... say.
  void resize_vector() {
    const NodeMap& here = own();
    const Node* node = pick(here.nodes);
    uint64_t size = node ? element_size(static_cast<Type>(node->type)) : 0;
    if (size == 0 || !node->complete) return;
    uint64_t length = random_.below(40);
    size_t start = node->start, data = node->data;
    erase(node->data, node->attributes);
    Bytes fresh(round_up(length * size));
    for (uint8_t& byte : fresh) byte = static_cast<uint8_t>(random_.below(4));
    insert(data, fresh);
    put(start + offsetof(NodeHeader, length), length);
    repair(frame_);
  }

  Bytes& frame_;
  const Bytes& other_;
  Random& random_;
};

} // namespace

void mutate(Bytes& frame, const Bytes& other, Random& random) {
  Surgeon surgeon(frame, other, random);
  for (size_t i = random.below(4) + 1; i > 0; i--) surgeon.operate();
  if (frame.size() > kMaxInput) frame.resize(kMaxInput);
}

} // namespace fuzz
