// First in, first out, many producers and consumers. A put is done when the message is in shared
// memory: it outlives its sender.
#pragma once

#include "doorbell.h"
#include "layout.h"

namespace mp {

// BlockKind::Queue. max_items 0: unbounded. `simple`: users see a SimpleQueue.
uint64_t create_queue(uint64_t max_items, bool simple = false);

// A message that is ready to be sent. Small: bytes that are copied in. Large: a segment that the
// sender made with create_segment(), filled, and (when it refers to blocks) sealed; given away on
// success.
struct Outgoing {
  const uint8_t* bytes = nullptr;
  uint64_t size = 0;
  uint64_t segment = 0;
};
constexpr uint64_t kInlineBytes = 8192; // larger messages get a segment of their own

uint64_t create_segment(uint64_t bytes); // held by the caller
uint8_t* segment_data(uint64_t segment);
// References of a segment: `count` pairs at `offset` bytes after segment_data().
void seal_segment(uint64_t segment, uint64_t offset, uint32_t count);

// Ok, Timeout (the queue stayed full), Interrupted; OwnerDied never reaches the caller. `closed`,
// when given, ends the put with Closed once it is not 0 (a pipe whose other end has no holder).
Status put_message(uint64_t queue, const Outgoing& message, const Wait& wait,
                   const std::atomic<uint32_t>* closed = nullptr);

// A received message. Small ones were copied to `copy`; large ones are read in place, and the
// segment is dropped by the destructor.
class Incoming {
public:
  Incoming() = default;
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;
  ~Incoming() { clear(); }
  const uint8_t* data() const { return data_; }
  uint64_t size() const { return size_; }
  void clear();
  void swap(Incoming& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(segment_, other.segment_);
    copy_.swap(other.copy_);
  }

private:
  friend Status get_message(uint64_t, Incoming&, const Wait&, const std::atomic<uint32_t>*,
                            void (*)(Waiter&, uint64_t), uint64_t);
  bool take(uint64_t queue, const Wait& wait, Status* s);
  const uint8_t* data_ = nullptr;
  uint64_t size_ = 0;
  uint64_t segment_ = 0;
  std::vector<uint8_t> copy_;
};

// Ok, Timeout, Interrupted; Ended when it is empty and `closed` is not 0. `watch(waiter, data)`
// names the participants whose death may end the wait.
Status get_message(uint64_t queue, Incoming& message, const Wait& wait,
                   const std::atomic<uint32_t>* closed = nullptr,
                   void (*watch)(Waiter&, uint64_t) = nullptr, uint64_t data = 0);

uint64_t queue_length(uint64_t queue);
bool queue_full(uint64_t queue);
uint64_t queue_capacity(uint64_t queue);
bool queue_simple(uint64_t queue);
bool queue_joinable(uint64_t queue);
// After a Timeout: which stopped process keeps us from an available message, or "".
std::string queue_obstacle(uint64_t queue);
QueueShared& queue_shared(uint64_t queue);

} // namespace mp
