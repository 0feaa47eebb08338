// The workers of a pool, as its owner sees them: processes, each with an index. They know the blocks of
// jobs, but not what a job is: see job_table.h. pool.h joins the two.
#pragma once

#include "session/children.h"

#include "core/doorbell.h"

#include <string>
#include <vector>

namespace mp::bind {

struct WorkerEnd { // how a worker ended
  Token token = 0;
  int pid = 0;
  int status = 0;       // its exit code, or -signal
  double peak = 0;      // memory, in bytes
  bool expired = false; // by expire()
  bool began = false;   // it had asked for work
  bool never_ran = false; // not forked, or in vain: the worker that was to fork it, or did, was killed
  int refused = 0;        // errno: the system had no room for it
  std::string name;
};

struct WorkerPlan { // how workers are to be started
  Preserved list; // as R says
  const RStartMethod& method;
};

class Workers {
public:
  // `start`: an R function that says how to start them, kept by the pointer of the pool.
  Workers(uint64_t pool, size_t count, SEXP start) : pool_(pool), start_(start), children_(count) {}
  size_t count() const { return children_.size(); }
  std::vector<size_t> missing() const; // they have ended, or were never started
  WorkerPlan plan() const;             // asks R
  // Starts some that are missing. `busy`: see StartOrder. Throws if none could be started.
  void start(const WorkerPlan& plan, const std::vector<size_t>& which, bool busy);
  void await_births(const Wait& limit); // of those that are forked by each other
  bool known() const;                   // the pids of all
  bool new_ones() const;                // no worker has finished a chunk yet
  std::vector<int> pids() const;        // NA: missing
  std::vector<Token> tokens() const;
  Token token(size_t i) const { return children_[i] ? children_[i]->child.token : 0; }

  // One that has ended is first reaped, then retired; from then on it is missing.
  bool any_ended() const;
  std::vector<size_t> ended() const;
  bool reap(size_t i); // and shows the last of its output; false: the system still takes it down
  WorkerEnd end_of(size_t i) const;
  // If it is one of many in a row that ended before they could work: why those to come would, too.
  std::string retire(size_t i, const WorkerEnd& end);
  // It left a closed pool by itself: then it may be forgotten (what it has started stays), and show_output() reaps it
  // once the system has taken its memory down.
  bool has_left(size_t i) const;
  void forget(size_t i);

  void signal_all(int signal) noexcept;
  void signal_at(uint64_t job, int signal); // those that look at this job
  void expire(size_t i);                    // kills it, as its element takes too long
  void spare();               // what they have started may stay when they are killed
  void end_idle() noexcept;   // as if they left by themselves, which a barrier's parties see
  // Kills all, and waits for `ms` at most for each. True when all have ended; false also when one that
  // has ended was to fork others, which become known now.
  bool kill_all(int ms);
  // The same, but they are only dead at the end, and forgotten: see reap_forgotten(). False: not in time.
  bool kill_and_forget();

private:
  uint64_t pool_;
  SEXP start_;
  std::vector<ChildRef> children_;
  int failed_starts_ = 0, killed_starts_ = 0; // in a row: they ended before they could work
};

// After kill_and_forget(). Taking the memory of these workers down takes the system as long as the forks did; a thread
// waits for that, and show_output() forgets them later.
void reap_forgotten();

} // namespace mp::bind
