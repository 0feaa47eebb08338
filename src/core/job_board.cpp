// Pools and jobs as their owner sees them; job_worker.cpp is the other side.
#include "job_board_internal.h"

#include "platform/pages.h"
#include "reaper.h"

#include <algorithm>
#include <cstring>

namespace mp {
namespace {

uint64_t aligned(uint64_t n) { return (n + 63) & ~uint64_t(63); }

void forget(uint64_t pool, Token gone) { forget_waiter(pool_at(pool).idle, slot_of(gone)); }

const KindActions actions(BlockKind::Pool, nullptr, forget);

} // namespace

PoolShared& pool_at(uint64_t pool) { return *heap().at<PoolShared>(pool); }
JobShared& job_at(uint64_t job) { return *heap().at<JobShared>(job); }
WorkerShared& worker_at(uint64_t pool, uint32_t index) {
  return heap().at<WorkerShared>(pool + pool_at(pool).worker_offset)[index];
}
std::atomic<uint64_t>& claim_at(JobShared& job, uint64_t block, uint32_t chunk) {
  return heap().at<std::atomic<uint64_t>>(block + job.claims)[chunk];
}
uint64_t* starts_of(uint64_t job) { return heap().at<uint64_t>(job + job_at(job).starts); }

uint64_t create_pool(uint32_t workers) {
  uint64_t worker_offset = aligned(sizeof(PoolShared));
  uint64_t ring_offset = worker_offset + workers * sizeof(WorkerShared);
  uint64_t pool = heap().allocate(ring_offset + kRing * sizeof(uint64_t), BlockKind::Pool, false);
  std::memset(heap().at(pool), 0, ring_offset); // a position of the ring is read only after it was written
  PoolShared& p = pool_at(pool);
  p.owner = self();
  p.workers = workers;
  p.worker_offset = worker_offset;
  p.ring_offset = ring_offset;
  return pool;
}

uint64_t create_job(uint64_t pool, const JobPlan& plan) {
  uint32_t chunks = uint32_t(plan.starts.size() - 1), workers = pool_at(pool).workers;
  uint64_t references = aligned(sizeof(JobShared));
  uint64_t starts = references + (plan.references + 1) * sizeof(Reference);
  uint64_t claims = starts + plan.starts.size() * sizeof(uint64_t);
  uint64_t elements = claims + chunks * sizeof(uint64_t);
  uint64_t results = aligned(elements + plan.elements.size() * sizeof(uint32_t));
  uint64_t marks = results + workers * sizeof(ResultList);
  uint64_t finished = marks + (plan.slots ? padded(plan.count) : 0);
  uint64_t slots = finished + (plan.slots ? chunks * sizeof(ResultRecord) : 0);
  uint64_t body = slots + (plan.slots && !plan.slot_block ? padded(plan.count * plan.slot_bytes) : 0);
  uint64_t input = body + padded(plan.body_bytes);
  uint64_t arena = input + padded(plan.input_bytes);
  // The rest of the page is arena.
  uint64_t fixed = (arena + kPageBytes - 1) / kPageBytes * kPageBytes;
  uint64_t bytes = std::max(fixed, arena + 2 * kSliceBytes * std::min<uint64_t>(plan.count, 16));
  uint64_t job = heap().allocate(bytes, BlockKind::Job, false);
  std::memset(heap().at(job), 0, finished);
  JobShared& j = job_at(job);
  j.count = plan.count;
  j.chunks = chunks;
  j.workers = workers;
  j.owner = self();
  j.notify_each = plan.notify_each;
  j.notify_chunks = plan.notify_chunks;
  j.timed = plan.timed;
  j.pinned = plan.pinned;
  j.function = plan.function;
  j.body = {body, plan.body_bytes};
  j.input = {input, plan.input_bytes};
  j.starts = starts;
  j.claims = claims;
  j.results = results;
  j.finished = finished;
  j.arena = {arena, bytes - arena};
  j.slots = plan.slot_block ? plan.slot_block + platform::kVectorLead : job + slots;
  j.slot_bytes = plan.slot_bytes;
  j.slot_type = plan.slot_type;
  j.elements = plan.elements.empty() ? 0 : elements;
  j.marks = plan.slots ? marks : 0;
  std::copy(plan.elements.begin(), plan.elements.end(), heap().at<uint32_t>(job + elements));
  std::memcpy(starts_of(job), plan.starts.data(), plan.starts.size() * sizeof(uint64_t));
  return job;
}

void seal_job(uint64_t job, const std::vector<Reference>& references) {
  uint64_t offset = aligned(sizeof(JobShared));
  auto* r = heap().at<Reference>(job + offset);
  uint32_t n = 0;
  if (job_at(job).function.page) r[n++] = job_at(job).function;
  for (const Reference& ref : references) r[n++] = ref;
  if (n) heap().seal(job, offset, n);
}

std::vector<uint64_t> guided_chunks(uint64_t count, uint32_t workers) {
  // A quarter of what is left, shared by the workers: the last chunks are single elements, so that
  // no job waits long for its slowest worker, and 10,000 elements make some 60 chunks for two workers.
  std::vector<uint64_t> starts{0};
  uint64_t at = 0;
  while (at < count) {
    uint64_t size = std::max<uint64_t>(1, (count - at) / (uint64_t(workers) * 4));
    at += std::min<uint64_t>({size, count - at, ClaimWord::kMaxCursor});
    starts.push_back(at);
  }
  return starts;
}

std::vector<uint64_t> equal_chunks(uint64_t count, uint64_t size) {
  std::vector<uint64_t> starts{0};
  size = std::min<uint64_t>(size, ClaimWord::kMaxCursor);
  for (uint64_t at = 0; at < count;) starts.push_back(at = std::min(at + size, count));
  return starts;
}

bool submit_job(uint64_t pool, uint64_t job, uint64_t* index) {
  PoolShared& p = pool_at(pool);
  uint64_t i = p.submitted.load(std::memory_order_relaxed); // the owner alone writes it
  if (i >= kRing && ring_at(pool, i).load(std::memory_order_relaxed) != 0) return false;
  ring_at(pool, i).store(job, std::memory_order_release);
  // release: publishes the job; pairs with Worker::next()
  p.submitted.store(i + 1, std::memory_order_release);
  *index = i;
  uint32_t wanted = std::min(job_at(job).chunks, p.workers);
  while (wanted-- > 0 && wake_one(p.idle)) {
  }
  return true;
}

void retire_job(uint64_t pool, uint64_t index) {
  // seq_cst: pairs with Worker::attach(); it sees 0 here, or free_job() sees the worker
  ring_at(pool, index).store(0, std::memory_order_seq_cst);
}

bool free_job(uint64_t pool, uint64_t job) {
  PoolShared& p = pool_at(pool);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  for (uint32_t i = 0; i < p.workers; ++i) {
    WorkerShared& w = worker_at(pool, i);
    // A dead worker counts until it is swept: another thread of its process may still write.
    if (w.job.load(std::memory_order_acquire) != job) continue;
    Token token = w.token.load(std::memory_order_relaxed);
    if (is_alive(token)) return false;
    reap();
    if (!is_swept(token)) return false;
  }
  heap().drop(job);
  return true;
}

void close_pool(uint64_t pool) {
  pool_at(pool).closing.store(1, std::memory_order_release);
  wake_all(pool_at(pool).idle);
}

JobOwner::JobOwner(uint64_t pool, uint64_t job)
    : pool_(pool), job_(job), settled_(job_at(job).count, false) {}

void JobOwner::drain(const std::function<void(const ResultRecord&)>& each, const Slots& slots) {
  JobShared& j = job_at(job_);
  for (uint32_t i = 0; i < j.workers; ++i) {
    ResultList& l = results_at(job_, i);
    if (l.head.load(std::memory_order_relaxed) == 0) continue;
    // acquire: pairs with the release push in Worker::publish()
    uint64_t newest = l.head.exchange(0, std::memory_order_acquire);
    std::vector<uint64_t> order;
    for (uint64_t r = newest; r; r = heap().at<ResultRecord>(r)->next) order.push_back(r);
    taken_.insert(taken_.end(), order.rbegin(), order.rend());
  }
  for (; !taken_.empty(); taken_.pop_front()) { // if `each` throws, that record is the next call's first
    const ResultRecord& record = *heap().at<ResultRecord>(taken_.front());
    if (record.position >= settled_.size())
      throw Error{"ProcessError",
                  "a worker left a result for an element that the job does not have"};
    if (ResultStatus(record.status) == ResultStatus::InSlots) {
      if (record.count > settled_.size() - record.position)
        throw Error{"ProcessError",
                    "a worker left results for elements that the job does not have"};
      uint64_t end = record.position + record.count;
      slots(record.position, end);
      continue;
    }
    if (settled_[record.position]) continue;
    each(record);
    settle(record.position);
  }
}

uint64_t JobOwner::computed() const {
  JobShared& j = job_at(job_);
  uint64_t n = settled_count_;
  for (uint32_t c = 0; c < j.chunks; ++c) {
    ClaimWord w = ClaimWord::unpack(claim_at(j, job_, c).load(std::memory_order_acquire));
    uint64_t first = starts_of(job_)[c], size = starts_of(job_)[c + 1] - first;
    for (uint64_t k = 0; k < std::min<uint64_t>(w.cursor, size); ++k) n += !settled_[first + k];
  }
  return n;
}

JobOwner::Suspect JobOwner::recover(Token worker, const std::function<bool(uint64_t)>& again,
                                    const Slots& slots) {
  Suspect suspect;
  JobShared& j = job_at(job_);
  // First, as taking them may fail; then all of this is done again.
  for (uint32_t c = 0; j.marks && c < j.chunks; ++c) {
    ClaimWord w = ClaimWord::unpack(claim_at(j, job_, c).load(std::memory_order_acquire));
    if (w.worker == worker && w.state != ChunkState::Free)
      slots(starts_of(job_)[c], starts_of(job_)[c + 1]);
  }
  bool reopen = false, in_slice = false;
  for (uint32_t i = 0; i < j.workers; ++i) {
    WorkerShared& w = worker_at(pool_, i);
    if (w.token.load(std::memory_order_acquire) == worker)
      in_slice = w.in_slice.load(std::memory_order_relaxed) != 0;
  }
  for (uint32_t c = 0; c < j.chunks; ++c) {
    std::atomic<uint64_t>& word = claim_at(j, job_, c);
    ClaimWord w = ClaimWord::unpack(word.load(std::memory_order_acquire));
    if (w.state == ChunkState::Free) { // offered to the dead worker, which had not claimed it yet?
      reopen = reopen || c < j.next_chunk.load(std::memory_order_relaxed);
      continue;
    }
    if (w.state == ChunkState::Done || w.worker != worker) continue;
    uint64_t first = starts_of(job_)[c], size = starts_of(job_)[c + 1] - first;
    uint32_t cursor = w.cursor;
    bool reading = w.state == ChunkState::Claimed;
    if (reading && in_slice) {
      // It died in one of several, unknown in which. A worker that claims them again (acquire) sees this.
      j.one_by_one.store(1, std::memory_order_relaxed);
    } else if (!settled_[first + cursor]) {
      suspect = {true, reading, first + cursor};
      if (!again(suspect.position)) ++cursor;
    } else {
      ++cursor; // it had published this one, and died before the next
    }
    if (cursor >= size) {
      word.store(ClaimWord{worker, uint32_t(size), ChunkState::Done}.pack(),
                 std::memory_order_release);
      j.done_chunks.fetch_add(1, std::memory_order_relaxed);
    } else {
      word.store(ClaimWord{0, cursor, ChunkState::Free}.pack(), std::memory_order_release);
      reopen = true;
    }
  }
  // Also when nothing is put back: the dead may have finished a chunk and not counted it, so that
  // from now on the count does not tell the last finisher to ring. release: pairs with
  // claim_chunk()
  j.reopened.fetch_add(1, std::memory_order_seq_cst);
  if (reopen) {
    // Found again from the oldest on. Workers may advance the word meanwhile, but only the owner
    // changes its round. release: pairs with the load in Worker::next()
    std::atomic<uint64_t>& open = pool_at(pool_).first_open;
    uint32_t round = OpenWord::unpack(open.load(std::memory_order_relaxed)).round;
    open.store(OpenWord{round + 1, 0}.pack(), std::memory_order_seq_cst);
    wake_all(pool_at(pool_).idle);
  }
  return suspect;
}

bool JobOwner::offers_chunk(uint32_t index) const {
  JobShared& j = job_at(job_);
  for (uint32_t c = j.pinned ? index : 0; c < (j.pinned ? index + 1 : j.chunks); ++c) {
    ClaimWord w = ClaimWord::unpack(claim_at(j, job_, c).load(std::memory_order_acquire));
    if (w.state == ChunkState::Free) return true;
  }
  return false;
}

bool JobOwner::running(Token worker, uint64_t* position) const {
  JobShared& j = job_at(job_);
  for (uint32_t c = 0; c < j.chunks; ++c) {
    ClaimWord w = ClaimWord::unpack(claim_at(j, job_, c).load(std::memory_order_acquire));
    if (w.worker != worker || (w.state != ChunkState::Running && w.state != ChunkState::Claimed))
      continue;
    *position = starts_of(job_)[c] + w.cursor;
    return true;
  }
  return false;
}

uint32_t JobOwner::readers() const { return job_at(job_).readers.load(std::memory_order_acquire); }

bool JobOwner::is_computed() const {
  JobShared& j = job_at(job_);
  for (uint32_t c = 0; c < j.chunks; ++c) {
    ClaimWord w = ClaimWord::unpack(claim_at(j, job_, c).load(std::memory_order_acquire));
    if (w.state == ChunkState::Running && is_alive(w.worker)) return true;
  }
  return false;
}

uint64_t JobOwner::give_up(uint64_t position, uint64_t* first) {
  JobShared& j = job_at(job_);
  if (!j.pinned) {
    cancel();
    *first = 0;
    return j.count;
  }
  const uint64_t* starts = starts_of(job_);
  uint32_t c = uint32_t(std::upper_bound(starts, starts + j.chunks, position) - starts) - 1;
  uint64_t size = starts[c + 1] - starts[c];
  std::atomic<uint64_t>& word = claim_at(j, job_, c); // its worker is dead, and not replaced yet
  if (ClaimWord::unpack(word.load(std::memory_order_acquire)).state != ChunkState::Done)
    j.done_chunks.fetch_add(1, std::memory_order_relaxed);
  word.store(ClaimWord{0, uint32_t(size), ChunkState::Done}.pack(), std::memory_order_release);
  *first = starts[c];
  return size;
}

void JobOwner::cancel() { job_at(job_).cancelled.store(1, std::memory_order_release); }

bool JobOwner::withdraw() {
  JobShared& j = job_at(job_);
  if (j.chunks != 1) return false;
  uint64_t free = ClaimWord{0, 0, ChunkState::Free}.pack();
  // acq_rel: pairs with the CAS in claim_chunk(), one of the two has the chunk
  return claim_at(j, job_, 0)
      .compare_exchange_strong(free, ClaimWord{j.owner, 0, ChunkState::Claimed}.pack(),
                               std::memory_order_acq_rel);
}

bool JobOwner::claimed() const {
  JobShared& j = job_at(job_);
  for (uint32_t c = 0; c < j.chunks; ++c)
    if (ClaimWord::unpack(claim_at(j, job_, c).load(std::memory_order_acquire)).state !=
        ChunkState::Free)
      return true;
  return false;
}

} // namespace mp
