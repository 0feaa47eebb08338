// Each does what base R's function does, to the last bit: the same calls of the mathematical
// library, the same treatment of NA and NaN, of values next to 0, sums in long double.
#include "threads/kernels.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>

#include <R_ext/Arith.h>
#include <Rversion.h>

namespace mp::bind {
namespace {

template <double (*log)(double)> double r_log(double x) {
  return x > 0 ? log(x) : x == 0 ? -INFINITY : R_NaN;
}

// Since R 4.6 a function's value next to 0 is that of its series' first terms, where those are
// exact to the last bit, and not what the mathematical library says; and 0, not -0, is the value at
// -0.
constexpr bool kSeries = R_VERSION >= R_Version(4, 6, 0);
constexpr double kCosTiny = 0x1.dc783d76af359p-13;  // the 4th root of 12 DBL_EPSILON
constexpr double kSineTiny = 0x1.bb67ae8584caap-26; // sqrt(3 DBL_EPSILON)
constexpr double kTanTiny = 0x1.3988e1409212ep-26;  // sqrt(1.5 DBL_EPSILON)

// f(x) is x, and terms that do not count up to `tiny`.
template <double (*f)(double)> double like_x(double x, double tiny) {
  return kSeries && std::fabs(x) <= tiny ? x + 0.0 : f(x);
}
double r_exp(double x) { return kSeries && std::fabs(x) <= 0x1p-26 ? 1 + x : std::exp(x); }
double r_cos(double x) {
  return kSeries && std::fabs(x) < kCosTiny ? 1 - x * x * 0.5 : std::cos(x);
}
double r_sign(double x) { return x != x ? x : double((x > 0) - (x < 0)); }

template <class F> bool each(const double* in, double* out, size_t n, F f) {
  bool any = false;
  for (size_t i = 0; i < n; ++i) {
    out[i] = f(in[i]);
    any |= out[i] != out[i];
  }
  if (!any) return false;
  bool produced = false;
  for (size_t i = 0; i < n; ++i) {
    if (in[i] != in[i]) out[i] = in[i]; // the very NaN that came in: NA stays NA, bit for bit
    else produced |= out[i] != out[i];
  }
  return produced;
}

#define MP_MAP(name, expression)                                                                   \
  {                                                                                                \
    name, [](const double* in, double* out, size_t n) {                                            \
      return each(in, out, n, [](double x) { return expression; });                                \
    }                                                                                              \
  }

const NamedMap kMaps[] = {
    MP_MAP("sqrt", std::sqrt(x)),
    MP_MAP("exp", r_exp(x)),
    MP_MAP("expm1", like_x<std::expm1>(x, DBL_EPSILON)),
    MP_MAP("log", r_log<std::log>(x)),
    MP_MAP("log2", r_log<std::log2>(x)),
    MP_MAP("log10", r_log<std::log10>(x)),
    MP_MAP("log1p", like_x<std::log1p>(x, DBL_EPSILON)),
    MP_MAP("sin", like_x<std::sin>(x, kSineTiny)),
    MP_MAP("cos", r_cos(x)),
    MP_MAP("tan", like_x<std::tan>(x, kTanTiny)),
    MP_MAP("asin", like_x<std::asin>(x, kSineTiny)),
    MP_MAP("acos", std::acos(x)),
    MP_MAP("atan", like_x<std::atan>(x, kTanTiny)),
    MP_MAP("sinh", like_x<std::sinh>(x, 0)),
    MP_MAP("cosh", std::cosh(x)),
    MP_MAP("tanh", like_x<std::tanh>(x, 0)),
    MP_MAP("asinh", like_x<std::asinh>(x, 0)),
    MP_MAP("acosh", std::acosh(x)),
    MP_MAP("atanh", like_x<std::atanh>(x, 0)),
    MP_MAP("floor", std::floor(x)),
    MP_MAP("ceiling", std::ceil(x)),
    MP_MAP("trunc", std::trunc(x)),
    MP_MAP("abs", std::fabs(x)),
    MP_MAP("sign", r_sign(x)),
};

#undef MP_MAP

const char* const kFolds[] = {"sum", "prod", "min", "max", "mean"}; // in the order of Fold

double to_real(int v) { return v == multiprocessing::detail::kNaInteger ? NA_REAL : v; }

// Any NA is stronger than any other NaN, whatever their order.
double extreme(double a, double b, bool smaller) {
  if (std::isnan(a) || std::isnan(b)) {
    if (!std::isnan(b)) return a;
    if (!std::isnan(a)) return b;
    return R_IsNA(a) ? a : b;
  }
  return smaller ? (b < a ? b : a) : (b > a ? b : a);
}

Part fold_reals(Fold fold, const double* x, size_t n, Part p) {
  switch (fold) {
  case Fold::Sum:
  case Fold::Mean:
    for (size_t i = 0; i < n; ++i) p.real += x[i];
    break;
  case Fold::Prod:
    for (size_t i = 0; i < n; ++i) p.real *= x[i];
    break;
  case Fold::Min:
  case Fold::Max: {
    double e = double(p.real);
    for (size_t i = 0; i < n; ++i) e = extreme(e, x[i], fold == Fold::Min);
    p.real = e;
    break;
  }
  }
  return p;
}

Part fold_integers(Fold fold, const int* x, size_t n, Part p) {
  for (size_t i = 0; i < n; ++i) {
    int v = x[i];
    if (v == multiprocessing::detail::kNaInteger) {
      p.missing = true;
      continue;
    }
    switch (fold) {
    case Fold::Sum:
    case Fold::Mean: // of fewer than 2^32 elements that is exact
      p.integer += v;
      break;
    case Fold::Prod:
      p.real *= v;
      break;
    case Fold::Min:
      p.integer = std::min<int64_t>(p.integer, v);
      break;
    case Fold::Max:
      p.integer = std::max<int64_t>(p.integer, v);
      break;
    }
  }
  return p;
}

} // namespace

const double* Source::read(uint64_t at, size_t n, double* buffer) const {
  if (type == Type::Real) return reals + at;
  for (size_t i = 0; i < n; ++i) buffer[i] = to_real(integers[at + i]);
  return buffer;
}

void Source::read_rows(uint64_t row, size_t n, uint64_t rows, uint64_t columns, double* out) const {
  for (uint64_t c = 0; c < columns; ++c)
    for (size_t r = 0; r < n; ++r) {
      uint64_t at = c * rows + row + r;
      out[r * columns + c] = type == Type::Real ? reals[at] : to_real(integers[at]);
    }
}

void Source::read_column(uint64_t column, uint64_t rows, double* out) const {
  for (uint64_t r = 0; r < rows; ++r) out[r] = to_real(integers[column * rows + r]);
}

const NamedMap* find_map(const char* name) {
  for (const NamedMap& m : kMaps)
    if (std::strcmp(m.name, name) == 0) return &m;
  return nullptr;
}

bool find_fold(const char* name, Fold* fold) {
  for (int i = 0; i < 5; ++i)
    if (std::strcmp(kFolds[i], name) == 0) {
      *fold = Fold(i);
      return true;
    }
  return false;
}

Part first_part(Fold fold) {
  Part p;
  if (fold == Fold::Prod) p.real = 1;
  if (fold == Fold::Min) p.real = INFINITY, p.integer = INT64_MAX;
  if (fold == Fold::Max) p.real = -INFINITY, p.integer = INT64_MIN;
  return p;
}

Part fold_part(Fold fold, const Source& x, uint64_t begin, uint64_t end) {
  bool reals = x.type == Source::Type::Real;
  Part p = first_part(fold);
  return reals ? fold_reals(fold, x.reals + begin, size_t(end - begin), p)
               : fold_integers(fold, x.integers + begin, size_t(end - begin), p);
}

Part join(Fold fold, Part a, Part b) {
  a.missing |= b.missing;
  switch (fold) {
  case Fold::Sum:
  case Fold::Mean:
    a.real += b.real;
    a.integer += b.integer;
    break;
  case Fold::Prod:
    a.real *= b.real;
    break;
  case Fold::Min:
  case Fold::Max:
    a.real = extreme(double(a.real), double(b.real), fold == Fold::Min);
    a.integer = fold == Fold::Min ? std::min(a.integer, b.integer) : std::max(a.integer, b.integer);
    break;
  }
  return a;
}

long double residuals(const Source& x, uint64_t begin, uint64_t end, long double mean) {
  long double t = 0;
  for (uint64_t i = begin; i < end; ++i) t += x.reals[i] - mean;
  return t;
}

double as_double(long double sum) {
  if (sum > DBL_MAX) return INFINITY;
  if (sum < -DBL_MAX) return -INFINITY;
  return double(sum);
}

double fold_slice(Fold fold, const double* x, size_t n, bool reals) {
  Part p = fold_reals(fold, x, n, first_part(fold));
  if (fold == Fold::Sum || fold == Fold::Prod) return as_double(p.real);
  if (fold != Fold::Mean) return double(p.real);
  long double mean = p.real / n;
  if (!reals || !std::isfinite(double(mean))) return double(mean);
  long double t = 0;
  for (size_t i = 0; i < n; ++i) t += x[i] - mean;
  return double(mean + t / n);
}

} // namespace mp::bind
