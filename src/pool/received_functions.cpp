#include "pool/received_functions.h"

#include "session/lost.h"
#include "session/session.h"

#include "codec/codec.h"
#include "core/guard.h"
#include "core/heap.h"
#include "r/compat.h"

#include <algorithm>

namespace mp::bind {
namespace {

constexpr long kMost = 16, kMostOnce = 4; // as jobs may alternate

bool has_own_environment(SEXP f) {
  SEXP env = TYPEOF(f) == CLOSXP ? r::closure_environment(f) : R_BaseEnv;
  return env != R_GlobalEnv && env != R_BaseEnv && !R_IsNamespaceEnv(env);
}

} // namespace

SEXP ReceivedFunctions::at(const Reference& ref) {
  for (const Received& f : functions_)
    if (f.serial == ref.serial) return f.function;
  GuardLimit guards = GuardLimit::none(); // the job was claimed, and would not be done later
  uint64_t block = ref.page * kPageBytes;
  Protected f(codec::decode(heap().at(block), heap().bytes_of(block)));
  bool once = has_own_environment(f);
  if (once) {
    Protected alone(list_of(SEXP(f)));
    refuse_lost(alone, bind::Received::Elements);
  }
  make_room(once);
  functions_.push_back({ref.serial, Preserved(f), once});
  return f;
}

// For one more: releases what the oldest keeps alive.
void ReceivedFunctions::make_room(bool once) {
  auto alike = [&](const Received& f) { return f.once == once; };
  if (std::count_if(functions_.begin(), functions_.end(), alike) < (once ? kMostOnce : kMost)) return;
  functions_.erase(std::find_if(functions_.begin(), functions_.end(), alike));
}

} // namespace mp::bind
