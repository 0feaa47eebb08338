// The worker's side of the job board: claims chunks, writes results, publishes them.
#include "job_board_internal.h"

#include <algorithm>
#include <cstring>

namespace mp {
namespace {

constexpr uint64_t kAreaBytes = 64 * 1024;
constexpr uint64_t kOwnBlockBytes = 32 * 1024;

} // namespace

Worker::Worker(uint64_t pool, uint32_t index) : pool_(pool), index_(index), me_(self()) {
  WorkerShared& mine = worker_at(pool, index);
  mine.job.store(0, std::memory_order_relaxed);
  mine.token.store(me_, std::memory_order_release);
}

bool Worker::attach(uint64_t index) {
  std::atomic<uint64_t>& entry = ring_at(pool_, index);
  uint64_t job = entry.load(std::memory_order_acquire);
  if (job == 0) return false;
  if (job == attached_) return true;
  WorkerShared& mine = worker_at(pool_, index_);
  // seq_cst store, then look again: pairs with retire_job() and free_job()
  mine.job.store(job, std::memory_order_seq_cst);
  if (entry.load(std::memory_order_seq_cst) != job) {
    mine.job.store(attached_ = 0, std::memory_order_release);
    return false;
  }
  attached_ = job;
  area_ = area_end_ = 0;
  return true;
}

void Worker::detach() {
  attached_ = 0;
  // release: the owner may free the job after this
  worker_at(pool_, index_).job.store(0, std::memory_order_release);
}

bool Worker::claim_chunk(Claim& claim) {
  JobShared& j = job_at(attached_);
  if (j.cancelled.load(std::memory_order_relaxed)) return false;
  worker_at(pool_, index_).in_slice.store(0, std::memory_order_relaxed);
  if (j.timed) note_time(); // before the claim, which tells the owner that the reading has begun
  auto take = [&](uint32_t c) {
    std::atomic<uint64_t>& word = claim_at(j, attached_, c);
    uint64_t v = word.load(std::memory_order_relaxed);
    ClaimWord w = ClaimWord::unpack(v);
    if (w.state != ChunkState::Free) return false;
    // acquire: pairs with the release in recover()
    if (!word.compare_exchange_strong(v, ClaimWord{me_, w.cursor, ChunkState::Claimed}.pack(),
                                      std::memory_order_acq_rel))
      return false;
    claim.job = attached_;
    claim.chunk = c;
    claim.origin = starts_of(attached_)[c];
    claim.first = claim.origin + w.cursor;
    claim.end = starts_of(attached_)[c + 1];
    claim.word = &word;
    claim.shared = &j;
    claim.marks = j.marks ? heap().at<std::atomic<uint8_t>>(attached_ + j.marks) : nullptr;
    claim.slots = heap().at(j.slots);
    return true;
  };
  if (j.pinned) return index_ < j.chunks && take(index_);
  while (j.next_chunk.load(std::memory_order_relaxed) < j.chunks) {
    uint32_t c = j.next_chunk.fetch_add(1, std::memory_order_relaxed);
    if (c < j.chunks && take(c)) return true;
  }
  if (j.reopened.load(std::memory_order_acquire))
    for (uint32_t c = 0; c < j.chunks; ++c)
      if (take(c)) return true;
  return false;
}

Status Worker::next(Claim& claim, const Wait& wait) {
  PoolShared& p = pool_at(pool_);
  auto find = [&] {
    uint64_t word = p.first_open.load(std::memory_order_seq_cst);
    const OpenWord open = OpenWord::unpack(word);
    // acquire: pairs with the release in submit_job()
    uint64_t end = p.submitted.load(std::memory_order_acquire);
    bool skip = true; // still nothing but jobs without a free chunk
    for (uint64_t i = std::max(open.index, end > kRing ? end - kRing : 0); i < end; ++i) {
      if (attach(i)) {
        if (claim_chunk(claim)) return true;
        skip = skip && !job_at(attached_).pinned; // a worker that starts late must find its own chunk
      }
      uint64_t next = OpenWord{open.round, i + 1}.pack();
      skip = skip && p.first_open.compare_exchange_strong(word, next, std::memory_order_seq_cst);
      if (skip) word = next;
    }
    return false;
  };
  if (find()) return Status::Ok;
  bool found = false, over = false;
  Waiter waiter(wait);
  waiter.add(p.idle);
  detach(); // idle workers keep no job alive
  Status s = waiter.until([&] {
    // First: a job that was submitted before the pool was closed is found after this.
    over = p.closing.load(std::memory_order_acquire) != 0; // pairs with close_pool()
    found = find();
    if (!found) detach();
    return found || over;
  });
  if (s != Status::Ok) return s;
  return found ? Status::Ok : Status::Ended;
}

void Worker::note_time() {
  worker_at(pool_, index_).began_ns.store(platform::now_ns(), std::memory_order_relaxed);
}

uint8_t* Worker::room(const Claim& claim, uint64_t position, uint64_t bytes, uint32_t references) {
  uint64_t need = sizeof(ResultRecord) + padded(bytes);
  auto begin_at = [&](uint64_t offset, uint64_t block) {
    pending_offset_ = offset;
    pending_ = heap().at<ResultRecord>(offset);
    pending_->block = block;
    pending_->position = position;
    pending_->bytes = bytes;
    return reinterpret_cast<uint8_t*>(pending_ + 1);
  };
  auto own_block = [&](uint64_t size) {
    NewBlock block(heap().allocate(size, BlockKind::Bytes, false));
    heap().set_parent(block.get(), claim.job); // freed with the job
    return block.get();
  };
  if (references || need > kOwnBlockBytes) { // the area for small ones stays as it is
    uint64_t block = own_block(need + references * sizeof(Reference));
    return begin_at(block, block);
  }
  if (area_end_ - area_ < need) {
    JobShared& j = job_at(claim.job);
    uint64_t slice = std::max(kSliceBytes, need), used = j.arena.bytes;
    if (j.arena_used.load(std::memory_order_relaxed) + slice <= j.arena.bytes)
      used = j.arena_used.fetch_add(slice, std::memory_order_relaxed);
    if (used + slice <= j.arena.bytes) {
      area_ = claim.job + j.arena.offset + used;
      area_end_ = area_ + slice;
    } else {
      area_ = own_block(kAreaBytes);
      area_end_ = area_ + kAreaBytes;
    }
  }
  return begin_at(area_, 0);
}

void Worker::seal_result(const std::vector<Reference>& references) {
  uint64_t offset = sizeof(ResultRecord) + padded(pending_->bytes);
  std::memcpy(heap().at(pending_->block + offset), references.data(),
              references.size() * sizeof(Reference));
  heap().seal(pending_->block, offset, uint32_t(references.size()));
}

void Worker::publish(const Claim& claim, ResultStatus status) {
  pending_->status = uint32_t(status);
  if (pending_->block == 0) area_ += sizeof(ResultRecord) + padded(pending_->bytes);
  push(claim, pending_offset_);
}

void Worker::push(const Claim& claim, uint64_t record) {
  std::atomic<uint64_t>& head = results_at(claim.job, index_).head;
  uint64_t v = head.load(std::memory_order_relaxed);
  do heap().at<ResultRecord>(record)->next = v;
  // release: the commit; pairs with the exchange in drain()
  while (!head.compare_exchange_weak(v, record, std::memory_order_release));
  JobShared& j = job_at(claim.job);
  if (j.notify_each) ring(j.owner);
}

void Worker::finish(const Claim& claim) {
  JobShared& j = job_at(claim.job);
  if (j.marks) { // its record lies in the job: in a full heap, too, a chunk can end
    uint64_t at = claim.job + j.finished + claim.chunk * sizeof(ResultRecord);
    ResultRecord& record = *heap().at<ResultRecord>(at);
    record.position = claim.first;
    record.status = uint32_t(ResultStatus::InSlots);
    record.count = uint32_t(claim.end - claim.first);
    push(claim, at);
  }
  uint32_t size = uint32_t(claim.end - claim.origin);
  claim.word->store(ClaimWord{me_, size, ChunkState::Done}.pack(), std::memory_order_release);
  std::atomic<uint64_t>& mine = worker_at(pool_, index_).chunks_done;
  mine.store(mine.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  uint32_t done = 1 + j.done_chunks.fetch_add(1, std::memory_order_acq_rel);
  // Pairs with recover(): it sees our results, or we see `reopened`.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (done >= j.chunks || j.notify_chunks || j.reopened.load(std::memory_order_relaxed)) ring(j.owner);
}

} // namespace mp
