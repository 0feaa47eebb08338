#include "pool/random_streams.h"

namespace mp::bind {
namespace {

constexpr uint64_t kM1 = 4294967087u, kM2 = 4294944443u;
using Matrix = std::array<std::array<uint64_t, 3>, 3>;

// The generators' transitions to the power of 2^127 (L'Ecuyer, Simard, Chen and Kelton 2002).
constexpr Matrix kA1 = {{{2427906178u, 3580155704u, 949770784u},
                         {226153695u, 1230515664u, 3580155704u},
                         {1988835001u, 986791581u, 1230515664u}}};
constexpr Matrix kA2 = {{{1464411153u, 277697599u, 1610723613u},
                         {32183930u, 1464411153u, 1022607788u},
                         {2824425944u, 32183930u, 2093834863u}}};

Matrix multiply(const Matrix& a, const Matrix& b, uint64_t m) {
  Matrix c{};
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 3; ++k) c[i][j] = (c[i][j] + a[i][k] * b[k][j] % m) % m;
  return c;
}

void apply(const Matrix& a, uint64_t* v, uint64_t m) {
  uint64_t r[3] = {0, 0, 0};
  for (int i = 0; i < 3; ++i)
    for (int k = 0; k < 3; ++k) r[i] = (r[i] + a[i][k] * v[k] % m) % m;
  for (int i = 0; i < 3; ++i) v[i] = r[i];
}

} // namespace

Stream Stream::from_r(SEXP seed) {
  Stream s;
  int n = Rf_length(seed), skip = n == 7 ? 1 : 0;
  if (skip) s.kind_ = INTEGER(seed)[0];
  for (int i = 0; i < 6; ++i) s.base_[size_t(i)] = uint32_t(INTEGER(seed)[i + skip]);
  s.now_ = s.base_;
  return s;
}

void Stream::jump(State& s, uint64_t streams) {
  Matrix a1 = kA1, a2 = kA2;
  for (; streams; streams >>= 1) {
    if (streams & 1) {
      apply(a1, s.data(), kM1);
      apply(a2, s.data() + 3, kM2);
    }
    a1 = multiply(a1, a1, kM1);
    a2 = multiply(a2, a2, kM2);
  }
}

void Stream::seek(uint64_t stream) {
  now_ = base_;
  jump(now_, stream);
}

void Stream::next_into_r() {
  SEXP seed = PROTECT(Rf_allocVector(INTSXP, 7));
  INTEGER(seed)[0] = kind_;
  for (int i = 0; i < 6; ++i) INTEGER(seed)[i + 1] = int(uint32_t(now_[size_t(i)]));
  Rf_defineVar(Rf_install(".Random.seed"), seed, R_GlobalEnv);
  UNPROTECT(1);
  jump(now_, 1);
}

} // namespace mp::bind
