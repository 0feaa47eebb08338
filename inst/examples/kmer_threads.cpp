// k-mer counting in threads that share one hash map. kmer_threads.R compiles and calls it.

// [[Rcpp::plugins(cpp17)]]
// [[Rcpp::depends(multiprocessing)]]
#include <Rcpp.h>

#include <multiprocessing.h>

#include <cstring>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mp = multiprocessing;

namespace {

// The map is many small ones, each with a lock of its own. So two threads seldom want the same
// lock.
class SharedCounts {
public:
  void add(const std::unordered_map<double, int>& counts) {
    std::vector<const std::pair<const double, int>*> sorted[kParts];
    for (const auto& word : counts) sorted[part_of(word.first)].push_back(&word);
    for (int p = 0; p < kParts; ++p) {
      std::lock_guard<mp::Lock> hold(parts_[p].lock);
      for (const auto* word : sorted[p]) parts_[p].counts[word->first] += word->second;
    }
  }
  template <class F> void each(F f) const {
    for (const Part& p : parts_)
      for (const auto& word : p.counts) f(word.first, word.second);
  }
  std::size_t size() const {
    std::size_t n = 0;
    for (const Part& p : parts_) n += p.counts.size();
    return n;
  }

private:
  static constexpr int kParts = 64;
  static std::size_t part_of(double word) { return std::hash<double>()(word) % kParts; }
  struct Part {
    mp::Lock lock;
    std::unordered_map<double, int> counts;
  };
  Part parts_[kParts];
};

int digit_of(char letter) {
  switch (letter) {
  case 'A':
    return 0;
  case 'C':
    return 1;
  case 'G':
    return 2;
  case 'T':
    return 3;
  default:
    return -1; // not a known letter: no word goes across it
  }
}

// All words of k letters in one sequence. A word is a number to base 4, the smaller one of its own
// and that of its mirror image on the other strand.
std::unordered_map<double, int> count_words(std::string_view sequence, int k) {
  std::unordered_map<double, int> counts;
  const uint64_t mask = (uint64_t(1) << (2 * k)) - 1;
  uint64_t forward = 0, backward = 0;
  int known = 0;
  for (char letter : sequence) {
    int digit = digit_of(letter);
    known = digit < 0 ? 0 : known + 1;
    if (digit < 0) continue;
    forward = ((forward << 2) | uint64_t(digit)) & mask;
    backward = (backward >> 2) | (uint64_t(3 - digit) << (2 * (k - 1)));
    if (known >= k) ++counts[double(std::min(forward, backward))];
  }
  return counts;
}

} // namespace

// [[Rcpp::export]]
Rcpp::DataFrame count_kmers_in_threads(Rcpp::CharacterVector sequences, int k, int threads) {
  // In the threads nothing of R may be used: views of the texts are taken before.
  if (k < 1 || k > 26) Rcpp::stop("k must be from 1 to 26");
  std::vector<std::string_view> texts;
  for (R_xlen_t i = 0; i < sequences.size(); ++i) {
    SEXP s = STRING_ELT(sequences, i);
    texts.emplace_back(CHAR(s), std::size_t(LENGTH(s)));
  }
  SharedCounts all;
  mp::parallel_for(0, texts.size(), [&](std::size_t i) { all.add(count_words(texts[i], k)); },
                   {unsigned(threads), 1});

  Rcpp::NumericVector word(all.size());
  Rcpp::IntegerVector times(all.size());
  R_xlen_t n = 0;
  all.each([&](double w, int t) {
    word[n] = w;
    times[n++] = t;
  });
  return Rcpp::DataFrame::create(Rcpp::_["word"] = word, Rcpp::_["times"] = times);
}
