#include "session/recent_vectors.h"

#include "session/adopted.h"

namespace mp::bind {
namespace {

constexpr size_t kMost = 8;
constexpr uint64_t kLeastBytes = 16 * 1024 * 1024; // to look whether a smaller one is unchanged costs more than a new one

} // namespace

void RecentVectors::begin_job() {
  last_ = std::move(now_);
  now_.clear();
}

void RecentVectors::end_input() { last_.clear(); }

SEXP RecentVectors::take(const codec::HandleId& id, SEXPTYPE type, uint64_t length) {
  for (auto v = last_.begin(); v != last_.end(); ++v) {
    SEXP x = v->value;
    if (v->id.block != id.block || v->id.serial != id.serial || SEXPTYPE(TYPEOF(x)) != type || uint64_t(Rf_xlength(x)) != length) continue;
    bool same = is_unchanged(codec::data_of(x), codec::bytes_in(x));
    last_.erase(v);
    return same ? x : nullptr;
  }
  return nullptr;
}

void RecentVectors::add(const codec::HandleId& id, SEXP x) {
  if (now_.size() >= kMost || codec::bytes_in(x) < kLeastBytes || !is_adopted(codec::data_of(x))) return;
  or_jump([&] { now_.push_back({id, Preserved(x)}); });
}

void RecentVectors::clear() {
  last_.clear();
  now_.clear();
}

} // namespace mp::bind
