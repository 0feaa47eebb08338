// Large vectors within R's serialization lie in blocks, as those of plain values do.
//
// R's serializer hands us what it writes piece by piece: for a vector its flags, its length, then
// its data, always straight from where they lie. From a large one we take the data away, and write
// in place of the whole what R would have written for a view of the block where they are now
// (see view_state()). So R reads back a view, wherever in an environment, an object or an attribute
// the vector was; the vector itself, and what refers to it, are not touched.
//
// R numbers the symbols that it writes, and the name of the view's class is one: the value is
// written as the last element of a list that begins with those names, so that they have numbers
// before they are needed. Few values need that, so the first attempt is without, and only looks.
#pragma once

#include "codec/internal.h"

#include <exception>

namespace mp::codec {

// What is written, as it grows.
struct Sink {
  uint8_t* bytes = nullptr;
  uint64_t used = 0;
  uint64_t room = 0;
  bool no_memory = false;

  Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  ~Sink();
  void add(const void* from, uint64_t n);

private:
  bool grow(uint64_t n);
};

class OutOfBandWriter {
public:
  // `takes` false: takes nothing away, and stops writing once there is something to take.
  OutOfBandWriter(Sink& sink, Encoding& out, bool looks, bool takes)
      : sink_(sink), out_(out), looks_(looks), takes_(takes) {}
  // From R's serializer. May jump, where a new block is made; throws nothing, see failure().
  void write(const void* from, uint64_t n);
  bool found() const { return found_; }
  // R did not hand over a vector as described above: everything has to be in one piece.
  bool confused() const { return confused_; }
  std::exception_ptr failure() const { return failure_; }

  static SEXP with_names(SEXP value); // the list to be written; allocates
  static SEXP without_names(SEXP list);

private:
  bool begins(uint64_t n);
  void data(const uint8_t* from, uint64_t n);
  void refer(const HandleId& id);
  HandleId place();
  void number(int32_t value);

  Sink& sink_;
  Encoding& out_;
  bool looks_, takes_;
  bool found_ = false, confused_ = false;
  std::exception_ptr failure_;
  int numbers_ = 0; // how many pieces of 4 bytes came one after the other
  // The vector whose data arrive now:
  uint64_t left_ = 0; // bytes
  uint64_t bytes_ = 0;
  const uint8_t* start_ = nullptr;
  const uint8_t* next_ = nullptr;
  int32_t flags_ = 0;
  double length_ = 0;
};

} // namespace mp::codec
