// What thread_map() and thread_reduce() know by name, and how they read vectors.
#pragma once

#include "../../inst/include/multiprocessing/kernel.h"

#include <cstddef>
#include <cstdint>

namespace mp::bind {

// Elements of an R vector as doubles, as R's arithmetic takes them. No R call: any thread may read.
struct Source {
  enum class Type { Real, Integer, Logical } type;
  const double* reals;
  const int* integers;
  uint64_t length;
  static constexpr size_t kChunk = 2048; // stays in the first-level cache

  // n <= kChunk elements from `at`: themselves, or converted in `buffer`.
  const double* read(uint64_t at, size_t n, double* buffer) const;
  // Row `row` of a matrix with `rows` rows; `out` gets the elements of `n` rows, one row after the
  // other, `columns` each.
  void read_rows(uint64_t row, size_t n, uint64_t rows, uint64_t columns, double* out) const;
  void read_column(uint64_t column, uint64_t rows, double* out) const;
};

// Element by element. True if a NaN came out where none went in.
struct NamedMap {
  const char* name;
  bool (*run)(const double* in, double* out, size_t n);
};
const NamedMap* find_map(const char* name);

// To one number. A part of the vector gives a Part; parts are joined in their order.
enum class Fold { Sum, Prod, Min, Max, Mean };
struct Part {
  long double real = 0; // of doubles; a product of any
  int64_t integer = 0;  // of integers
  bool missing = false; // an integer NA was found
};
bool find_fold(const char* name, Fold* fold);
Part first_part(Fold fold);
Part fold_part(Fold fold, const Source& x, uint64_t begin, uint64_t end);
Part join(Fold fold, Part a, Part b);
long double residuals(const Source& x, uint64_t begin, uint64_t end, long double mean);
double as_double(long double sum); // as R's sum() ends
// The same over one slice of a matrix.
double fold_slice(Fold fold, const double* x, size_t n, bool reals);

} // namespace mp::bind
