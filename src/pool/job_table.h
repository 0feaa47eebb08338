// The jobs of a pool, as its owner sees them: what is on the board, what came back, what was lost. Of the
// workers a job knows their number, which of them look at it, and how one ended.
#pragma once

#include "pool/element_names.h"
#include "pool/workers.h"
#include "r/call.h"

#include "core/job_board.h"

#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace mp::bind {

struct Death { // of a worker, in an element
  int pid = 0;
  int status = 0;       // its exit code, or -signal
  double limit = 0;     // it was killed as its element took longer than this many seconds
  double peak = 0;      // memory, in bytes
  int tries = 1;        // of the element
  bool reading = false; // it had not begun to compute
};

struct PoolJob {
  int id = 0;
  JobOwner owner;
  uint64_t index = 0; // on the ring
  bool submitted = false, retired = false;
  bool lost_a_worker = false;   // a worker died in it: the hint `done_chunks` may lag
  bool inherited = false; // workers are forked for it, with its function: by run_once()
  bool each = false;      // every element is awaited (imap)
  bool overlaps = false;  // results are taken while workers compute others
  bool heavy = false;     // its arguments take much memory, or keep others' blocks; see free_soon()
  int64_t timeout_ns = 0; // for one element
  int retries = 0;
  int failed = 0; // elements with a failure
  std::map<uint64_t, int> tried;
  std::map<uint64_t, Death> died;    // elements that are lost, and of which no failure was made yet
  bool given_up = false;             // no worker can read its function
  uint64_t lost_first = 0, lost = 0; // what this leaves without a failure so far: the first element, and how many
  Death lost_with;                   // the last of these workers
  int unread = 0;                    // workers in a row that died as they read
  uint64_t evidence = 0;             // that it can be read, when the last of them died
  uint64_t without_result = 0;               // elements that were settled without a result
  std::vector<int> elements; // position -> 1-based element; empty: position + 1
  ElementNames names;        // for errors
  Preserved values, failures;     // lists by element; a failure is a condition
  Preserved vector; // NULL, or a list with the vector of small results; its type is the first one's
  std::vector<char> in_vector; // by element: it lies there
  std::vector<int> arrived;    // elements in the order of completion
  SEXPTYPE type = NILSXP;      // of the vector of results, if their type is known:
  uint64_t width = 0;          // how many elements from each value
  uint64_t slot_block = 0;     // where they lie, held
  Preserved first;                  // the first value, for its names
  bool done() const { return owner.settled(); }
  int element(uint64_t position) const {
    return elements.empty() ? int(position) + 1 : elements[position];
  }
};

// While R makes values of results, or workers start: R's collector may run finalizers that use the
// same pool.
class NoReentry {
public:
  explicit NoReentry(bool& flag) : flag_(flag), before_(flag) { flag = true; }
  NoReentry(const NoReentry&) = delete;
  NoReentry& operator=(const NoReentry&) = delete;
  ~NoReentry() { flag_ = before_; }

private:
  bool& flag_;
  bool before_;
};

class JobTable {
public:
  JobTable(uint64_t pool, Workers& workers) : pool_(pool), workers_(workers) {}
  // Its id; from then on the job's blocks are the table's. If it throws they are still the caller's.
  int add(std::unique_ptr<PoolJob> job);
  PoolJob* find(int id); // nullptr: forgotten
  void forget(int id);   // its results were taken, or are not wanted
  // forget() it once it is done; allocates nothing of R.
  void abandon(int id) { abandoned_.push_back(id); }
  void cancel(int id);
  bool withdraw(int id); // and forgets it; false: a worker has begun it, or it is over
  void forget_unfinished();

  void attend(); // takes what came back, and does all that is due; never waits
  bool news();   // for a waiter's look: attend() has something to do
  bool restless() const; // attend() may have something to do that no doorbell tells
  void worker_ended(const WorkerEnd& end); // what it had claimed is offered again
  bool busy() const { return busy_; }      // no other call may change the jobs now

  bool offers_chunk(size_t worker) const; // can this one claim a chunk?
  bool all_submitted() const { return waiting_.empty(); }
  bool any_computed() const; // by a worker, at the moment, maybe
  size_t unfinished() const { return unfinished_ids().size(); }
  bool any_unfinished() const;
  std::vector<int> unfinished_ids() const;
  std::vector<int> unclaimed() const;
  // The jobs that are done since the last call; from the first one on they are noted.
  std::vector<int> finished() {
    awaited_ = true;
    return std::exchange(finished_, {});
  }
  bool is_done(int id) { return jobs_.count(id) == 0 || jobs_[id]->done(); }

  void drop_retired(); // no worker can look at them any more
  void release();      // all blocks, as no worker exists any more

private:
  // A job that a worker may have begun; of thousands of waiting jobs only the first few are looked at. True: `look`
  // returned true for one, and the others were left out.
  template <class F> bool any_begun(F look);
  void take_back(PoolJob& job, const WorkerEnd& end); // what a worker had claimed
  void mourn(PoolJob& job); // makes the failures of lost elements
  bool put_on_ring(PoolJob& job); // false: the ring is full
  void take_off_ring(PoolJob& job);
  void collect(PoolJob& job);
  void take_slots(PoolJob& job, uint64_t first, uint64_t end);
  static void fail(PoolJob& job, int element, SEXP condition);
  void expire(PoolJob& job);
  void sweep_retired();

  uint64_t pool_;
  Workers& workers_;
  std::map<int, std::unique_ptr<PoolJob>> jobs_;
  std::vector<PoolJob*> on_ring_; // submitted and not retired, oldest first
  int timed_ = 0;                 // jobs with a limit for their elements
  std::deque<int> waiting_;       // jobs that found the ring full
  struct RetiredJob {             // a job that has ended or was cancelled, but that a worker still looks at
    uint64_t block;
    int64_t kill_ns;
  };
  std::vector<RetiredJob> retired_;
  std::vector<int> abandoned_;
  std::vector<int> finished_;
  bool awaited_ = false; // R asks for finished()
  int next_id_ = 1;
  bool busy_ = false;
};

// The job's results as a list, or as a vector if one is wanted and all could be put into it.
SEXP values_of(PoolJob& job);

} // namespace mp::bind
