#include "threads/call.h"

#include <algorithm>
#include <climits>

namespace mp::bind {

Source source_of(SEXP x) {
  if (Rf_isObject(x))
    throw Error{"ValueError", "`x` must be a plain numeric, integer or logical vector or matrix, "
                              "not an object with a class; unclass() gives its numbers"};
  Source s{};
  s.length = uint64_t(Rf_xlength(x));
  switch (TYPEOF(x)) { // read in place, also where the data are a view of shared memory
  case REALSXP:
    s.type = Source::Type::Real;
    s.reals = static_cast<const double*>(DATAPTR_RO(x));
    return s;
  case INTSXP:
    s.type = Source::Type::Integer;
    s.integers = static_cast<const int*>(DATAPTR_RO(x));
    return s;
  case LGLSXP:
    s.type = Source::Type::Logical;
    s.integers = static_cast<const int*>(DATAPTR_RO(x));
    return s;
  default:
    throw Error{"ValueError",
                std::string("`x` must be a numeric, integer or logical vector or matrix, not ") +
                    Rf_type2char(TYPEOF(x))};
  }
}

int margin_of(SEXP margin, SEXP x, Matrix* shape) {
  if (Rf_isNull(margin)) return 0;
  int m = Rf_isNumeric(margin) && Rf_length(margin) == 1 ? Rf_asInteger(margin) : 0;
  if ((m != 1 && m != 2) || Rf_asReal(margin) != m)
    refuse(margin, "`margin` must be NULL, 1 (rows) or 2 (columns)");
  if (!Rf_isMatrix(x)) throw Error{"ValueError", "`margin` needs a matrix as `x`"};
  const int* dim = INTEGER_RO(Rf_getAttrib(x, R_DimSymbol));
  *shape = {uint64_t(dim[0]), uint64_t(dim[1])};
  return m;
}

unsigned threads_of(SEXP threads) {
  if (Rf_isNull(threads)) return thread_count(0);
  double n = Rf_isNumeric(threads) && Rf_length(threads) == 1 ? Rf_asReal(threads) : NA_REAL;
  if (!(n >= 1 && n <= 1024 && n == std::floor(n)))
    refuse(threads, "`threads` must be NULL or one whole number from 1 to 1024");
  return thread_count(unsigned(n));
}

Function function_of(SEXP fun) {
  static SEXP tag = nullptr;
  if (!tag) tag = Rf_install("multiprocessing_kernel_v1"); // no initializer: R may jump out of it
  Function f;
  if (TYPEOF(fun) == STRSXP && Rf_length(fun) == 1 && STRING_ELT(fun, 0) != NA_STRING) {
    f.name = CHAR(STRING_ELT(fun, 0));
    return f;
  }
  if (TYPEOF(fun) == CLOSXP || TYPEOF(fun) == BUILTINSXP || TYPEOF(fun) == SPECIALSXP)
    throw Error{"ValueError", "`fun` is an R function, and R can run in one thread only: name a "
                              "built-in function (\"sqrt\"), compile one with cpp_fun(), or use "
                              "the processes of mclapply()"};
  if (TYPEOF(fun) != EXTPTRSXP || R_ExternalPtrTag(fun) != tag)
    throw Error{"ValueError", "`fun` must be the name of a built-in function, a cpp_fun(), or a "
                              "pointer from multiprocessing::kernel<>() of another package"};
  f.kernel = static_cast<const multiprocessing_kernel_v1*>(R_ExternalPtrAddr(fun));
  if (!f.kernel)
    throw Error{"ValueError", "the compiled function that `fun` pointed to is not in this process "
                              "(it was saved, or sent to a fresh R): make it again here"};
  return f;
}

void warn(const char* message) { call_r("warn_of_threads", message); }

SEXP new_vector(SEXPTYPE type, R_xlen_t length) {
  return protect([&] { return Rf_allocVector(type, length); });
}

SEXP fold_slices(SEXP x, const Source& source, int margin, Matrix shape, Function f, Fold fold,
                 unsigned threads) {
  uint64_t n = margin == 1 ? shape.rows : shape.columns;
  bool reals = source.type == Source::Type::Real;
  Protected result(new_vector(REALSXP, R_xlen_t(n)));
  double* out = REAL(result);
  Trouble trouble;
  bool done = each_slice(
      source, margin, shape, threads, [&](uint64_t i, const double* slice, uint64_t length) {
        if (f.name) {
          out[i] = fold_slice(fold, slice, length, reals);
          return true;
        }
        char what[MULTIPROCESSING_WHAT];
        return !f.kernel->value_of_slice(slice, length, out + i, what) || trouble.say(what);
      });
  trouble.check(done);
  Protected given(Rf_getAttrib(x, R_DimNamesSymbol));
  SEXP names = Rf_isNull(given) ? R_NilValue : VECTOR_ELT(given, margin - 1);
  bool whole = f.name && !reals && (fold == Fold::Sum || fold == Fold::Min || fold == Fold::Max) &&
               shape.rows > 0 && shape.columns > 0;
  if (!Rf_isNull(names)) Rf_setAttrib(result, R_NamesSymbol, names);
  auto is_large = [](double v) { return std::fabs(v) > INT_MAX; };
  if (!whole || std::any_of(out, out + n, is_large)) return result;
  return protect([&] { return Rf_coerceVector(result, INTSXP); });
}

} // namespace mp::bind
