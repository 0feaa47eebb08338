// What lies inside a value and can change while the value stays the same object: variables of
// environments, and vectors into which compiled code may write.
#pragma once

#include "session/survey.h"

#include <algorithm>
#include <memory>
#include <unordered_map>

namespace mp::bind {

// An environment as it was: its variables, attributes, the environment around it, and whether it was locked.
struct Frame {
  Preserved env;
  std::vector<SEXP> symbols;
  std::vector<Binding::How> how;
  std::vector<SEXP> attributes; // their names
  Preserved values;                  // a list: of the variables, then of the attributes, then the environment around it
  SEXP parent;
  bool locked = false;
  bool changed = false;
  explicit Frame(SEXP env);
  bool same() const;
};

// The frames of all variables, each once: many functions share one.
class Frames {
public:
  void look(); // which of them have changed
  std::shared_ptr<Frame> of(SEXP env);

private:
  std::unordered_map<SEXP, std::weak_ptr<Frame>> known_;
};

class Insides {
public:
  Insides() = default;
  Insides(const Survey& survey, Frames& frames); // without the vectors of a large value
  bool same() const; // after Frames::look()
  bool none() const { return frames_.empty() && count_ == 0; }
  bool any_shared() const { // with another variable, or an attached list
    return std::any_of(frames_.begin(), frames_.end(), [](auto& f) { return f.use_count() > 1; });
  }
  const std::vector<std::shared_ptr<Frame>>& frames() const { return frames_; }
  // Its vectors are `x` and no other
  bool only(SEXP x) const { return frames_.empty() && count_ == 1 && first() == x; }

private:
  SEXP first() const { return VECTOR_ELT(vectors_, 0); }
  std::vector<std::shared_ptr<Frame>> frames_;
  Preserved vectors_; // a list, which keeps them alive: what held one may have another now
  R_xlen_t count_ = 0;
  uint64_t digest_ = 0;
};

} // namespace mp::bind
