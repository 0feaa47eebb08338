// R values as messages of queues and pipes.
#pragma once

#include "session/handle.h"
#include "session/output.h"

#include "codec/codec.h"
#include "core/guard.h"
#include "core/queue.h"

#include <cstring>

namespace mp::bind {

// Encodes and sends: small values through a buffer, large ones and those with handles in a segment
// of their own.
template <class Send> Status send_value(SEXP x, Send send) {
  mark_output();
  alignas(8) uint8_t small[256];
  Outgoing out;
  out.bytes = small;
  out.size = codec::encode_small(x, small, sizeof small);
  if (out.size) return send(out);
  codec::Encoding e = codec::encode(x);
  out.size = e.size();
  if (out.size <= kInlineBytes && e.handles().empty()) {
    alignas(8) uint8_t buffer[kInlineBytes];
    e.write(buffer);
    out.bytes = buffer;
    return send(out);
  }
  std::vector<Reference> refs = references_of(e.handles());
  uint64_t body = e.size() + refs.size() * sizeof(Reference);
  NewBlock segment(create_segment(body)); // ours until it is sent
  out.segment = segment.get();
  e.write(segment_data(out.segment));
  if (!refs.empty()) {
    std::memcpy(segment_data(out.segment) + e.size(), refs.data(), refs.size() * sizeof(Reference));
    seal_segment(out.segment, e.size(), uint32_t(refs.size()));
  }
  Status s = send(out);
  if (s == Status::Ok) segment.release();
  return s;
}

// One call's message. Its buffer, which grows once, is the next call's: a finalizer that R runs
// while this message is read, and that receives one itself, takes a buffer of its own.
class Inbox {
public:
  Inbox() { message.swap(spare()); }
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;
  ~Inbox() {
    message.clear();
    message.swap(spare());
  }
  SEXP value() {
    GuardLimit guards = GuardLimit::uninterruptible(); // it has left its queue
    return codec::decode(message.data(), message.size());
  }
  Incoming message;

private:
  static Incoming& spare() {
    static Incoming& buffer = *new Incoming;
    return buffer;
  }
};

} // namespace mp::bind
