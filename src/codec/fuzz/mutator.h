// Changes frames: bytes, numbers in headers, whole nodes and attributes. The same seed gives the
// same changes.
#pragma once

#include "target.h"

namespace fuzz {

class Random {
public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint64_t next();
  size_t below(size_t n) { return n ? static_cast<size_t>(next() % n) : 0; }
  bool one_in(size_t n) { return below(n) == 0; }

private:
  uint64_t state_;
};

// One to four changes; `other` is where nodes and attributes are taken from.
void mutate(Bytes& frame, const Bytes& other, Random& random);

} // namespace fuzz
