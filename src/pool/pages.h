// What changed in the session since a pool's workers began, as pages: blocks of the heap that all its
// jobs refer to. Each covers a range of the journal's versions; a worker reads those that are newer
// than what it has, and of these what is newer, see child-session.R. A page that is not much larger
// than the next one is merged with it into a new one, so that there are few, and what was changed repeatedly
// is sent once.
//
// A page has two parts. Settings come first: options, the search path, packages that the variables'
// classes need. Then variables. A part exists only if it is not empty.
#pragma once

#include "session/journal.h"

namespace mp::bind {

// What a page says of a name; as in child-session.R.
enum PageEntry : int { kValue, kActive, kGone, kPointer, kLarge, kRefused, kFailing };

// The packages that define methods of these classes, and are loaded here: c(name = path). See globals.R.
SEXP packages_for(const std::unordered_set<SEXP>& classes);

// list(settings, variables) of what is younger than `from`; NULLs if nothing is.
SEXP page_content(const Journal& journal, uint64_t from);

// What these values need of the session besides what all workers get: NULL, or list(variables,
// packages). Variables: list(names, values, versions, kinds). `classes`: packages may be missing. `kept`: pointers that all
// receivers have.
SEXP needs_of_values(SEXP values, bool classes, const codec::PointersKept* kept = nullptr);

class Pages {
public:
  ~Pages() { clear(); }
  void begin(uint64_t version) { if (!base_) base_ = current_ = version; }
  uint64_t base() const { return base_; }
  void update(const Journal& journal);
  void clear(); // their blocks are given back, as the pool takes no jobs any more
  bool empty() const { return pages_.empty(); }
  SEXP as_vector() const; // for a job's body: {part, page, serial, version} of each; NULL if none
  // The bytes of what a call needs besides its arguments, see pool_job(): nothing but pages.
  const std::vector<uint8_t>& call_body();
  void add_references(std::vector<Reference>& refs) const;

private:
  struct Page {
    uint64_t from, to;
    uint64_t blocks[2]; // settings, variables; 0: none
  };
  void drop(Page& page);
  uint64_t base_ = 0, current_ = 0;
  std::vector<Page> pages_;
  std::vector<uint8_t> call_body_;
};

} // namespace mp::bind
