// Facts about the session, each one R value that the R function of its name makes when it has changed:
// the search path with what lies in attached lists, the working directory, the locale, folders of
// packages, the kind of random numbers, methods of the session in packages' tables, namespaces.
#pragma once

#include "session/bindings.h"
#include "session/insides.h"
#include "session/settings.h"

#include <unordered_set>

namespace mp::bind {

struct Fact {
  const char* name;
  uint64_t version = 0;
  Preserved value;
  bool missed = false; // it has changed, and its function was interrupted or failed
};

class Facts {
public:
  void look(Version& version, Frames& frames);
  bool quiet() const; // the search path, attached lists, the locale
  const std::vector<Fact>& all() const { return all_; }
  // Has a package that is loaded, and no part of R, methods for this class (a CHARSXP)?
  bool in_package(SEXP class_name);
  bool loaded_since(uint64_t version) const; // a namespace

private:
  void begin();
  void fact(size_t index, bool same, Version& version);
  bool same_search() const;
  bool same_locale() const;
  void look_at_search(Version& version, Frames& frames);
  void look_at_folder(Version& version);
  void look_at_locale(Version& version);
  void look_at_libraries(Version& version);
  void look_at_random_kind(Version& version);
  void look_at_methods(Version& version); // and namespaces
  bool same_methods() const;
  void note_methods();
  void note_registered();

  std::vector<Fact> all_;
  std::vector<Preserved> search_;
  struct Attached { // a list or a data frame
    std::shared_ptr<Frame> frame;
    Insides insides;
  };
  std::vector<Attached> attached_;
  std::string folder_, locale_;
  Preserved lib_paths_, libraries_; // an environment, and what it holds
  int random_kind_ = -1;
  bool seeded_ = false;
  Preserved tables_; // of methods, of all loaded namespaces
  std::vector<Bindings> in_tables_; // one for each table
  std::vector<R_xlen_t> table_lengths_; // of each, for those that cannot be read
  struct Registered {
    SEXP table, symbol;
    Preserved method;
  };
  std::vector<Registered> registered_; // of the session's own methods in the others
  Bindings namespaces_; // of the latest `tables_`
  R_xlen_t namespaces_loaded_ = -1;
  Preserved class_names_;
  std::unordered_set<SEXP> in_packages_;
  uint64_t in_packages_of_ = 0; // the version of the fact that it was made from
};

} // namespace mp::bind
