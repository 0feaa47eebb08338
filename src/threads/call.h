// What thread_map() and thread_reduce() share: their arguments, and failures in their threads.
#pragma once

#include "session/waits.h"
#include "threads/kernels.h"
#include "threads/helpers.h"

#include "core/error.h"

#include <cmath>
#include <mutex>

namespace mp::bind {

// The vector. It must stay protected. Throws Error("ValueError").
Source source_of(SEXP x);

struct Matrix {
  uint64_t rows = 0, columns = 0;
};
// NULL: no margin; 1: rows; 2: columns. With one, x must be a matrix.
int margin_of(SEXP margin, SEXP x, Matrix* shape);

unsigned threads_of(SEXP threads);

// What `fun` was given as: a name, or an external pointer with a kernel.
struct Function {
  const char* name = nullptr;
  const multiprocessing_kernel_v1* kernel = nullptr;
};
Function function_of(SEXP fun);

// The first thing that went wrong in a thread. Its text becomes an R error when all have left.
class Trouble {
public:
  bool say(const char* what) { // false, for a loop's body
    std::lock_guard<std::mutex> hold(mutex_);
    if (text_.empty()) text_ = what;
    return false;
  }
  void check(bool done) {
    if (!text_.empty()) throw Error{"RuntimeError", "the compiled function failed: " + text_};
    if (!done) interrupt(); // of a loop around this one
  }

private:
  std::mutex mutex_;
  std::string text_;
};

void warn(const char* message);

// R may jump when it is out of memory: the jump must not pass our callers, which own things.
SEXP new_vector(SEXPTYPE type, R_xlen_t length);
inline SEXP one_real(double v) {
  return protect([&] { return to_r(v); });
}
inline SEXP one_integer(int v) {
  return protect([&] { return to_r(v); });
}

constexpr uint64_t kBlock = 4096; // elements of a part: this alone says where a vector is cut
constexpr uint64_t kGlance = 32;  // elements that are done before the first look at the clock

// Rows are gathered some at a time, so that a line of the cache is read once.
constexpr uint64_t kRowsAtATime = 16;

// slice(number, pointer, length) for every row or column, in threads; false: it failed.
template <class Slice>
bool each_slice(const Source& x, int margin, Matrix shape, unsigned threads, Slice slice) {
  if (margin == 2) {
    return in_threads(shape.columns, threads, 1, [&](uint64_t first, uint64_t end) {
      std::vector<double> copy(x.type == Source::Type::Real ? 0 : shape.rows);
      for (uint64_t c = first; c < end; ++c) {
        if (!copy.empty()) x.read_column(c, shape.rows, copy.data());
        const double* column = copy.empty() ? x.reals + c * shape.rows : copy.data();
        if (!slice(c, column, shape.rows)) return false;
      }
      return true;
    });
  }
  return in_threads(shape.rows, threads, kRowsAtATime, [&](uint64_t first, uint64_t end) {
    std::vector<double> rows(kRowsAtATime * shape.columns);
    for (uint64_t r = first; r < end; r += kRowsAtATime) {
      uint64_t n = std::min(kRowsAtATime, end - r);
      x.read_rows(r, n, shape.rows, shape.columns, rows.data());
      for (uint64_t i = 0; i < n; ++i)
        if (!slice(r + i, rows.data() + i * shape.columns, shape.columns)) return false;
    }
    return true;
  });
}

// One number per slice, with the names of the margin; integers where base R gives integers.
SEXP fold_slices(SEXP x, const Source& source, int margin, Matrix shape, Function f, Fold fold,
                 unsigned threads);

// The entries from R, see src/threads.cpp.
SEXP map_in_threads(SEXP x, SEXP fun, SEXP threads, SEXP margin);
SEXP reduce_in_threads(SEXP x, SEXP fun, SEXP init, SEXP threads, SEXP margin);

} // namespace mp::bind
