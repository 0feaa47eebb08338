// What tests ask, or set.
#include "session/blocks.h"
#include "session/session.h"

#include "codec/codec.h"
#include "core/guard.h"
#include "core/heap.h"
#include "core/participant.h"
#include "r/call.h"
#include "core/reaper.h"

using namespace mp;
using namespace mp::bind;

// Blocks, bytes and a problem found in the heap ("" when it is consistent).
// [[Rcpp::export(rng = false)]]
SEXP heap_check() {
  return entry([&] {
    reap();
    HeapReport r = heap().check();
    return with_names(list_of(double(r.used_blocks), double(r.used_bytes), double(r.backed_bytes),
                              double(r.total_bytes), r.problem),
                      {"blocks", "bytes", "backed", "total", "problem"});
  });
}

// The process that is at work in the heap right now, 0: none.
// [[Rcpp::export(rng = false)]]
int heap_holder() {
  return entry([&] {
    Token t = heap().guard_holder();
    return is_alive(t) ? int(pid_of(t)) : 0;
  });
}

// For how many seconds this process waits for another one that is at work in the heap.
// [[Rcpp::export(rng = false)]]
double guard_limit(double seconds) {
  double before = double(GuardLimit::now().limit_ns) / 1e9;
  GuardLimit::now().limit_ns = int64_t(seconds * 1e9);
  return before;
}

// [[Rcpp::export(rng = false)]]
SEXP codec_encode(SEXP x) {
  return entry([&]() -> SEXP {
    codec::Encoding e = codec::encode(x, codec::kNoBlocks);
    Protected raw(codec::protect([&] { return Rf_allocVector(RAWSXP, R_xlen_t(e.size())); }));
    e.write(RAW(raw));
    return raw;
  });
}

// [[Rcpp::export(rng = false)]]
SEXP codec_decode(SEXP raw) {
  return entry([&] { return codec::decode(RAW(raw), uint64_t(Rf_xlength(raw))); });
}

// See set_copy_limit().
// [[Rcpp::export(rng = false)]]
double block_copy_limit(double bytes) { return set_copy_limit(bytes); }

// Takes all places of the session that are free, so that a fork gets none; FALSE gives them back.
// [[Rcpp::export(rng = false)]]
int take_all_slots(bool take) {
  return entry([&] {
    static std::vector<Token> taken;
    while (take) {
      Token t = reserve_slot();
      if (!t) break;
      taken.push_back(t);
    }
    if (take) return int(taken.size());
    for (Token t : taken) abandon_slot(t);
    taken.clear();
    reap();
    return 0;
  });
}
