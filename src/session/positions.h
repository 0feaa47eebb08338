// Which elements of an array an R vector of indices means.
#pragma once

#include "core/error.h"
#include "r/call.h"

#include <cstdint>
#include <string>

namespace mp::bind {

// Doubles or integers from 1 on; NULL: all.
class Positions {
public:
  Positions(SEXP index, uint64_t length) : index_(index), length_(length) {}
  R_xlen_t count() const { return all() ? R_xlen_t(length_) : Rf_xlength(index_); }
  uint64_t operator[](R_xlen_t i) const {
    if (all()) return uint64_t(i);
    double at = TYPEOF(index_) == INTSXP
                    ? (INTEGER_RO(index_)[i] == NA_INTEGER ? NA_REAL : INTEGER_RO(index_)[i])
                    : REAL_RO(index_)[i];
    if (!(at >= 1 && at < double(length_) + 1))
      throw Error{"IndexError", "no such element: the array has " +
                                    std::to_string(length_)};
    return uint64_t(at) - 1;
  }
  // They follow each other: `first` is the first.
  bool are_run(uint64_t* first) const {
    R_xlen_t n = count();
    if (n == 0) return false;
    *first = (*this)[0];
    if (n == 1) return true;
    if (*first + uint64_t(n) > length_ || (*this)[n - 1] != *first + uint64_t(n) - 1) return false;
    for (R_xlen_t i = 1; i < n; ++i)
      if ((*this)[i] != *first + uint64_t(i)) return false;
    return true;
  }
  // How many from the i-th on follow each other.
  R_xlen_t run_from(R_xlen_t i, R_xlen_t most) const {
    R_xlen_t n = 1, end = count();
    if (all()) return most < end - i ? most : end - i;
    for (uint64_t first = (*this)[i]; n < most && i + n < end && (*this)[i + n] == first + uint64_t(n);) ++n;
    return n;
  }

  // Refuses those that are not in the array.
  void check() const {
    if (all()) return;
    for (R_xlen_t i = 0, n = count(); i < n; ++i) (*this)[i];
  }

private:
  bool all() const { return index_ == R_NilValue; }
  SEXP index_;
  uint64_t length_;
};

} // namespace mp::bind
