// Jobs for a pool's workers: no dispatcher, no message per task. The owner (the process that made
// the pool) writes a job and puts it on the pool's ring; workers claim its chunks with one CAS
// each, compute and push results; the owner takes them. README.md tells what a death leaves and which process
// repairs it.
#pragma once

#include "doorbell.h"
#include "heap.h"
#include "layout.h"

#include <deque>
#include <functional>

namespace mp {

PoolShared& pool_at(uint64_t pool);
JobShared& job_at(uint64_t job);
WorkerShared& worker_at(uint64_t pool, uint32_t index);
std::atomic<uint64_t>& claim_at(JobShared& job, uint64_t block, uint32_t chunk);
uint64_t* starts_of(uint64_t job);

// --- the owner's side ---

uint64_t create_pool(uint32_t workers); // BlockKind::Pool, held by the caller

struct JobPlan {
  uint64_t count = 0;
  std::vector<uint64_t> starts; // chunks + 1 positions
  uint64_t body_bytes = 0;      // room for the encoded rest of the job
  uint64_t input_bytes = 0;     // room for the encoded elements
  uint64_t references = 0;      // blocks that the two refer to
  Reference function{0, 0};     // held by the caller until the job is sealed
  bool slots = false;             // room for a value of each element, see Worker::slot()
  uint64_t slot_block = 0;        // where, behind platform::kVectorLead bytes: held as the function is; 0: in the job
  uint64_t slot_bytes = 8;        // of one element
  uint32_t slot_type = 0;
  std::vector<uint32_t> elements; // position -> slot, if they are not the same
  bool notify_each = false;
  bool notify_chunks = false; // the owner takes results while the workers compute
  bool timed = false;
  bool pinned = false; // chunk c is the c-th worker's alone (mclapply's prescheduling); a chunk per worker
};
// A job block to be filled (job_at(job).body, .input), then sealed with what it refers to.
uint64_t create_job(uint64_t pool, const JobPlan& plan);
void seal_job(uint64_t job, const std::vector<Reference>& references);

// Chunk sizes by guided self-scheduling: large first, small at the end.
std::vector<uint64_t> guided_chunks(uint64_t count, uint32_t workers);
std::vector<uint64_t> equal_chunks(uint64_t count, uint64_t size);

// The owner's private knowledge of one job.
class JobOwner {
public:
  JobOwner() = default;
  JobOwner(uint64_t pool, uint64_t job);

  uint64_t block() const { return job_; }
  // Elements [first, end) may have values in their slots: the job's caller takes them by take_slots().
  using Slots = std::function<void(uint64_t first, uint64_t end)>;
  // Takes what was published since the last call, each worker's results oldest first. `slots`: of a job that has some.
  void drain(const std::function<void(const ResultRecord&)>& each, const Slots& slots = nullptr);
  // Settles values in slots: take(position, mark, slot) of each that is new. If `take` throws or
  // jumps, that element is offered again.
  template <class Take> void take_slots(uint64_t first, uint64_t end, Take&& take);
  bool settled() const { return settled_count_ == settled_.size(); }
  bool has(uint64_t position) const { return settled_[position]; }
  uint64_t settled_count() const { return settled_count_; }
  uint64_t computed() const; // settled, or computed in a chunk whose end was not reported
  // The owner decides an element by itself (a worker died in it); false if it had a result already.
  bool settle(uint64_t position) {
    if (settled_[position]) return false;
    settled_[position] = true;
    ++settled_count_;
    return true;
  }

  struct Suspect {         // what a dead worker leaves
    bool exists = false;   // it died in this element
    bool reading = false;  // more exactly, as it read what all elements of the job need
    uint64_t position = 0;
  };
  // After `worker` died and drain() ran: puts back what it had not started. A suspect is put back
  // too if `again(position)` says so, otherwise it must be settled by the caller. A worker that died
  // as it read several elements leaves no suspect: from then on all read one by one.
  Suspect recover(Token worker, const std::function<bool(uint64_t)>& again,
                  const Slots& slots = nullptr);
  // Can this worker claim a chunk?
  bool offers_chunk(uint32_t index) const;
  // Which element the worker reads or computes now; false: none.
  bool running(Token worker, uint64_t* position) const;
  uint32_t readers() const; // how many workers could read the function so far
  bool is_computed() const; // a living worker computes an element now
  // No worker can read this element's function: no other one will claim what is left of the job, or
  // of the chunk if that is one worker's alone. Returns how many elements, from `*first` on.
  uint64_t give_up(uint64_t position, uint64_t* first);
  void cancel();
  // Claims the chunk of a job that has only one, so that no worker ever computes it. False: a worker
  // was faster. One CAS; if the owner dies after it, its pool and this job end with it.
  bool withdraw();
  bool claimed() const; // a worker has taken a chunk

private:
  uint64_t pool_ = 0, job_ = 0;
  std::deque<uint64_t> taken_; // records that were not yet given to drain()'s caller
  std::vector<bool> settled_;
  uint64_t settled_count_ = 0;
};

// Puts a job on the ring; false if the ring is full. `index` is where.
bool submit_job(uint64_t pool, uint64_t job, uint64_t* index);
// Takes it off. Its memory may be freed once no worker looks at it: free_job() says whether it did.
void retire_job(uint64_t pool, uint64_t index);
bool free_job(uint64_t pool, uint64_t job);
void close_pool(uint64_t pool);

// --- the worker's side ---

struct Claim {
  uint64_t job = 0;
  uint32_t chunk = 0;
  uint64_t first = 0; // positions [first, end) are to be computed
  uint64_t end = 0;
  // In this process, for begin() and its like:
  std::atomic<uint64_t>* word = nullptr;
  JobShared* shared = nullptr;
  uint64_t origin = 0;                   // the chunk's first position
  std::atomic<uint8_t>* marks = nullptr; // nullptr: the job has no slots
  uint8_t* slots = nullptr;
};

class Worker {
public:
  Worker(uint64_t pool, uint32_t index);
  // Ok with a claim, Ended (the pool is closed), Interrupted.
  Status next(Claim& claim, const Wait& wait);
  void begin(const Claim& claim, uint64_t position) {
    if (claim.shared->timed) note_time();
    // release: what was published before is visible to a process that sees the cursor after our death
    claim.word->store(ClaimWord{me_, uint32_t(position - claim.origin), ChunkState::Running}.pack(),
                      std::memory_order_release);
  }
  // Room for an encoded result of `bytes`; valid until publish(). Throws Error("HeapFullError").
  // `references` > 0: a block of its own, with room for that many after the value (seal_result()).
  uint8_t* room(const Claim& claim, uint64_t position, uint64_t bytes, uint32_t references = 0);
  void seal_result(const std::vector<Reference>& references);
  void publish(const Claim& claim, ResultStatus status);
  // Where the element's value goes, if the job has slots (claim.marks); one that does not fit is published instead.
  uint8_t* slot(const Claim& claim, uint64_t position) const {
    const JobShared& j = *claim.shared;
    uint64_t at = j.elements ? heap().at<uint32_t>(claim.job + j.elements)[position] : position;
    return claim.slots + at * j.slot_bytes;
  }
  // The value is in its slot. Others see it when the chunk is finished, or its worker is dead.
  void mark(const Claim& claim, uint64_t position, uint8_t mark) {
    // release: the commit; pairs with the acquire in take_slots()
    claim.marks[position].store(mark, std::memory_order_release);
  }
  void finish(const Claim& claim);
  // What all elements of the job need could be read.
  void note_read(const Claim& claim) {
    claim.shared->readers.fetch_add(1, std::memory_order_relaxed); // begin() releases it
  }
  // Called when several elements of the claim are read before the first of them begins.
  void read_slice() {
    // After our death the kernel's release of our life makes it visible, like everything that we wrote.
    worker_at(pool_, index_).in_slice.store(1, std::memory_order_relaxed);
  }
  bool cancelled(const Claim& claim) const {
    return claim.shared->cancelled.load(std::memory_order_acquire) != 0;
  }
  void detach(); // stops looking at its job

private:
  bool attach(uint64_t index);
  bool claim_chunk(Claim& claim);
  void push(const Claim& claim, uint64_t record);
  void note_time();

  uint64_t pool_;
  uint32_t index_; // in the pool
  Token me_;
  uint64_t attached_ = 0;            // job block
  uint64_t area_ = 0, area_end_ = 0; // small results go here
  ResultRecord* pending_ = nullptr;
  uint64_t pending_offset_ = 0;
};

template <class Take> void JobOwner::take_slots(uint64_t first, uint64_t end, Take&& take) {
  const JobShared& j = job_at(job_);
  const auto* marks = heap().at<const std::atomic<uint8_t>>(job_ + j.marks);
  const auto* elements = j.elements ? heap().at<const uint32_t>(job_ + j.elements) : nullptr;
  const uint8_t* slots = heap().at(j.slots);
  for (uint64_t p = first; p < end; ++p) {
    if (settled_[p]) continue;
    // acquire: pairs with the release in Worker::mark()
    uint8_t mark = marks[p].load(std::memory_order_acquire);
    if (mark == 0) continue;
    take(p, mark, slots + (elements ? elements[p] : p) * j.slot_bytes);
    settle(p);
  }
}

} // namespace mp
