// Our own loop: mutates what it has, and keeps an input that reaches a branch of the codec which no
// other has reached. It needs nothing but the compiler.
//
//   fuzz SEEDS FOLDER RUNS SEED [INPUT...]
//
// The input that is being tried when something is found is left in FOLDER. With INPUTs: tries those
// only.
#include "mutator.h"
#include "target.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sanitizer/asan_interface.h>
#include <string>

// Called by the compiler's instrumentation at every branch of the codec's files.
namespace {

constexpr size_t kEdges = 1 << 16;
uint8_t reached[kEdges];
size_t edges = 0;
uintptr_t from = 0;

} // namespace

extern "C" void __sanitizer_cov_trace_pc() {
  // Relative to the program, so that the same seed gives the same run wherever it is loaded.
  uintptr_t to = reinterpret_cast<uintptr_t>(__builtin_return_address(0)) -
                 reinterpret_cast<uintptr_t>(&__sanitizer_cov_trace_pc);
  size_t edge = (to ^ from << 3) % kEdges;
  from = to;
  if (reached[edge]) return;
  reached[edge] = 1;
  edges++;
}

extern "C" const char* __asan_default_options() {
  // R keeps much until the end; a finding aborts; the rest is for speed
  return "detect_leaks=0:handle_abort=1:quarantine_size_mb=8:malloc_context_size=4";
}

namespace {

using fuzz::Bytes;
using Clock = std::chrono::steady_clock;

const Bytes* current;
std::string folder;

void save_current() {
  if (!current) return;
  std::string path = folder + "/finding.bin";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(current->data()),
             static_cast<std::streamsize>(current->size()));
  std::fprintf(stderr, "The input is in %s (%zu bytes).\n", path.c_str(), current->size());
}

void try_one(const Bytes& input, bool damages_blocks = true) {
  current = &input;
  from = 0;
  fuzz::try_input(input.data(), input.size(), damages_blocks);
}

Bytes read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

void report(double seconds, size_t corpus) {
  const fuzz::Tally& t = fuzz::tally;
  std::printf("%llu inputs in %.1f s (%.0f per second), %zu edges, %zu kept\n"
              "%llu values (%llu sent on), %llu refused, %llu R errors, %llu slices, "
              "%llu headers of R's serializer\n",
              (unsigned long long)t.inputs, seconds, static_cast<double>(t.inputs) / seconds, edges,
              corpus, (unsigned long long)t.values, (unsigned long long)t.round_trips,
              (unsigned long long)t.refused, (unsigned long long)t.r_errors,
              (unsigned long long)t.slices, (unsigned long long)t.serialized);
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  folder = argv[2];
  uint64_t runs = std::strtoull(argv[3], nullptr, 10);
  fuzz::Random random(std::strtoull(argv[4], nullptr, 10));
  fuzz::start_r();
  __asan_set_death_callback(save_current);
  Clock::time_point start = Clock::now();
  std::vector<Bytes> corpus;
  if (argc > 5) {
    for (int i = 5; i < argc; i++) try_one(read_file(argv[i]));
  } else {
    corpus = fuzz::seeds(argv[1]);
    for (const Bytes& seed : corpus) try_one(seed, false);
    if (fuzz::tally.values == 0 || fuzz::tally.refused > 0 || edges == 0) {
      std::fprintf(stderr, "The seeds are not what they should be.\n");
      return 1;
    }
    Bytes input;
    for (uint64_t i = corpus.size(); i < runs; i++) {
      input = corpus[random.below(corpus.size())];
      fuzz::mutate(input, corpus[random.below(corpus.size())], random);
      size_t before = edges;
      try_one(input);
      if (edges > before) corpus.push_back(input);
    }
  }
  current = nullptr;
  report(std::chrono::duration<double>(Clock::now() - start).count(), corpus.size());
  return 0;
}
