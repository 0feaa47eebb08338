// What a value is made of, as far as the session's record and its jobs want to know: one walk through
// it, into lists, attributes, code and environments. It ends where a package or the global
// environment begins.
#pragma once

#include "r/compat.h"
#include "r/call.h"
#include "session/handle.h"

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

namespace mp::bind {

using r::Binding;

// Calls look(name, value) for each attribute; it may throw and jump.
template <class F> void each_attribute(SEXP x, F&& look) {
  r::Attributes few(x);
  if (few.complete()) {
    for (const auto& a : few) look(a.name, a.value);
    return;
  }
  std::vector<std::pair<SEXP, SEXP>> all; // slots of an S4 object
  size_t count = 0;
  r::visit_attributes(x, [&](SEXP, SEXP) { return ++count > 0; });
  all.reserve(count);
  r::visit_attributes(x, [&](SEXP name, SEXP value) {
    all.emplace_back(name, value);
    return true;
  });
  for (auto& [name, value] : all) look(name, value);
}

// A global environment, or one of a package: what lies there does not travel with a value.
bool is_top_level(SEXP env);
SEXP top_level_of(SEXP env); // it, or the first around it
bool is_ours(SEXP env); // a handle or an R6 object of this package

struct Survey {
  uint64_t bytes = 0; // of data; code is not counted
  bool large = false;
  bool pointer = false; // a live pointer of another package, or a connection
  const codec::PointersKept* kept = nullptr; // pointers that do not count, as the receivers have them
  bool code = false;    // there are functions, formulas or calls
  std::vector<SEXP> frames;  // environments, each once
  std::vector<SEXP> vectors; // compiled code may write into them where they are
  std::unordered_set<SEXP> classes; // CHARSXPs

  // Allocates names of environments' variables only. The caller protects `x`.
  void look_at(SEXP x);
  void look_into(SEXP env); // its variables, whatever environment it is, and nothing of its parents

private:
  void visit(SEXP x, int depth);
  void visit_frame(SEXP env, int depth);
  void visit_attributes(SEXP x, int depth);
  std::unordered_set<SEXP> seen_;
  uint64_t nodes_ = 0;
};

constexpr uint64_t kSmallBytes = 64 * 1024; // a value with more is a large one

std::vector<SEXP> variables_of(SEXP env); // their symbols

uint64_t digest_of(SEXP vectors); // a list of them
uint64_t sampled_digest(SEXP x); // of a large vector: a few of its elements

} // namespace mp::bind
