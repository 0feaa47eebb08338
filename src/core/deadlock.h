// Finds processes that wait for each other in a circle.
#pragma once

#include "layout.h"
#include "participant.h"

#include <vector>

namespace mp {

// For the length of a scope the caller waits without a limit, for a lock or for another
// participant's end. Others see it, and each of them looks now and then whether the chain of waits that
// starts at itself leads back to it. README.md, "Circles".
class Blocked {
public:
  enum Why { kLock, kEnd };
  Blocked(Why why, uint64_t what) : Blocked(why == kLock ? what : what << 1 | 1) {}
  Blocked(const Blocked&) = delete;
  Blocked& operator=(const Blocked&) = delete;
  ~Blocked();
  // Called at each look of the wait. Throws Error("DeadlockError") in one of the waiters of a circle.
  void look();

private:
  struct Link { // which participant waits for what, since when
    Token process;
    uint64_t what;
    int64_t since;
    bool operator==(const Link& o) const {
      return process == o.process && what == o.what && since == o.since;
    }
  };
  explicit Blocked(uint64_t what);
  std::vector<Link> circle() const;
  static std::string describe(const std::vector<Link>& circle);

  const Token process_;
  struct Noted { // in the slot: this wait, and the one around it, in whose tick this one began
    uint64_t what;
    int64_t since;
  };
  static void note(Token process, const Noted& wait);
  const Noted wait_, around_;
  int64_t next_look_;
  std::vector<Link> seen_; // the circle at the last look
};

} // namespace mp
