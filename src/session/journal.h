// The journal: what of this R can matter to a task, and when it last changed.
//
// A task must see the session as it is at the moment of the call, but its worker began earlier. So
// the session keeps one journal for all its pools. look() compares it with the present state: variables of
// the global environment, options, environment variables, the search path and some facts (below).
// What differs from the last look gets a new version. A worker has what the journal had at
// one version: a fork that of its fork (its copy of the journal says so), a spawned one that of
// the page it was given. A pool sends what is younger, see pool/pages.h.
//
// Nothing is copied. Small values are kept (so R copies them before it changes them, and the same
// object is the same value), with a digest for what compiled code may write in place; variables of
// the environments inside them are compared one by one. Large values are not kept: their address,
// their length and some of their elements are compared, and they are marked so that R copies before
// it changes them.
//
// States of a variable:
//   Sent      small, or code: travels whether a function names it or not
//   Large     travels with the jobs that name it only
//   Pointer   has a live pointer or a connection, which is good in this process and its forks only
//   Delayed   an unevaluated promise: as Large
//   Hidden    .Random.seed and the like: never travels
//   Gone      removed
//
// In a forked child the journal says what the session had; look() there makes it the child's own.
// Not re-entrant: a finalizer that calls it meanwhile uses what was found so far.
#pragma once

#include "session/bindings.h"
#include "session/facts.h"

#include <cstring>

namespace mp::bind {

enum class Travels : uint8_t { Sent, Large, Pointer, Delayed, Hidden, Gone };

struct Variable {
  SEXP symbol;
  Binding binding{Binding::None, R_NilValue};
  Preserved kept; // the value, unless it is large
  Travels travels = Travels::Gone;
  bool code = false;
  Insides insides;
  uint64_t sampled = 0; // of a large one
  std::vector<SEXP> classes;
};

class Journal {
public:
  // Looks at the session. Returns the version of what is new.
  uint64_t look();
  uint64_t version() const { return version_.now(); }
  bool looking() const { return looking_; } // what R calls meanwhile sees only what was found so far
  // Are options, search path and locale, which is all that closed functions depend on, as at the last look?
  bool quiet() const { return options_.same() && facts_.quiet(); }
  bool has_known(SEXP symbol) const { return index_.count(symbol) > 0; } // ever
  // Before a fork, whose copy stays as it is: R must not change large values in place. Returns a list of them: another
  // vector at the same address would look the same.
  SEXP mark_large();

  const std::vector<Variable>& variables() const { return variables_; }
  const std::vector<uint64_t>& versions() const { return versions_; } // when each variable has changed
  uint64_t version_of(const Variable& v) const { return versions_[size_t(&v - variables_.data())]; }
  const Variable* find(SEXP symbol) const;
  const Settings& options() const { return options_.all(); }
  const Settings& environment() const { return environment_.all(); }
  const std::vector<Fact>& facts() const { return facts_.all(); }
  bool in_package(SEXP class_name) { return facts_.in_package(class_name); }
  bool loaded_since(uint64_t version) const { return facts_.loaded_since(version); }
  size_t withheld() const { return withheld_; } // variables that travel when they are named

private:
  void look_at_variables();
  void renew(Variable& v);
  void set_gone(Variable& v);
  void renew_sharers(uint64_t before);

  Version version_;
  bool looking_ = false;
  std::vector<Variable> variables_;
  std::vector<uint64_t> versions_; // by variable; close together, so that what has changed is found at once
  std::vector<size_t> hidden_;
  // Of each variable that exists, what tells whether it is the same, close together: thousands of
  // variables cost little besides cache misses.
  struct Glance {
    SEXP symbol, value;
    const r::Cell* cell; // NULL: it cannot be read
    const void* hash;    // what R's look-up of the name reads: only prefetched, never read here
    const void* data;    // of a short vector; it is no longer than `before`
    uint64_t before[2];
    uint32_t index;
    uint8_t how, bytes;
    enum How : uint8_t { Identity, Itself, More } what; // compare the object, its bytes, or ask same()
    bool same_bytes() const { // lengths that the compiler knows: no call
      return bytes == 16 ? !std::memcmp(data, before, 16) : bytes == 8 ? !std::memcmp(data, before, 8) : !std::memcmp(data, before, 4);
    }
    bool same_in_cell() const {
      return cell && cell->value == value && cell->is_boxed() && (what == Identity || (what == Itself && same_bytes()));
    }
  };
  std::vector<size_t> doubtful_glances() const;
  bool any_added() const;
  bool same(const Variable& v) const;
  void make_glances();
  Glance glance_at(size_t variable, const r::Cell* cell) const;
  uint64_t& version_of(Variable& v) { return versions_[size_t(&v - variables_.data())]; }
  std::vector<Glance> glances_; // in the order of R's table
  Bindings bindings_;
  std::unordered_map<SEXP, size_t> index_;
  R_xlen_t present_ = 0;
  size_t withheld_ = 0;
  Frames frames_;
  Options options_;
  EnvironmentVariables environment_;
  Facts facts_;
};

Journal& journal();

} // namespace mp::bind
