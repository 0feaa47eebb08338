// Jobs for a pool's workers: no dispatcher, no message per task. The owner (the process that made
// the pool) writes a job and puts it on the pool's ring; workers claim its chunks with one CAS
// each, compute and push results; the owner takes them. README.md tells what a death leaves and who
// repairs it.
#pragma once

#include "doorbell.h"
#include "layout.h"

#include <deque>
#include <functional>

namespace mp {

PoolShared& pool_at(uint64_t pool);
JobShared& job_at(uint64_t job);
LaneShared& lane_at(uint64_t pool, uint32_t lane);
std::atomic<uint64_t>& claim_at(JobShared& job, uint64_t block, uint32_t chunk);
uint64_t* starts_of(uint64_t job);
void register_pool_kind();

// --- the owner's side ---

uint64_t create_pool(uint32_t lanes); // Kind::Pool, held by the caller

struct JobPlan {
  uint64_t count = 0;
  std::vector<uint64_t> starts; // chunks + 1 positions
  uint64_t body_bytes = 0;      // room for the encoded rest of the job
  uint64_t input_bytes = 0;     // room for the encoded elements
  uint64_t references = 0;      // blocks that the two refer to
  Reference function{0, 0};     // held by the caller until the job is sealed
  uint64_t places = 0;          // the same; a block for values of a known size
  uint64_t place_bytes = 0;     // of one element
  uint32_t place_type = 0;
  std::vector<uint32_t> elements; // position -> place, if they are not the same
  bool notify_each = false;
  bool timed = false;
  bool pinned =
      false; // chunk c is lane c's alone (mclapply's prescheduling); as many chunks as lanes
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
  // Takes what was published since the last call, each lane's results oldest first. Values that
  // were put into their places are settled without `each`.
  void drain(const std::function<void(const ResultRecord&)>& each);
  bool settled() const { return settled_count_ == settled_.size(); }
  bool has(uint64_t position) const { return settled_[position]; }
  uint64_t settled_count() const { return settled_count_; }
  void settle_range(uint64_t first, uint64_t end);
  // The owner decides an element by itself (a worker died in it); false if it had a result already.
  bool settle(uint64_t position);

  struct Suspect {        // what a dead worker leaves
    bool running = false; // it died in this element
    uint64_t position = 0;
  };
  // After `worker` died and drain() ran: puts back what it had not started. A suspect is put back
  // too if `again(position)` says so, otherwise it must be settled by the caller.
  Suspect recover(Token worker, const std::function<bool(uint64_t)>& again);
  // Is there a chunk that nobody has claimed and that this lane may?
  bool offers_chunk(uint32_t lane) const;
  // Elements running now: (position, lane) of workers that began before `before_ns`.
  bool running(Token worker, uint64_t* position) const;
  void cancel();

private:
  uint64_t pool_ = 0, job_ = 0;
  std::deque<uint64_t> taken_; // records from the lanes that were not yet given to drain()'s caller
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
  uint64_t index = 0; // on the ring
};

class Worker {
public:
  Worker(uint64_t pool, uint32_t lane);
  // Ok with a claim, Ended (the pool is closed), Interrupted.
  Status next(Claim& claim, const Wait& wait);
  void begin(const Claim& claim, uint64_t position);
  // Room for an encoded result of `bytes`; valid until publish(). Throws Error("HeapFullError").
  // `references` > 0: a block of its own, with room for so many after the value (seal_result()).
  uint8_t* room(const Claim& claim, uint64_t position, uint64_t bytes, uint32_t references = 0);
  void seal_result(const std::vector<Reference>& references);
  void publish(const Claim& claim, ResultStatus status);
  // Where the element's value goes if the job has places for values, else nullptr. Written before
  // the next begin() or finish(), which commit it; one that does not fit is published instead.
  uint8_t* place(const Claim& claim, uint64_t position);
  void finish(const Claim& claim);
  // Gives the chunk back, as much as was not begun (a worker that leaves by itself).
  bool cancelled(const Claim& claim) const;
  void detach(); // looks at no job any more

private:
  bool attach(uint64_t index);
  bool claim_chunk(Claim& claim);
  void push(const Claim& claim, uint64_t record);

  uint64_t pool_;
  uint32_t lane_;
  uint64_t attached_ = 0;            // job block
  uint64_t area_ = 0, area_end_ = 0; // small results go here
  ResultRecord* pending_ = nullptr;
  uint64_t pending_offset_ = 0;
};

} // namespace mp
