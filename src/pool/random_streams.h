// L'Ecuyer's combined multiple-recursive generator, by streams: stream k starts 2^127 steps after
// stream k - 1. Element i of a seeded job draws from stream i, in whichever worker.
#pragma once

#define R_NO_REMAP
#include <Rinternals.h>

#include <array>
#include <cstdint>

namespace mp::bind {

class Stream {
public:
  static Stream from_r(SEXP seed); // six words, or seven with R's kind in front
  void seek(uint64_t stream);      // the next one is `stream`, counted from 0
  void next_into_r();              // makes it R's random state and advances. May longjmp.

private:
  using State = std::array<uint64_t, 6>;
  static void jump(State& s, uint64_t streams);
  State base_{}, now_{};
  int kind_ = 10407; // L'Ecuyer-CMRG, Inversion, Rejection
};

} // namespace mp::bind
