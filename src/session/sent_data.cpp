#include "session/sent_data.h"
#include "session/blocks.h"
#include "session/handle.h"

#include "core/platform/pages.h"

#include <algorithm>

namespace mp::bind {
namespace {

std::vector<Exports*>& all = *new std::vector<Exports*>;

// Upper bound for cached data that the latest job did not use
uint64_t spare_bytes() {
  static const uint64_t bytes = std::min(uint64_t(1) << 30, platform::total_memory() / 16);
  return bytes;
}

} // namespace

Exports::Exports() {
  static bool first = true;
  if (first) at_shortage(give_up_unused);
  first = false;
  all.push_back(this);
}

Exports::~Exports() {
  clear();
  all.erase(std::remove(all.begin(), all.end(), this), all.end());
}

template <class F> void Exports::give_up(F&& whether) {
  auto kept = std::stable_partition(known_.begin(), known_.end(),
                                    [&](const codec::Known& k) { return !whether(k); });
  std::vector<codec::Known> gone(kept, known_.end());
  known_.erase(kept, known_.end());
  for (const codec::Known& k : gone) let_go(k.id.block);
}

void Exports::clear() {
  give_up([](const codec::Known&) { return true; });
}

codec::Encoding Exports::Job::encode(SEXP x) {
  std::vector<codec::Known>& known = exports_.known_;
  codec::Encoding e = codec::encode(x, codec::kBlockBytes, &known, exports_.pointers_);
  for (codec::Known k : e.made()) {
    k.data = heap().at(k.id.block + platform::kVectorLead);
    known.push_back(k);
    keep_block(k.id.block);
  }
  return e;
}

void Exports::end_job() {
  auto unused = [](const codec::Known& k) { return !k.used; };
  auto used = std::stable_partition(known_.begin(), known_.end(), unused);
  if (used == known_.end()) return; // no such data: nothing to be learned from this job
  uint64_t room = spare_bytes();
  for (auto k = used; k != known_.begin();) { // the latest first
    --k;
    k->used = k->bytes <= room;
    room -= k->used ? k->bytes : room;
  }
  give_up(unused);
  for (codec::Known& k : known_) k.used = false;
}

void Exports::give_up_unused() {
  for (Exports* e : all) e->give_up([](const codec::Known& k) { return !k.used; });
}

void forget_exports() {
  for (Exports* e : all) e->clear();
}

} // namespace mp::bind
