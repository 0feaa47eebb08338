#include "target.h"

#include "blocks.h"
#include "codec/codec.h"
#include "codec/format.h"
#include "memory.h"
#include "r/compat.h"
#include "soundness.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace mp::codec;

namespace fuzz {

Tally tally;

namespace {

[[noreturn]] void finding(const char* what) {
  std::fprintf(stderr, "FINDING: %s\n", what);
  std::abort();
}

void must(bool holds, const char* promise) {
  if (!holds) finding(promise);
}

// Such a frame is trusted, as R's own reader trusts it: it is not read here.
bool is_serialized(const uint8_t* p, size_t n) {
  return n > offsetof(FrameHeader, kind) &&
         (p[offsetof(FrameHeader, kind)] == static_cast<uint8_t>(FrameKind::serialized) ||
          p[offsetof(FrameHeader, kind)] == static_cast<uint8_t>(FrameKind::out_of_band));
}

// What a verb may allocate for `n` bytes: no single piece larger than twice the frame, and in all
// what R's headers of many small objects cost (a list of empty vectors takes 24 bytes each in a
// frame and 56 in R, strings of 2 letters 7 and 64). The slack is for buffers of R's own: pages of
// 2,000 bytes, and 8,192 to translate a name.
constexpr size_t kSlack = 8192;
constexpr size_t most_at_once(size_t n) { return 2 * n + kSlack; }
constexpr size_t most_in_all(size_t n) { return 16 * (n + kSlack); }

enum class Outcome { value, refused, r_error };

// Runs a verb. R itself allocates now and then, when a table of its own has to grow: what counts is
// an input that needs too much each time.
template <class Verb> Outcome attempt(size_t n, SEXP* value, Verb&& verb) {
  for (int tries = 0;; tries++) {
    Outcome outcome = Outcome::value;
    bytes_named = 0;
    Meter meter(tries < 2 ? SIZE_MAX : most_at_once(n));
    try {
      *value = verb();
    } catch (const DecodeError&) {
      outcome = Outcome::refused;
    } catch (const Unwind&) {
      outcome = Outcome::r_error;
    }
    must(outcome != Outcome::r_error || error_asked_for, "no R error while a frame is read");
    size_t stands_for = n + bytes_named;
    if (Meter::largest() <= most_at_once(stands_for) && Meter::total() <= most_in_all(stands_for))
      return outcome;
    if (tries == 2) {
      std::fprintf(stderr, "%zu bytes in one piece, %zu in all, for a frame of %zu\n",
                   Meter::largest(), Meter::total(), stands_for);
      finding("an allocation larger than twice the frame");
    }
  }
}

// The value as our own encoder writes it; nothing if it cannot travel (an integer that a changed
// class made a connection).
Bytes sent_on(SEXP x, uint64_t block_bytes = kBlockBytes) {
  try {
    Encoding e = encode(x, block_bytes);
    Bytes bytes(e.size());
    e.write(bytes.data());
    return bytes;
  } catch (const EncodeError&) {
    return {};
  } catch (const Unwind&) {
    must(error_asked_for, "no R error while a decoded value is sent on");
    return {};
  }
}

// Bytes are compared, as R's identical() would expand compact row names, of 2^31 rows maybe.
bool equal(SEXP a, SEXP b) { return sent_on(a, kNoBlocks) == sent_on(b, kNoBlocks); }

bool same_element(SEXP all, R_xlen_t i, SEXP some, R_xlen_t j) {
  switch (TYPEOF(all)) {
  case LGLSXP:
    return LOGICAL_ELT(all, i) == LOGICAL_ELT(some, j);
  case INTSXP:
    return INTEGER_ELT(all, i) == INTEGER_ELT(some, j);
  case REALSXP: {
    double a = REAL_ELT(all, i), b = REAL_ELT(some, j);
    return std::memcmp(&a, &b, sizeof a) == 0;
  }
  case CPLXSXP: {
    Rcomplex a = COMPLEX_ELT(all, i), b = COMPLEX_ELT(some, j);
    return std::memcmp(&a, &b, sizeof a) == 0;
  }
  case RAWSXP:
    return RAW_ELT(all, i) == RAW_ELT(some, j);
  case STRSXP:
    return STRING_ELT(all, i) == STRING_ELT(some, j);
  default:
    return equal(VECTOR_ELT(all, i), VECTOR_ELT(some, j));
  }
}

// `whole` is nullptr if decode() refused the frame: what a slice does not read may be wrong.
void try_slice(const uint8_t* p, size_t n, uint64_t first, uint64_t count, SEXP whole) {
  bool needs_whole = false;
  SEXP slice = nullptr;
  Outcome outcome =
      attempt(n, &slice, [&] { return decode_slice(p, n, first, count, &needs_whole); });
  if (outcome == Outcome::r_error) return; // a view is read later than a copy
  if (whole && TYPEOF(whole) != EXTPTRSXP && TYPEOF(whole) != ENVSXP && whole != R_NilValue) {
    uint64_t length = static_cast<uint64_t>(Rf_xlength(whole));
    bool inside = first <= length && count <= length - first;
    must(inside == (outcome == Outcome::value), "a slice exists if it is within the value");
  }
  if (outcome != Outcome::value) return;
  tally.slices++;
  if (needs_whole || slice == R_NilValue) return;
  PROTECT(slice);
  must(static_cast<uint64_t>(Rf_xlength(slice)) == count, "a slice has the length asked for");
  must(!mp::r::has_attributes(slice) && !Rf_isObject(slice), "a slice has no attributes");
  if (whole) {
    must(TYPEOF(whole) == TYPEOF(slice), "a slice has the type of its value");
    for (uint64_t i = 0; i < count && i < 16; i++)
      must(same_element(whole, static_cast<R_xlen_t>(first + i), slice, static_cast<R_xlen_t>(i)),
           "a slice has the elements of its value");
  }
  UNPROTECT(1);
}

// The one thing that a plain frame can hold and a plain value cannot: a nil pointer that is not
// within attributes.
bool has_nil_pointer(SEXP x) {
  if (TYPEOF(x) == EXTPTRSXP) return R_ExternalPtrAddr(x) == nullptr;
  if (TYPEOF(x) == VECSXP)
    for (R_xlen_t i = 0; i < Rf_xlength(x); i++)
      if (has_nil_pointer(VECTOR_ELT(x, i))) return true;
  return false;
}

// What was decoded is a value like any other: it can be encoded, and comes back the same.
void try_round_trip(SEXP x) {
  SEXP copy = PROTECT(Rf_duplicate(x)); // of a view: another view, or an ordinary vector
  must(equal(x, copy), "a copy is the same");
  UNPROTECT(1);
  Bytes first = sent_on(x);
  if (first.empty() || first.size() > 4 * kMaxInput) return;
  if (is_serialized(first.data(), first.size()))
    return must(has_nil_pointer(x), "what came out of a plain frame is plain");
  uint8_t* at = room(first.size());
  std::memcpy(at, first.data(), first.size());
  try {
    SEXP y = PROTECT(decode(at, first.size()));
    must(equal(x, y), "a decoded value comes back the same when it is sent on");
    UNPROTECT(1);
    uint64_t small = encode_small(x, at, first.size());
    must(small == 0 || (small == first.size() && std::memcmp(at, first.data(), small) == 0),
         "the quick way writes the same bytes");
  } catch (const DecodeError& e) {
    finding(e.what());
  } catch (const Unwind&) {
    must(error_asked_for, "no R error while a value is read for the second time");
  }
  tally.round_trips++;
}

// A number that depends on the input alone.
uint64_t digest(const uint8_t* p, size_t n) {
  uint64_t h = 1469598103934665603u;
  for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 1099511628211u;
  return h ^ h >> 29;
}

void try_slices(const uint8_t* p, size_t n, SEXP whole) {
  uint64_t length = 0;
  SEXP none = nullptr;
  Outcome outcome = attempt(n, &none, [&] {
    length = length_of(p, n);
    return R_NilValue;
  });
  if (outcome != Outcome::value) {
    must(!whole, "a value has a length");
    length = 3;
  } else if (whole && Rf_isVector(whole)) {
    must(length == static_cast<uint64_t>(Rf_xlength(whole)), "length_of() is the value's length");
  }
  uint64_t h = digest(p, n);
  uint64_t first = length ? h % length : 0, count = (h >> 32) % 8;
  if (length && count > length - first) count = length - first;
  try_slice(p, n, first, count, whole);
  switch (h >> 16 & 7) {
  case 0:
    return try_slice(p, n, 0, length, whole);
  case 1:
    return try_slice(p, n, length, 0, whole);
  case 2:
    return try_slice(p, n, length, 1, whole);
  case 3:
    return try_slice(p, n, h, h << 7, whole);
  case 4:
    return try_slice(p, n, UINT64_MAX, 2, whole);
  case 5:
    return try_slice(p, n, 1, UINT64_MAX, whole);
  default:
    return;
  }
}

struct Input {
  const uint8_t* p;
  size_t n;
};

void verbs(const uint8_t* p, size_t n) {
  SEXP whole = nullptr;
  if (is_serialized(p, n)) {
    tally.serialized++;
  } else {
    switch (attempt(n, &whole, [&] { return decode(p, n); })) {
    case Outcome::value:
      tally.values++;
      break;
    case Outcome::refused:
      tally.refused++;
      break;
    case Outcome::r_error:
      tally.r_errors++;
    }
  }
  SEXP kept = PROTECT(whole ? whole : R_NilValue);
  SEXP small = PROTECT(decode_small(p, n));
  if (small) must(whole && equal(whole, small), "decode_small() agrees with decode()");
  UNPROTECT(1);
  try_slices(p, n, whole);
  if (whole) {
    must(is_sound(kept), "what is decoded is something that R itself could have made");
    try_round_trip(kept);
  }
  UNPROTECT(1);
}

void body(void* data) {
  auto* input = static_cast<Input*>(data);
  PROTECT_INDEX before, after;
  PROTECT_WITH_INDEX(R_NilValue, &before);
  UNPROTECT(1);
  void* transient = vmaxget();
  verbs(input->p, input->n);
  vmaxset(transient);
  PROTECT_WITH_INDEX(R_NilValue, &after);
  UNPROTECT(1);
  must(before == after, "every PROTECT has its UNPROTECT");
}

} // namespace

void try_input(const uint8_t* bytes, size_t n, bool damages_blocks) {
  if (n > kMaxInput) return;
  tally.inputs++;
  Input input = {place(bytes, n), n};
  uint64_t choice = digest(bytes, n) * 0x9e3779b97f4a7c15u;
  error_asked_for = damages_blocks && choice % 4 == 0;
  bool damaged = error_asked_for;
  uint64_t count = 0; // of the root
  constexpr size_t at = sizeof(FrameHeader) + offsetof(NodeHeader, length);
  if (n >= at + sizeof count) std::memcpy(&count, bytes + at, sizeof count);
  if (damaged) damage_blocks(choice, count);
  bool returned = R_ToplevelExec(body, &input) != FALSE;
  must(returned || error_asked_for, "no jump of R leaves a verb");
  if (damaged) restore_blocks(choice);
}

} // namespace fuzz
