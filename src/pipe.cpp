// Entry points from R for pipes: R/sync-pipe.R.
#include "session/messages.h"
#include "session/session.h"
#include "session/waits.h"

#include "core/pipe.h"
#include "core/reaper.h"

using namespace mp;
using namespace mp::bind;

// [[Rcpp::export(rng = false)]]
SEXP pipe_create(bool duplex) {
  return entry([&] {
    uint64_t ends[2];
    create_pipe(duplex, ends);
    NewBlock second(ends[1]);
    Protected a(new_handle(ends[0], BlockKind::Connection));
    Protected b(new_handle(second.release(), BlockKind::Connection));
    return list_of(SEXP(a), SEXP(b));
  });
}

// [[Rcpp::export(rng = false)]]
void connection_send(SEXP connection, SEXP value) {
  entry([&] {
    uint64_t block = block_of(connection, BlockKind::Connection);
    if (!can_send(block)) throw Error{"ValueError", "this end of the pipe can only receive; send at the other end, or use Pipe(duplex = TRUE)"};
    Wait wait = wait_for(R_NilValue);
    Status s =
        send_value(value, [&](const Outgoing& out) { return send_message(block, out, wait); });
    check(s);
    if (s != Status::Ok)
      throw Error{"BrokenPipeError",
                  "the other end of this pipe is closed, or its processes have ended: "
                  "nothing can be sent to it"};
  });
}

// [[Rcpp::export(rng = false)]]
SEXP connection_recv(SEXP connection) {
  return entry([&] {
    uint64_t block = block_of(connection, BlockKind::Connection);
    if (!can_receive(block)) throw Error{"ValueError", "this end of the pipe can only send; receive at the other end, or use Pipe(duplex = TRUE)"};
    Wait wait = wait_for(R_NilValue);
    Inbox inbox;
    Status s = receive_message(block, inbox.message, wait);
    check(s);
    if (s != Status::Ok)
      throw Error{"EOFError", "the other end of this pipe is closed, or its processes have ended: "
                              "nothing more will come"};
    return inbox.value();
  });
}

// [[Rcpp::export(rng = false)]]
bool connection_poll(SEXP connection, SEXP timeout) {
  return entry([&] {
    uint64_t block = block_of(connection, BlockKind::Connection);
    if (!can_receive(block)) throw Error{"ValueError", "this end of the pipe can only send; receive at the other end, or use Pipe(duplex = TRUE)"};
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

// What it can do, how many messages wait for it, and whether the other end is closed or dead.
// [[Rcpp::export(rng = false)]]
SEXP connection_state(SEXP connection) {
  return entry([&] {
    reap(); // takes back the ends of dead processes
    uint64_t block = block_of(connection, BlockKind::Connection);
    return with_names(list_of(can_receive(block), can_send(block), double(messages_waiting(block)),
                              other_end_is_closed(block)),
                      {"readable", "writable", "waiting", "cut"});
  });
}
