// The journal: what of this R can matter to a task, and when it changed last.
//
// A task is to see the session as it is at the moment of the call, but its worker began earlier. So
// the session keeps one journal for all its pools. look() compares it with what is now: variables of
// the global environment, options, environment variables, the search path and some facts (below).
// What is another than at the last look gets a new version. A worker has what the journal had at
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
// Not re-entrant: a finalizer that comes here meanwhile uses what there is.
#pragma once

#include "session/survey.h"

#include <map>
#include <memory>
#include <unordered_map>

namespace mp::bind {

struct Frame { // an environment inside of variables
  Kept env;
  std::vector<SEXP> symbols;
  std::vector<Binding::How> how;
  Kept values; // a list
  bool changed = false;
  explicit Frame(SEXP env);
  bool same() const;
};

enum class Travels : uint8_t { Sent, Large, Pointer, Delayed, Hidden, Gone };

struct Variable {
  SEXP symbol;
  Binding binding{Binding::None, R_NilValue};
  Kept kept; // the value, unless it is large
  Travels travels = Travels::Gone;
  bool code = false;
  uint64_t version = 0;
  uint64_t digest = 0;
  std::vector<SEXP> vectors;
  std::vector<std::shared_ptr<Frame>> frames;
  std::vector<SEXP> classes;
};

struct Setting { // an option or an environment variable
  Kept value;    // NULL: it was unset
  uint64_t version = 0;
  bool seen = false;
};

// Facts, each one R value made by the R function of its name when it has changed
struct Fact {
  const char* name;
  uint64_t version = 0;
  Kept value;
};

class Journal {
public:
  // What is the session now? The version of what is new.
  uint64_t look();
  uint64_t version() const { return version_; }
  // Is all that closed functions depend on as at the last look: options, search path, locale?
  bool quiet() const;
  bool has_known(SEXP symbol) const { return index_.count(symbol) > 0; } // ever
  void mark_large(); // before a fork: whose copy stays, so that R leaves it as it is

  const std::vector<Variable>& variables() const { return variables_; }
  const Variable* find(SEXP symbol) const;
  const std::map<std::string, Setting>& options() const { return options_; }
  const std::map<std::string, Setting>& environment() const { return environment_; }
  const std::vector<Fact>& facts() const { return facts_; }
  // Has a package that is loaded, and no part of R, methods for this class (a CHARSXP)?
  bool in_package(SEXP class_name);
  bool loaded_since(uint64_t version) const; // a namespace
  size_t withheld() const { return withheld_; } // variables that travel when they are named

private:
  bool same_options() const;
  bool same_search() const;
  bool same_locale() const;
  void look_at_variables();
  void look_at_frames();
  void renew(Variable& v);
  void set_gone(Variable& v);
  void look_at_options();
  void look_at_environment();
  void look_at_facts();
  void fact(size_t index, bool same);
  uint64_t next(); // the version of what is found by this look

  uint64_t version_ = 1;
  bool looking_ = false, bumped_ = false;
  std::vector<Variable> variables_;
  std::vector<size_t> hidden_;
  // Of each variable that is there, what tells whether it is the same, close together: thousands of
  // variables cost what they cost in cache misses.
  struct Glance {
    SEXP symbol, value;
    uint64_t digest;
    uint32_t index;
    uint8_t how;
    enum How : uint8_t { Identity, Itself, More } what; // compare the object, its bytes, or ask same()
  };
  bool same(const Variable& v) const;
  void make_glances();
  std::vector<Glance> glances_;
  std::unordered_map<SEXP, size_t> index_;
  std::unordered_map<SEXP, std::weak_ptr<Frame>> frames_;
  std::vector<std::shared_ptr<Frame>> attached_; // lists and data frames on the search path
  R_xlen_t present_ = 0;
  size_t withheld_ = 0;
  std::map<std::string, Setting> options_, environment_;
  std::vector<std::pair<SEXP, Kept>> option_cells_;
  std::vector<const char*> environment_cells_; // setenv() makes a new text for each value
  std::vector<Fact> facts_;
  std::vector<Kept> search_;
  std::string folder_, locale_;
  Kept libraries_;
  int random_kind_ = -1;
  Kept tables_; // of methods, of all loaded namespaces
  std::vector<R_xlen_t> table_lengths_;
  struct Registered {
    SEXP table, symbol;
    Kept method;
  };
  std::vector<Registered> registered_; // of the session's own methods in these tables
  void note_registered();
  R_xlen_t namespaces_ = -1;
  Kept class_names_;
  std::unordered_set<SEXP> in_packages_;
  uint64_t in_packages_of_ = 0; // the version of the fact that it was made from
};

Journal& journal();

} // namespace mp::bind
