// Live pointers that a pool's forked workers have since they were forked: a worker uses its own, where it would else receive
// an empty one.
//
// Before its first fork a pool notes the pointers that its session has in variables of the global environment and in the
// frames of the functions that run; it keeps them, so no other object comes to lie at the address of one. A fork begins with the
// same objects at the same addresses, and keeps them, too. So the address says which one is meant.
#pragma once

#include "codec/codec.h"
#include "r/call.h"

namespace mp::bind {

class InheritedPointers {
public:
  void collect(); // once; before the first fork
  void clear();
  const codec::PointersKept* kept() const { return &kept_; }
  // Its forks find the pointers, while this exists in the parent.
  class Fork {
  public:
    explicit Fork(const InheritedPointers& pointers);
    ~Fork();
    Fork(const Fork&) = delete;
    Fork& operator=(const Fork&) = delete;

  private:
    Preserved before_; // this process may be a fork itself
  };

private:
  Preserved list_;
  codec::PointersKept kept_;
  bool collected_ = false;
};

// In a fork: its own pointer that was at this address in the session; NULL: it has none.
SEXP own_pointer(uint64_t address);

} // namespace mp::bind
