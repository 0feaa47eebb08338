// thread_reduce(). A vector is cut into parts by its length alone, and their results are joined in
// order: the same numbers whatever the threads.
#include "threads/call.h"

#include <climits>

namespace mp::bind {
namespace {

uint64_t parts_of(uint64_t length) { return (length + kBlock - 1) / kBlock; }

// value(begin, end, part): all parts, in threads; false: it failed.
template <class Value> bool each_part(uint64_t length, unsigned threads, Value value) {
  return in_threads(parts_of(length), threads, 1, [&](uint64_t first, uint64_t end) {
    for (uint64_t p = first; p < end; ++p)
      if (!value(p * kBlock, std::min(length, (p + 1) * kBlock), p)) return false;
    return true;
  });
}

void check_done(bool done) {
  Trouble none;
  none.check(done);
}

SEXP whole_number(int64_t v, bool missing) {
  if (missing) return one_integer(NA_INTEGER);
  return v <= INT_MAX && v >= -INT_MAX ? one_integer(int(v)) : one_real(double(v));
}

SEXP fold_by_name(const Source& x, Fold fold, unsigned threads) {
  bool reals = x.type == Source::Type::Real;
  std::vector<Part> parts(parts_of(x.length));
  check_done(each_part(x.length, threads, [&](uint64_t begin, uint64_t end, uint64_t p) {
    parts[p] = fold_part(fold, x, begin, end);
    return true;
  }));
  Part all = first_part(fold);
  for (const Part& p : parts) all = join(fold, all, p);
  switch (fold) {
  case Fold::Sum:
    return reals ? one_real(as_double(all.real)) : whole_number(all.integer, all.missing);
  case Fold::Prod:
    return one_real(all.missing ? NA_REAL : as_double(all.real));
  case Fold::Min:
  case Fold::Max:
    return reals ? one_real(double(all.real)) : whole_number(all.integer, all.missing);
  case Fold::Mean:
    break;
  }
  if (!reals) return one_real(all.missing ? NA_REAL : double((long double)all.integer / x.length));
  long double mean = all.real / x.length;
  if (!std::isfinite(double(mean))) return one_real(double(mean));
  std::vector<long double> rests(parts.size());
  check_done(each_part(x.length, threads, [&](uint64_t begin, uint64_t end, uint64_t p) {
    rests[p] = residuals(x, begin, end, mean);
    return true;
  }));
  long double rest = 0;
  for (long double r : rests) rest += r;
  return one_real(double(mean + rest / x.length));
}

// From the first element on, so that each is used once.
bool fold_run(const Source& x, uint64_t begin, uint64_t end,
              const multiprocessing_kernel_v1& kernel, double* value, Trouble& trouble) {
  double buffer[Source::kChunk];
  for (uint64_t i = begin; i < end;) {
    size_t n = size_t(std::min<uint64_t>(Source::kChunk, end - i));
    const double* in = x.read(i, n, buffer);
    size_t skip = i == begin;
    if (skip) *value = in[0];
    char what[MULTIPROCESSING_WHAT];
    if (kernel.fold(value, in + skip, n - skip, what)) return trouble.say(what);
    i += n;
  }
  return true;
}

SEXP fold_with_kernel(const Source& x, const multiprocessing_kernel_v1& kernel, SEXP init,
                      unsigned threads) {
  std::vector<double> parts(parts_of(x.length));
  Trouble trouble;
  bool done = each_part(x.length, threads, [&](uint64_t begin, uint64_t end, uint64_t p) {
    return fold_run(x, begin, end, kernel, &parts[p], trouble);
  });
  trouble.check(done);
  size_t first = Rf_isNull(init);
  double value = first ? parts[0] : Rf_asReal(init);
  char what[MULTIPROCESSING_WHAT];
  if (kernel.fold(&value, parts.data() + first, parts.size() - first, what))
    trouble.check(trouble.say(what));
  return one_real(value);
}

// The same over each row or column, in its own thread.
SEXP fold_slices_with(SEXP x, const Source& source, int margin, Matrix shape,
                      const multiprocessing_kernel_v1& kernel, SEXP init, unsigned threads) {
  uint64_t n = margin == 1 ? shape.rows : shape.columns;
  Protected result(new_vector(REALSXP, R_xlen_t(n)));
  double* out = REAL(result);
  bool from_first = Rf_isNull(init);
  double start = from_first ? 0 : Rf_asReal(init);
  Trouble trouble;
  bool done = each_slice(
      source, margin, shape, threads, [&](uint64_t i, const double* slice, uint64_t length) {
        char what[MULTIPROCESSING_WHAT];
        out[i] = from_first ? slice[0] : start;
        return !kernel.fold(out + i, slice + from_first, length - from_first, what) ||
               trouble.say(what);
      });
  trouble.check(done);
  Protected given(Rf_getAttrib(x, R_DimNamesSymbol));
  if (!Rf_isNull(given)) Rf_setAttrib(result, R_NamesSymbol, VECTOR_ELT(given, margin - 1));
  return result;
}

void check_init(SEXP init) {
  if (Rf_isNull(init)) return;
  if (Rf_isObject(init) || !(Rf_isNumeric(init) || Rf_isLogical(init)) || Rf_length(init) != 1)
    refuse(init, "`init` must be one number");
}

} // namespace

// `init` NULL: none. Empty vectors are left to base R when `fun` is a name.
SEXP reduce_in_threads(SEXP x, SEXP fun, SEXP init, SEXP threads, SEXP margin) {
  Source source = source_of(x);
  Matrix shape;
  int m = margin_of(margin, x, &shape);
  unsigned n = threads_of(threads);
  Function f = function_of(fun);
  check_init(init);
  if (f.name) {
    Fold fold;
    if (!find_fold(f.name, &fold))
      throw Error{"ValueError", std::string("no built-in reduction \"") + f.name +
                                    "\": use \"sum\", \"prod\", \"min\", \"max\", \"mean\", or "
                                    "compile one with cpp_fun()"};
    if (m) return fold_slices(x, source, m, shape, f, fold, n);
    return fold_by_name(source, fold, n);
  }
  if (!f.kernel->fold)
    throw Error{"ValueError", "`fun` must take two numbers and give one: double f(double a, "
                              "double b)"};
  bool empty = m ? (m == 1 ? shape.columns : shape.rows) == 0 : source.length == 0;
  if (empty && Rf_isNull(init))
    throw Error{"ValueError", "`x` has no elements: give an `init`, which is then the result"};
  if (m) return fold_slices_with(x, source, m, shape, *f.kernel, init, n);
  return fold_with_kernel(source, *f.kernel, init, n);
}

} // namespace mp::bind
