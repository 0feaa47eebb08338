// share(), is_shared(), memory_usage().
#include "session/handle.h"
#include "session/session.h"
#include "core/reaper.h"

#include <iterator>

using namespace mp;
using namespace mp::bind;

namespace {

const char* const kNames[] = { // of kinds
    "other", "data",    "lock",  "queue",     "pipe",  "connection", "pool",  "job",
    "process", "barrier", "array", "semaphore", "event", "condition",  "array", "dict"};
static_assert(std::size(kNames) == size_t(BlockKind::kCount));

bool has_data(SEXP x) { return Rf_isVectorAtomic(x) && Rf_xlength(x) > 0; }

// Counts the vectors in `x` that are views, and those that could be.
void count_views(SEXP x, uint64_t least, R_xlen_t* views, R_xlen_t* others) {
  if (has_data(x)) {
    if (codec::is_untouched_view(x)) ++*views;
    else if (codec::bytes_in(x) >= least) ++*others;
  } else if (TYPEOF(x) == VECSXP) {
    for (R_xlen_t i = 0; i < Rf_xlength(x); ++i)
      count_views(VECTOR_ELT(x, i), least, views, others);
  }
}

constexpr uint64_t kSharedBytes = 4096; // parts of a list that are smaller stay ordinary

} // namespace

// NULL if it cannot be shared.
// [[Rcpp::export(rng = false)]]
SEXP share_value(SEXP x) {
  return entry([&]() -> SEXP {
    codec::Encoding e = codec::encode(x, has_data(x) ? 1 : kSharedBytes);
    if (e.serialized()) return R_NilValue;
    std::vector<uint64_t> frame(e.size() / 8);
    auto* at = reinterpret_cast<uint8_t*>(frame.data());
    e.write(at);
    return codec::decode(at, e.size(), true);
  });
}

// [[Rcpp::export(rng = false)]]
bool is_shared_value(SEXP x) {
  R_xlen_t views = 0, others = 0;
  count_views(x, kSharedBytes, &views, &others);
  return views > 0 && others == 0;
}

// Columns of a data frame, see memory_usage().
// [[Rcpp::export(rng = false)]]
SEXP memory_blocks() {
  return entry([&] {
    reap();
    std::vector<double> id, bytes;
    std::vector<int> references, creator;
    std::vector<BlockInfo> blocks = heap().blocks();
    size_t n = blocks.size();
    Protected kinds(codec::protect([&] { return Rf_allocVector(STRSXP, R_xlen_t(n)); }));
    Protected holders(codec::protect([&] { return Rf_allocVector(VECSXP, R_xlen_t(n)); }));
    for (size_t i = 0; i < n; ++i) {
      const BlockInfo& b = blocks[i];
      id.push_back(double(b.serial));
      bytes.push_back(double(b.backed_bytes));
      references.push_back(int(b.referrers) + b.is_child);
      creator.push_back(is_alive(b.creator) ? int(pid_of(b.creator)) : 0);
      std::vector<int> pids;
      for (Token t : b.holders) pids.push_back(int(pid_of(t)));
      codec::protect([&]() -> SEXP {
        SET_STRING_ELT(kinds, R_xlen_t(i), Rf_mkChar(kNames[int(b.kind)]));
        SET_VECTOR_ELT(holders, R_xlen_t(i), to_r(pids));
        return R_NilValue;
      });
    }
    Protected columns(list_of(id, SEXP(kinds), bytes, SEXP(holders), references, creator));
    return with_names(columns, {"id", "kind", "bytes", "holders", "references", "creator"});
  });
}
