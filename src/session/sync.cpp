// Locks, queues, connections.
#include "session/handle.h"
#include "session/output.h"
#include "session/session.h"
#include "session/waits.h"

#include "core/guard.h"
#include "core/lock.h"
#include "core/pipe.h"

#include <cstring>
#include <iomanip>
#include <sstream>

using namespace mp;
using namespace mp::bind;

namespace {

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
    SteadyPatience patience; // it has left its queue
    return codec::decode(message.data(), message.size());
  }
  Incoming message;

private:
  static Incoming& spare() {
    static Incoming& buffer = *new Incoming;
    return buffer;
  }
};

// `state` of the queue, or the `obstacle` (a stopped process) to `what` was wanted; and after how
// long, if there was a limit
Error not_in_time(const char* type, const std::string& state, const char* remedy, const char* what,
                  const std::string& obstacle, const Wait& w, SEXP timeout) {
  std::ostringstream s;
  s << (obstacle.empty() ? state : what);
  if (w.deadline > 0 && w.deadline != platform::kForever) {
    double seconds = Rf_asReal(timeout), left = double(w.deadline - platform::now_ns()) / 1e9;
    if (left > 0) s << " after " << std::setprecision(2) << seconds - left; // patience was less
    else s << " after " << seconds;
    s << (left <= 0 && seconds == 1 ? " second" : " seconds");
    if (obstacle.empty()) s << "; raise `timeout` to wait longer";
  } else if (obstacle.empty()) {
    s << remedy;
  }
  if (!obstacle.empty()) s << ": " << obstacle;
  return {type, s.str()};
}

uint64_t open_queue(SEXP queue) {
  Handle& h = handle_of(queue, Kind::Queue);
  if (h.shut)
    throw Error{"ValueError", "this queue is closed in this process: nothing can be put or got"};
  return h.block;
}

} // namespace

SEXP lock_create(bool recursive) {
  return entry([&] { return make_handle(create_lock(recursive), Kind::Lock); });
}

// TRUE if its last owner died while it held it.
static bool enter_lock(SEXP lock, const Wait& wait, bool* got) {
  Status s = acquire_lock(block_of(lock, Kind::Lock), wait);
  check(s);
  if (s == Status::Closed)
    throw Error{"DeadlockError",
                "this process holds this lock already and would wait for itself without an end; "
                "release it first, give a `timeout`, or use an RLock()"};
  *got = s == Status::Ok || s == Status::OwnerDied;
  return s == Status::OwnerDied;
}

// Waits for ever, and leaves the warning to the caller.
bool lock_enter(SEXP lock) {
  return entry([&] {
    bool got;
    return enter_lock(lock, bind::wait_for(R_NilValue), &got);
  });
}

// TRUE: acquired, FALSE: not in time. A warning if its last owner died while it held it.
bool lock_acquire(SEXP lock, SEXP block, SEXP timeout) {
  return entry([&] {
    Wait wait = wait_for(block, timeout);
    bool got;
    if (enter_lock(lock, wait, &got)) {
      call_r("warn_owner_died");
    }
    return got;
  });
}

void lock_release(SEXP lock) {
  entry([&] {
    mark_output();
    switch (release_lock(block_of(lock, Kind::Lock))) {
    case Released::Ok:
      return;
    case Released::NotLocked:
      throw Error{"ValueError",
                  "$release() of a lock that is not held; call $acquire() first, or use with(lock, ...)"};
    case Released::NotOwner:
      throw Error{"ValueError", "only the process that acquired an RLock() can release it"};
    }
  });
}

// How often this process holds it.
int lock_depth(SEXP lock) {
  return entry([&] { return int(mp::lock_depth(block_of(lock, Kind::Lock))); });
}

// The pid of the process that holds it, 0: free.
int lock_holder(SEXP lock) {
  return entry([&] {
    Token t = lock_owner(block_of(lock, Kind::Lock));
    return t ? int(pid_of(t)) : 0;
  });
}

SEXP queue_create(double maxsize, bool simple) {
  return entry([&] { return make_handle(create_queue(uint64_t(maxsize), simple), Kind::Queue); });
}

bool queue_is_simple(SEXP queue) {
  return entry([&] { return queue_simple(block_of(queue, Kind::Queue)); });
}

void queue_put(SEXP queue, SEXP value, SEXP block, SEXP timeout) {
  entry([&] {
    Wait wait = wait_for(block, timeout);
    uint64_t q = open_queue(queue);
    GuardDeadline deadline(wait.deadline);
    std::string why;
    try {
      Status s = send_value(value, [&](const Outgoing& out) { return put_message(q, out, wait); });
      check(s);
      if (s == Status::Ok) return;
      if (!queue_full(q)) why = queue_obstacle(q);
    } catch (const GuardTimeout& t) {
      if (wait.deadline == platform::kForever) throw;
      why = t.message;
    }
    uint64_t most = queue_capacity(q);
    throw not_in_time("Full",
                      "the queue holds its maximum of " + std::to_string(most) +
                          (most == 1 ? " message" : " messages"),
                      "; $put() waits until there is room, for at most `timeout` seconds",
                      "nothing could be put", why, wait, timeout);
  });
}

SEXP queue_get(SEXP queue, SEXP block, SEXP timeout) {
  return entry([&] {
    Wait wait = wait_for(block, timeout);
    uint64_t q = open_queue(queue);
    Inbox inbox;
    Status s = get_message(q, inbox.message, wait);
    check(s);
    if (s == Status::Ok) return inbox.value();
    std::string why = queue_length(q) ? queue_obstacle(q) : "";
    throw not_in_time("Empty", "the queue is empty",
                      "; $get() waits for a message, for at most `timeout` seconds", "nothing could be got", why, wait, timeout);
  });
}

// This handle neither puts nor gets any more.
void queue_shut(SEXP queue) {
  entry([&] { handle_of(queue, Kind::Queue).shut = true; });
}

bool queue_is_full(SEXP queue) {
  return entry([&] { return queue_full(block_of(queue, Kind::Queue)); });
}

// 0: no limit.
double queue_maxsize(SEXP queue) {
  return entry([&] { return double(queue_capacity(block_of(queue, Kind::Queue))); });
}

double queue_size(SEXP queue) {
  return entry([&] { return double(queue_length(block_of(queue, Kind::Queue))); });
}

SEXP pipe_create(bool duplex) {
  return entry([&] {
    uint64_t ends[2];
    create_pipe(duplex, ends);
    Protected a(make_handle(ends[0], Kind::Connection));
    Protected b(make_handle(ends[1], Kind::Connection));
    return list_of(SEXP(a), SEXP(b));
  });
}

void connection_send(SEXP connection, SEXP value) {
  entry([&] {
    uint64_t block = block_of(connection, Kind::Connection);
    if (!can_send(block)) throw Error{"ValueError", "this end of the pipe can only receive; send at the other end, or use Pipe(duplex = TRUE)"};
    Wait wait = bind::wait_for(R_NilValue);
    Status s =
        send_value(value, [&](const Outgoing& out) { return send_message(block, out, wait); });
    check(s);
    if (s != Status::Ok)
      throw Error{"BrokenPipeError",
                  "the other end of this pipe is closed, or its processes have ended: "
                  "nothing can be sent to it"};
  });
}

SEXP connection_recv(SEXP connection) {
  return entry([&] {
    uint64_t block = block_of(connection, Kind::Connection);
    if (!can_receive(block)) throw Error{"ValueError", "this end of the pipe can only send; receive at the other end, or use Pipe(duplex = TRUE)"};
    Wait wait = bind::wait_for(R_NilValue);
    Inbox inbox;
    Status s = receive_message(block, inbox.message, wait);
    check(s);
    if (s != Status::Ok)
      throw Error{"EOFError", "the other end of this pipe is closed, or its processes have ended: "
                              "nothing more will come"};
    return inbox.value();
  });
}

bool connection_poll(SEXP connection, SEXP timeout) {
  return entry([&] {
    uint64_t block = block_of(connection, Kind::Connection);
    if (!can_receive(block)) throw Error{"ValueError", "this end of the pipe can only send; receive at the other end, or use Pipe(duplex = TRUE)"};
    if (is_readable(block)) return true;
    Wait wait = bind::wait_for(timeout);
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

// What it can do, how many messages wait for it, and whether the other end is closed or dead.
SEXP connection_state(SEXP connection) {
  return entry([&] {
    reap(); // a dead process has its ends no more
    uint64_t block = block_of(connection, Kind::Connection);
    return with_names(list_of(can_receive(block), can_send(block), double(messages_waiting(block)),
                              other_end_is_closed(block)),
                      {"readable", "writable", "waiting", "cut"});
  });
}
