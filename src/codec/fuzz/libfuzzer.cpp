// The same target below LLVM's libFuzzer, for long runs: it comes with clang.
#include "mutator.h"
#include "target.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

extern "C" const char* __asan_default_options() { return "detect_leaks=0"; } // R keeps much
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

namespace {
std::vector<fuzz::Bytes> corpus; // the seeds: nodes to take from
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  fuzz::start_r();
  corpus = fuzz::seeds(std::getenv("FUZZ_SEEDS"));
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t n) {
  fuzz::try_input(data, n);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t n, size_t most, unsigned seed) {
  fuzz::Random random(seed);
  if (random.one_in(4) || corpus.empty()) return LLVMFuzzerMutate(data, n, most);
  fuzz::Bytes frame(data, data + n);
  // libFuzzer starts with an empty input, and keeps what is new.
  if (frame.size() < 32 || random.one_in(64)) frame = corpus[random.below(corpus.size())];
  fuzz::mutate(frame, corpus[random.below(corpus.size())], random);
  n = std::min(frame.size(), most);
  if (n) std::memcpy(data, frame.data(), n);
  return n;
}
