#include "session/recent_vectors.h"

#include "session/adopted.h"

#include <algorithm>

namespace mp::bind {
namespace {

constexpr size_t kMost = 8;
constexpr uint64_t kLeastBytes = 16 * 1024 * 1024; // to look whether a smaller one is unchanged costs more than a new one

bool same_block(const codec::HandleId& a, const codec::HandleId& b) { return a.block == b.block && a.serial == b.serial; }

} // namespace

void RecentVectors::begin_job() {
  std::move(now_.begin(), now_.end(), std::back_inserter(earlier_));
  now_.clear();
  if (earlier_.size() > kMost) earlier_.erase(earlier_.begin(), earlier_.end() - kMost);
}

SEXP RecentVectors::take(const codec::HandleId& id, SEXPTYPE type, uint64_t length) {
  auto found = std::find_if(earlier_.begin(), earlier_.end(), [&](const Vector& v) { return same_block(v.id, id); });
  if (found == earlier_.end()) return nullptr;
  Vector v = std::move(*found);
  earlier_.erase(found);
  SEXP x = v.value;
  if (SEXPTYPE(TYPEOF(x)) != type || uint64_t(Rf_xlength(x)) != length || !is_unchanged(codec::data_of(x), codec::bytes_in(x)))
    return nullptr; // and it is held no longer
  now_.push_back(std::move(v));
  return x;
}

void RecentVectors::add(const codec::HandleId& id, SEXP x) {
  if (now_.size() >= kMost || codec::bytes_in(x) < kLeastBytes || !is_adopted(codec::data_of(x))) return;
  or_jump([&] { now_.push_back({id, Preserved(x)}); });
}

void RecentVectors::clear() {
  earlier_.clear();
  now_.clear();
}

} // namespace mp::bind
