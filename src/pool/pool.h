// What the owner of a pool knows: its workers, its jobs, and what came back.
#pragma once

#include "pool/pages.h"
#include "session/children.h"
#include "session/inherited.h"
#include "session/sent_data.h"
#include "session/waits.h"

#include "core/job_board.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <utility>

namespace mp::bind {

struct WorkerSlot { // a worker's place in the pool; the lane number is its index
  ChildRef child;
};

struct Death { // of a worker
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

class PoolOwner {
public:
  // `plain`: the pool has no options of its own (retries, task_timeout, seed).
  PoolOwner(int workers, SEXP start, bool plain);
  ~PoolOwner();
  // Its id; from then on the job's blocks are the pool's. If it throws they are still the caller's.
  int submit(std::unique_ptr<PoolJob> job);
  PoolJob& job(int id);
  bool has_job(int id) const { return jobs_.count(id) > 0; }
  void forget(int id); // its results were taken, or are not wanted
  // forget() it once it is done; allocates nothing of R.
  void abandon(int id) { abandoned_.push_back(id); }
  void start_all();
  void attend(); // does everything that is due; never waits
  // Waits until ready() or the deadline. False: not in time.
  bool wait(const Wait& wait, const std::function<bool()>& ready);
  void cancel(int id);
  bool withdraw(int id); // and forgets it; false: a worker has begun it, or it is over
  std::vector<int> unclaimed() const;
  void close();
  void close_later() { expecting_ = true; } // close() will come: R refuses other jobs until then
  void dismiss_workers() noexcept; // they end without us; allocates nothing, takes no guard
  void terminate();
  // terminate() after the last job, without waiting until the system has freed a large memory.
  void dismiss();
  void meet_all(); // waits until the pids of all workers are known
  bool joined();   // all workers have left
  bool closing() const { return closing_ || expecting_; }
  bool terminated() const { return terminated_; }
  bool busy() const { return busy_; } // no other call may change its jobs and workers now
  uint64_t block() const { return block_; }
  uint32_t depth() const { return depth_; }
  Exports& exports() { return exports_; }
  const codec::PointersKept* pointers() const { return pointers_.kept(); } // that the workers have
  Pages& pages() { return pages_; }
  bool simple() const { return plain_; }
  bool is_new() const; // no worker has finished a chunk yet: each would compile a function again
  const std::vector<WorkerSlot>& workers() const { return workers_; }
  bool has_ended(int id) const { return std::count(ended_.begin(), ended_.end(), id) > 0; } // with the pool
  const std::string& why() const { return why_; }
  // The jobs that are done since the last call; from the first one on they are noted.
  std::vector<int> finished() {
    awaited_ = true;
    return std::exchange(finished_, {});
  }
  bool is_done(int id) { return jobs_.count(id) == 0 || jobs_[id]->done(); }
  size_t unfinished() const;
  std::vector<Token> tokens() const;
  bool news(); // for a waiter's look: attend() has something to do

private:
  void start(const std::vector<size_t>& lanes);
  void retire_worker(size_t lane); // a worker has ended
  [[noreturn]] void end_with(const std::string& why); // terminates; unfinished jobs fail with it
  void take_back(PoolJob& job, const RChild& dead, const Death& death); // what it had claimed
  void mourn(PoolJob& job); // makes the failures of lost elements
  bool has_left(size_t lane);
  bool kill_all(int ms);
  void end_idle_workers() noexcept; // as if they left by themselves, which a barrier's parties see
  bool offers_chunk(size_t lane);
  bool put_on_ring(PoolJob& job); // false: the ring is full
  void take_off_ring(PoolJob& job);
  std::vector<size_t> vacant();
  void collect(PoolJob& job);
  void take_slots(PoolJob& job, uint64_t first, uint64_t end);
  static void fail(PoolJob& job, int element, SEXP condition);
  void expire(PoolJob& job);
  void forget_unfinished();
  void drop_retired();
  void sweep_cancelled();
  void interrupt_workers(uint64_t job);

  uint64_t block_ = 0;
  uint32_t depth_;
  InheritedPointers pointers_;
  Exports exports_;
  SEXP start_; // kept by the pointer that owns this
  bool plain_;
  Pages pages_;
  Preserved large_; // values that the latest workers were forked with, see Journal::mark_large()
  std::vector<WorkerSlot> workers_;
  // A job that a worker may have begun; of thousands of waiting jobs only the first few are looked at. True: `look`
  // returned true for one, and the others were left out.
  template <class F> bool any_begun(F look);

  std::map<int, std::unique_ptr<PoolJob>> jobs_;
  std::vector<PoolJob*> on_ring_; // submitted and not retired, oldest first
  int timed_ = 0;                 // jobs with a limit for their elements
  std::deque<int> waiting_; // jobs that found the ring full
  struct RetiredJob {            // a job that has ended or was cancelled, but that a worker still looks at
    uint64_t block;
    int64_t kill_ns;
  };
  std::vector<RetiredJob> retired_;
  std::vector<int> abandoned_;
  std::vector<int> finished_;
  bool awaited_ = false; // R asks for finished()
  int next_id_ = 1;
  int failed_starts_ = 0, killed_starts_ = 0; // workers in a row that ended before they could work
  std::string why_;                           // the pool ended by itself
  std::vector<int> ended_;                    // the jobs that it had then
  bool inherited_ = false; // its only job is, see PoolJob
  bool closing_ = false, terminated_ = false, busy_ = false;
  bool expecting_ = false; // jobs will come, although users see the pool as closed
};

// The job's results as a list, or as a vector if one is wanted and all could be put into it.
SEXP values_of(PoolJob& job);

// The pool is its R pointer's. May jump.
SEXP make_pool(int workers, SEXP start, bool plain);
PoolOwner& pool_of(SEXP pointer);
PoolOwner& any_pool_of(SEXP pointer); // also while it is busy

} // namespace mp::bind
