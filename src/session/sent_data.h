// Large data that the functions, arguments and variables of a pool's jobs need: their blocks are
// kept, and later jobs refer to them as long as their own data are the same, bit by bit. (The same
// object is not enough: data.table and compiled code change vectors in place.)
//
// Kept are the data that the latest job with such data used and, up to a limit, the latest of those that earlier jobs
// used; when memory is short, all are given up that the job in preparation does not use.
#pragma once

#include "codec/codec.h"

namespace mp::bind {

class Exports {
public:
  Exports();
  ~Exports(); // as clear()
  Exports(const Exports&) = delete;
  Exports& operator=(const Exports&) = delete;

  // While one exists, what encode() finds or makes is not given up.
  class Job {
  public:
    explicit Job(Exports& exports) : exports_(exports) {}
    ~Job() { exports_.end_job(); }
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    codec::Encoding encode(SEXP x);

  private:
    Exports& exports_;
  };

  void clear();
  void set_pointers(const codec::PointersKept* kept) { pointers_ = kept; } // that all receivers have

private:
  friend void forget_exports();
  static void give_up_unused();
  void end_job();
  template <class F> void give_up(F&& whether);

  const codec::PointersKept* pointers_ = nullptr;
  std::vector<codec::Known> known_; // each held; those that were used latest are last
};

void forget_exports(); // in a fork: they are the parent's

} // namespace mp::bind
