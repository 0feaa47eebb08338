// Where an input lies while it is read, and what is allocated meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fuzz {

// Copies an input to where reading beside it is noticed: the sanitizer watches the bytes before and
// behind, and code without a sanitizer (R's) runs into a page without access if the size is a
// multiple of 8. Valid until the next call.
const uint8_t* place(const uint8_t* bytes, size_t n);

// Room of exactly `n` bytes, guarded in the same way, for what is written. Valid until the next
// call.
uint8_t* room(size_t n);

// Counts what malloc() is asked for in this process while it exists: R's vectors, too, as R takes
// all that are larger than 128 bytes from there, and pages of 2,000 bytes for the smaller ones.
class Meter {
public:
  explicit Meter(size_t explain); // larger pieces than this are reported with where they come from
  ~Meter();
  static size_t largest();
  static size_t total();
};

// While one exists, nothing is counted: what the package would map is allocated here.
class Unmetered {
public:
  Unmetered();
  ~Unmetered();

private:
  bool before_;
};

} // namespace fuzz
