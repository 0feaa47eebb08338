// Options and environment variables of the session, each with the version that it has had its value since.
#pragma once

#include "session/survey.h"

#include <map>
#include <string>

namespace mp::bind {

// Versions of the journal: one for all that a look finds.
class Version {
public:
  uint64_t now() const { return now_; }
  void begin_look() { found_ = false; }
  uint64_t next() { // of what has changed
    if (!found_) ++now_;
    found_ = true;
    return now_;
  }

private:
  uint64_t now_ = 1;
  bool found_ = false;
};

struct Setting {
  Preserved value; // NULL: it was unset
  uint64_t version = 0;
  bool seen = false;
  bool set() const { return SEXP(value) != R_NilValue; }
};

using Settings = std::map<std::string, Setting>;

// An option is sent when it gets another value, and not when an environment in it changes: options of debuggers and of test
// frameworks hold the very frames that run, with all that lies there.
class Options {
public:
  bool same() const;
  void look(Version& version);
  const Settings& all() const { return all_; }

private:
  void take(const std::string& name, SEXP value, Version& version);
  Settings all_;
  struct Option {
    SEXP symbol, value;
    Preserved kept; // the value
  };
  std::vector<Option> listed_; // as in R's list of them
  bool cells_readable_ = false;
};

class EnvironmentVariables {
public:
  void look(Version& version);
  const Settings& all() const { return all_; }

private:
  bool same() const;
  Settings all_;
  std::vector<const char*> cells_; // setenv() makes a new text for each value
};

} // namespace mp::bind
