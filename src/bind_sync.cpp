// Locks, queues, connections, and waiting for several things.
#include "bind_session.h"

#include "core/lock.h"
#include "core/pipe.h"

#include <cstring>

using namespace mp;
using namespace mp::bind;

namespace {

// Encodes and sends: small values through a buffer, large ones and those with handles in a segment of their own.
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
  out.segment = create_segment(body);
  struct Own { // ours until it is sent
    uint64_t& segment;
    ~Own() {
      if (segment) heap().drop(segment);
    }
  } own{out.segment};
  e.write(segment_data(out.segment));
  if (!refs.empty()) {
    std::memcpy(segment_data(out.segment) + e.size(), refs.data(), refs.size() * sizeof(Reference));
    seal_segment(out.segment, e.size(), uint32_t(refs.size()));
  }
  Outgoing given = out;
  Status s = send(given);
  if (s == Status::Ok) out.segment = 0;
  return s;
}

Incoming& inbox() { // reused: its buffer grows once
  static Incoming& message = *new Incoming;
  return message;
}

SEXP value_of(Incoming& message) {
  struct Done {
    Incoming& m;
    ~Done() { m.clear(); }
  } done{message};
  return codec::decode(message.data(), message.size());
}

SEXP status_symbol(const char* name) { return Rf_install(name); }

} // namespace

// [[Rcpp::export(rng = false)]]
SEXP lock_create(bool recursive) {
  return entry([&] { return make_handle(create_lock(recursive), Kind::Lock); });
}

// 1: acquired, 0: not in time, 2: acquired, and its last owner died while it held it.
// [[Rcpp::export(rng = false)]]
int lock_acquire(SEXP lock, SEXP timeout) {
  return entry([&] {
    Wait wait = wait_for(timeout);
    Status s = acquire_lock(block_of(lock, Kind::Lock), wait);
    check(s);
    if (s == Status::Closed)
      throw Error{"DeadlockError", "this process holds this lock already and would wait for itself for ever; "
                                   "release it first, give a `timeout`, or use an RLock()"};
    return s == Status::Ok ? 1 : s == Status::OwnerDied ? 2 : 0;
  });
}

// [[Rcpp::export(rng = false)]]
void lock_release(SEXP lock) {
  entry([&] {
    mark_output();
    switch (release_lock(block_of(lock, Kind::Lock))) {
    case Released::Ok: return;
    case Released::NotLocked: throw Error{"ValueError", "release of a lock that nobody holds"};
    case Released::NotOwner:
      throw Error{"ValueError", "an RLock can be released only by the process that acquired it"};
    }
  });
}

// The pid of the process that holds it, 0: free.
// [[Rcpp::export(rng = false)]]
int lock_holder(SEXP lock) {
  return entry([&] {
    Token t = lock_owner(block_of(lock, Kind::Lock));
    return t ? int(pid_of(t)) : 0;
  });
}

// [[Rcpp::export(rng = false)]]
SEXP queue_create(double maxsize) {
  return entry([&] { return make_handle(create_queue(uint64_t(maxsize)), Kind::Queue); });
}

// TRUE, or FALSE if it stayed full.
// [[Rcpp::export(rng = false)]]
bool queue_put(SEXP queue, SEXP value, SEXP timeout) {
  return entry([&] {
    Wait wait = wait_for(timeout);
    uint64_t block = block_of(queue, Kind::Queue);
    Status s = send_value(value, [&](const Outgoing& out) { return put_message(block, out, wait); });
    check(s);
    return s == Status::Ok;
  });
}

// The value; the symbol .mp_empty if none came in time (no value can be that symbol: symbols travel in calls).
// [[Rcpp::export(rng = false)]]
SEXP queue_get(SEXP queue, SEXP timeout) {
  return entry([&] {
    Wait wait = wait_for(timeout);
    Status s = get_message(block_of(queue, Kind::Queue), inbox(), wait);
    check(s);
    return s == Status::Ok ? value_of(inbox()) : status_symbol(".mp_empty");
  });
}

// [[Rcpp::export(rng = false)]]
double queue_size(SEXP queue) {
  return entry([&] { return double(queue_length(block_of(queue, Kind::Queue))); });
}

// [[Rcpp::export(rng = false)]]
double queue_maxsize(SEXP queue) {
  return entry([&] { return double(queue_capacity(block_of(queue, Kind::Queue))); });
}

// [[Rcpp::export(rng = false)]]
Rcpp::List pipe_create(bool duplex) {
  return entry([&] {
    uint64_t ends[2];
    create_pipe(duplex, ends);
    Rcpp::Shield<SEXP> a(make_handle(ends[0], Kind::Connection));
    Rcpp::Shield<SEXP> b(make_handle(ends[1], Kind::Connection));
    return Rcpp::List::create(SEXP(a), SEXP(b));
  });
}

// FALSE if nobody can ever read it.
// [[Rcpp::export(rng = false)]]
bool connection_send(SEXP connection, SEXP value) {
  return entry([&] {
    uint64_t block = block_of(connection, Kind::Connection);
    if (!can_send(block)) throw Error{"ValueError", "this end of the pipe can only receive"};
    Wait wait = wait_for(R_NilValue);
    Status s = send_value(value, [&](const Outgoing& out) { return send_message(block, out, wait); });
    check(s);
    return s == Status::Ok;
  });
}

// The value, .mp_empty (timeout) or .mp_eof (the other end is closed).
// [[Rcpp::export(rng = false)]]
SEXP connection_recv(SEXP connection, SEXP timeout) {
  return entry([&] {
    uint64_t block = block_of(connection, Kind::Connection);
    if (!can_receive(block)) throw Error{"ValueError", "this end of the pipe can only send"};
    Wait wait = wait_for(timeout);
    Status s = receive_message(block, inbox(), wait);
    check(s);
    if (s == Status::Ended) return status_symbol(".mp_eof");
    return s == Status::Ok ? value_of(inbox()) : status_symbol(".mp_empty");
  });
}

// [[Rcpp::export(rng = false)]]
bool connection_poll(SEXP connection, SEXP timeout) {
  return entry([&] {
    uint64_t block = block_of(connection, Kind::Connection);
    if (!can_receive(block)) throw Error{"ValueError", "this end of the pipe can only send"};
    if (is_readable(block)) return true;
    Wait wait = wait_for(timeout);
    if (wait.deadline <= 0) return false;
    Waiter waiter(wait);
    waiter.add(connection_waiters(block));
    Status s = waiter.until([&] {
      if (is_readable(block)) return true;
      watch_other_end(waiter, block);
      return false;
    });
    check(s);
    return s == Status::Ok;
  });
}

// [[Rcpp::export(rng = false)]]
Rcpp::LogicalVector connection_directions(SEXP connection) {
  return entry([&] {
    uint64_t block = block_of(connection, Kind::Connection);
    return Rcpp::LogicalVector::create(Rcpp::_["readable"] = can_receive(block),
                                       Rcpp::_["writable"] = can_send(block));
  });
}
