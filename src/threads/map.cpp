// thread_map().
#include "threads/call.h"

namespace mp::bind {
namespace {

void keep_shape(SEXP from, SEXP to) {
  for (SEXP what : {R_NamesSymbol, R_DimSymbol, R_DimNamesSymbol}) {
    Protected value(Rf_getAttrib(from, what));
    if (!Rf_isNull(value)) Rf_setAttrib(to, what, value);
  }
}

// run(in, out, n) over all of it, converted first where that is needed; false: it failed.
template <class Run> bool map_reals(const Source& x, double* out, unsigned threads, Run run) {
  return in_threads(x.length, threads, kGlance, [&](uint64_t begin, uint64_t end) {
    double buffer[Source::kChunk];
    for (uint64_t i = begin; i < end; i += Source::kChunk) {
      size_t n = size_t(std::min<uint64_t>(Source::kChunk, end - i));
      if (!run(x.read(i, n, buffer), out + i, n)) return false;
    }
    return true;
  });
}

SEXP map_by_name(SEXP x, const Source& source, const NamedMap& map, unsigned threads) {
  if (source.type != Source::Type::Real && std::strcmp(map.name, "abs") == 0) {
    Protected result(new_vector(INTSXP, Rf_xlength(x))); // abs() of integers is one
    int* out = INTEGER(result);
    in_threads(source.length, threads, kGlance, [&](uint64_t begin, uint64_t end) {
      for (uint64_t i = begin; i < end; ++i)
        out[i] = source.integers[i] == NA_INTEGER ? NA_INTEGER : std::abs(source.integers[i]);
      return true;
    });
    keep_shape(x, result);
    return result;
  }
  Protected result(new_vector(REALSXP, Rf_xlength(x)));
  std::atomic<bool> not_a_number{false};
  Trouble none;
  none.check(map_reals(source, REAL(result), threads, [&](const double* in, double* out, size_t n) {
    if (map.run(in, out, n)) not_a_number.store(true, std::memory_order_relaxed);
    return true;
  }));
  keep_shape(x, result);
  if (not_a_number) warn("NaNs produced");
  return result;
}

SEXP map_with_kernel(SEXP x, const Source& source, const multiprocessing_kernel_v1& kernel,
                     unsigned threads) {
  Trouble trouble;
  bool done;
  Protected result(new_vector(kernel.map_integer ? INTSXP : REALSXP, Rf_xlength(x)));
  if (kernel.map_integer) {
    if (source.type == Source::Type::Real)
      throw Error{"ValueError", "`fun` takes integers, and `x` is not integer: give it "
                                "as.integer(x), or write the function for double"};
    int* out = INTEGER(result);
    done = in_threads(source.length, threads, kGlance, [&](uint64_t begin, uint64_t end) {
      char what[MULTIPROCESSING_WHAT];
      return !kernel.map_integer(source.integers + begin, out + begin, size_t(end - begin), what) ||
             trouble.say(what);
    });
  } else {
    done = map_reals(source, REAL(result), threads, [&](const double* in, double* out, size_t n) {
      char what[MULTIPROCESSING_WHAT];
      return !kernel.map_real(in, out, n, what) || trouble.say(what);
    });
  }
  trouble.check(done);
  keep_shape(x, result);
  return result;
}

// Every row or column becomes another one.
SEXP map_slices(SEXP x, const Source& source, int margin, Matrix shape,
                const multiprocessing_kernel_v1& kernel, unsigned threads) {
  Protected result(new_vector(REALSXP, Rf_xlength(x)));
  double* out = REAL(result);
  Trouble trouble;
  trouble.check(each_slice(
      source, margin, shape, threads, [&](uint64_t i, const double* slice, uint64_t length) {
        char what[MULTIPROCESSING_WHAT];
        if (margin == 2)
          return !kernel.map_slice(slice, out + i * length, length, what) || trouble.say(what);
        std::vector<double> row(length);
        if (kernel.map_slice(slice, row.data(), length, what)) return trouble.say(what);
        for (uint64_t c = 0; c < length; ++c) out[c * shape.rows + i] = row[c];
        return true;
      }));
  keep_shape(x, result);
  return result;
}

} // namespace

SEXP map_in_threads(SEXP x, SEXP fun, SEXP threads, SEXP margin) {
  Source source = source_of(x);
  Matrix shape;
  int m = margin_of(margin, x, &shape);
  unsigned n = threads_of(threads);
  Function f = function_of(fun);
  if (f.name) {
    if (const NamedMap* map = find_map(f.name)) return map_by_name(x, source, *map, n);
    Fold fold;
    if (!find_fold(f.name, &fold))
      throw Error{"ValueError", std::string("no built-in function \"") + f.name +
                                    "\": see ?thread_map for the names, or use cpp_fun()"};
    if (!m)
      throw Error{"ValueError", std::string("\"") + f.name +
                                    "\" makes one number of many: use thread_reduce(), or "
                                    "`margin` for one number per row or column"};
    return fold_slices(x, source, m, shape, f, fold, n);
  }
  if (f.kernel->map_real || f.kernel->map_integer) return map_with_kernel(x, source, *f.kernel, n);
  if (f.kernel->fold)
    throw Error{"ValueError", "`fun` takes two numbers: that is for thread_reduce()"};
  if (!m) throw Error{"ValueError", "`fun` takes a whole row or column: say which by `margin`"};
  if (f.kernel->value_of_slice) return fold_slices(x, source, m, shape, f, Fold::Sum, n);
  return map_slices(x, source, m, shape, *f.kernel, n);
}

} // namespace mp::bind
