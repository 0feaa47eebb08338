// What is tried with every input, and what must hold. It needs an R in this process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fuzz {

using Bytes = std::vector<uint8_t>;

// Larger inputs are not tried.
constexpr size_t kMaxInput = 1 << 17;

// Starts R without its signal handlers and its console, and gives the codec hooks of our own.
void start_r();

// A handle could not be revived, or a block is damaged, and its strings are read when they are
// asked for: no other errors of R may come from an input.
extern bool error_asked_for;

// Encoded values of all kinds: what seeds.R makes.
std::vector<Bytes> seeds(const char* script);

// Runs all reading verbs on the bytes. Reports what breaks a promise and aborts; a sanitizer does
// the same for bad reads. For every fourth input the blocks that it may name are damaged, too.
void try_input(const uint8_t* bytes, size_t n, bool damages_blocks = true);

// How the inputs fared.
struct Tally {
  uint64_t inputs = 0;
  uint64_t values = 0;     // were decoded
  uint64_t slices = 0;     // and agreed with the value, if there was one
  uint64_t refused = 0;    // DecodeError
  uint64_t r_errors = 0;   // Unwind
  uint64_t serialized = 0; // frames of R's serializer: only their headers are read
  uint64_t round_trips = 0;
};
extern Tally tally;

} // namespace fuzz
