// A process that is stopped while it is at work in the heap.
#include "heap_internal.h"
#include "support.h"

#include <algorithm>

namespace {

class ShortLimit { // for so many milliseconds
public:
  explicit ShortLimit(int64_t ms) : before_(GuardLimit::now()) {
    GuardLimit::now().limit_ns = ms * kMs;
  }
  ~ShortLimit() { GuardLimit::now() = before_; }

private:
  GuardLimit::Values before_;
};

// The message of the GuardTimeout that `body` ends with, or what it did instead.
template <class F> std::string refusal(F body) {
  int64_t start = platform::now_ns();
  try {
    body();
  } catch (const GuardTimeout& e) {
    return platform::now_ns() - start < 1'000 * kMs ? e.kind + ": " + e.message : "late";
  } catch (const Error& e) {
    return "a " + e.kind;
  } catch (const Interrupted&) {
    return platform::now_ns() - start < 1'000 * kMs ? "interrupted" : "interrupted, late";
  }
  return "done";
}

bool names(const std::string& text, const std::string& pid) {
  return text.find("TimeoutError: process " + pid + " is stopped") == 0 &&
         text.find("kill -CONT " + pid) != std::string::npos;
}

} // namespace

TEST_CASE("what needs the heap while its user is stopped names that process, and has changed nothing",
          "[guard][fork]") {
  for (int signal : {SIGCONT, SIGKILL}) {
    Unchanged heap_is;
    uint64_t mine = heap().allocate(100, BlockKind::Bytes);
    uint64_t serial = heap().serial_of(mine);
    uint64_t before = heap().check().used_blocks;
    {
      Stopped other;
      ShortLimit guards(60);
      REQUIRE(names(refusal([] { heap().allocate(100, BlockKind::Bytes); }), other.pid()));
      REQUIRE(names(refusal([&] { heap().hold(mine, serial); }), other.pid()));
      REQUIRE(names(refusal([&] { heap().seal(mine, 0, 0); }), other.pid()));
      REQUIRE(names(refusal([] { heap().check(); }), other.pid()));
      uint64_t ends[2];
      REQUIRE(names(refusal([&] { create_pipe(true, ends); }), other.pid()));
      REQUIRE(refusal([] { Kid child(sleep_for_ever); }) == "a ProcessError");
      REQUIRE(other.ends_by(signal));
    }
    REQUIRE(heap_problem() == "");
    REQUIRE(heap().check().used_blocks == before);
    heap().drop(mine);
    REQUIRE(heap_is.problem() == "");
  }
}

TEST_CASE("what is dropped while the heap's user is stopped is dropped later", "[guard][fork]") {
  for (int signal : {SIGCONT, SIGKILL}) {
    Unchanged heap_is;
    std::vector<uint64_t> mine;
    for (int i = 0; i < 100; ++i) mine.push_back(heap().allocate(100, BlockKind::Bytes));
    uint64_t again = mine[50], serial = heap().serial_of(again);
    {
      Stopped other;
      Delays all;
      int64_t start = platform::now_ns();
      for (uint64_t block : mine) heap().drop(block);
      all.add(platform::now_ns() - start);
      REQUIRE(all.usually_below(1'000)); // one wait, and not a hundred
      REQUIRE(other.ends_by(signal));
    }
    // One of them is held anew: the drop was before that.
    if (heap().hold(again, serial)) heap().drop(again);
    REQUIRE(heap_is.problem() == "");
  }
}

TEST_CASE("a block that is held again after a drop that came late stays", "[guard][fork]") {
  Unchanged heap_is;
  uint64_t parent = heap().allocate(100, BlockKind::Bytes), child = heap().allocate(100, BlockKind::Bytes);
  uint64_t serial = heap().serial_of(child);
  heap().set_parent(child, parent);
  {
    Stopped other;
    heap().drop(child);
    REQUIRE(other.ends_by(SIGCONT));
  }
  REQUIRE(heap().hold(child, serial));
  reap();
  heap().drop(parent);
  REQUIRE(heap().bytes_of(child, serial) == 100);
  heap().drop(child);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a drop without a later one is done on the next tick of any wait", "[guard][fork]") {
  Unchanged heap_is;
  uint64_t mine = heap().allocate(100, BlockKind::Bytes);
  uint64_t page = Heap::page_of(mine), used = heap().header().used_pages;
  {
    Stopped other;
    heap().drop(mine);
    REQUIRE(other.ends_by(SIGKILL));
  }
  REQUIRE(heap().header().used_pages == used);
  REQUIRE(heap().record(page).bytes == 100);
  uint64_t queue = create_queue(0);
  Incoming nothing;
  REQUIRE(get_message(queue, nothing, within(200)) == Status::Timeout);
  heap().drop(queue);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a call's deadline and a Ctrl-C end the wait for a stopped user of the heap",
          "[guard][fork]") {
  Unchanged heap_is;
  {
    Stopped other;
    {
      GuardLimit guards = GuardLimit::until(platform::now_ns() + 60 * kMs);
      REQUIRE(names(refusal([] { heap().allocate(100, BlockKind::Bytes); }), other.pid()));
    }
    ShortLimit guards(30'000);
    GuardLimit::now().interrupted = [] { return true; };
    REQUIRE(refusal([] { heap().allocate(100, BlockKind::Bytes); }) == "interrupted");
    REQUIRE(other.ends_by(SIGCONT));
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("what would be lost waits through a Ctrl-C and the call's deadline, but not without a limit",
          "[guard][fork]") {
  Unchanged heap_is;
  {
    Stopped other;
    ShortLimit guards(60);
    GuardLimit::now().interrupted = [] { return true; };
    GuardLimit call = GuardLimit::until(platform::now_ns());
    {
      GuardLimit inner = GuardLimit::uninterruptible();
      int64_t start = platform::now_ns();
      REQUIRE(names(refusal([] { heap().allocate(100, BlockKind::Bytes); }), other.pid()));
      REQUIRE(platform::now_ns() - start >= 60 * kMs);
    }
    REQUIRE(refusal([] { heap().allocate(100, BlockKind::Bytes); }) != "done");
    REQUIRE(other.ends_by(SIGCONT));
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("an owner that runs slowly is waited for though the caller would not wait", "[guard][fork]") {
  Unchanged heap_is;
  uint64_t queue = create_queue(0);
  REQUIRE(send(queue, 1, 7, 100, at_once()) == Status::Ok);
  uint64_t block = heap().allocate(sizeof(std::atomic<uint32_t>), BlockKind::Bytes);
  auto& seen = *heap().at<std::atomic<uint32_t>>(block);
  Kid slow([&] {
    lock_guard(queue_shared(queue).guard);
    while (!seen.load()) platform::relax();
    for (int64_t end = platform::now_ns() + 60 * kMs; platform::now_ns() < end;) platform::relax();
    unlock_guard(queue_shared(queue).guard);
    return 0;
  });
  REQUIRE(eventually([&] { return queue_shared(queue).guard.owner.load() == slow.token(); }));
  seen.store(1);
  Incoming message;
  REQUIRE(get_message(queue, message, at_once()) == Status::Ok);
  REQUIRE(slow.join() == 0);
  heap().drop(block);
  heap().drop(queue);
  message.clear();
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a large message waits in its queue while the heap's user is stopped", "[guard][fork]") {
  for (int signal : {SIGCONT, SIGKILL}) {
    Unchanged heap_is;
    uint64_t queue = create_queue(0), sender = 0, number = 0;
    REQUIRE(send(queue, 1, 7, 100'000, at_once()) == Status::Ok);
    Letter second(1, 8, 100'000);
    {
      Stopped other;
      ShortLimit guards(60);
      Incoming message;
      REQUIRE(get_message(queue, message, within(60)) == Status::Timeout);
      REQUIRE(queue_obstacle(queue).find("process " + other.pid()) == 0);
      REQUIRE(names(refusal([&] { get_message(queue, message, Wait()); }), other.pid()));
      REQUIRE(second.put(queue, within(60)) == Status::Timeout);
      REQUIRE(names(refusal([&] { second.put(queue, Wait()); }), other.pid()));
      REQUIRE(queue_length(queue) == 1);
      REQUIRE(other.ends_by(signal));
    }
    REQUIRE(second.put(queue, within(5'000)) == Status::Ok);
    for (uint64_t expected : {7, 8}) {
      Incoming message;
      REQUIRE(get_message(queue, message, within(5'000)) == Status::Ok);
      REQUIRE(is_whole(message.data(), message.size(), &sender, &number));
      REQUIRE(number == expected);
    }
    heap().drop(queue);
    REQUIRE(heap_is.problem() == "");
  }
}

TEST_CASE("a queue whose user died is repaired once the heap's user continues", "[guard][fork]") {
  Unchanged heap_is;
  uint64_t queue = create_queue(0), sender = 0, number = 0;
  REQUIRE(send(queue, 1, 7, 100, at_once()) == Status::Ok);
  Kid dead([&] {
    lock_guard(queue_shared(queue).guard);
    raise(SIGKILL);
    return 0;
  });
  REQUIRE(dead.join() == -SIGKILL);
  {
    Stopped other;
    Incoming message;
    for (int i = 0; i < 3; ++i) REQUIRE(get_message(queue, message, within(60)) == Status::Timeout);
    REQUIRE(other.ends_by(SIGCONT));
  }
  {
    Incoming message;
    REQUIRE(get_message(queue, message, within(5'000)) == Status::Ok);
    REQUIRE(is_whole(message.data(), message.size(), &sender, &number));
  }
  heap().drop(queue);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a process that is stopped anywhere holds up no other, and nothing is lost", "[guard][fork]") {
  Unchanged heap_is;
  uint64_t queue = create_queue(0), there = 0, back = 0, refused = 0, stops = 0;
  ShortLimit guards(5);
  auto letter = [&](uint64_t sender, uint64_t& sent) {
    try {
      if (send(queue, sender, sent + 1, 20'000, within(5)) == Status::Ok) ++sent;
      else ++refused;
    } catch (const GuardTimeout&) { // and it is dropped
      ++refused;
    }
  };
  int64_t longest = 0;
  bool orderly = stop_anywhere(
      [&] {
        from_here();
        Outgoing out;
        out.segment = create_segment(20'000);
        if (put_message(queue, out, within(2'000)) != Status::Ok) return 1;
        Incoming message;
        return get_message(queue, message, within(2'000)) == Status::Ok ? 0 : 2;
      },
      [&] {
        int64_t start = platform::now_ns();
        letter(2, there);
        Incoming message;
        try {
          if (get_message(queue, message, within(5)) == Status::Ok) ++back;
        } catch (const GuardTimeout&) {
        }
        longest = std::max(longest, platform::now_ns() - start);
      },
      [&](uint64_t, int code) {
        ++stops;
        REQUIRE(code == 0);
        Incoming message;
        while (get_message(queue, message, at_once()) == Status::Ok) {
        }
        REQUIRE(heap().check().problem == "");
      });
  if (orderly) {
    REQUIRE(there > 0);
    // Now and then it was stopped with a guard in its hands; a slow machine stops it a few times
    // only.
    REQUIRE((refused > 0 || stops < 300));
    REQUIRE(longest < 2'000 * kMs);
  }
  heap().drop(queue);
  REQUIRE(heap_is.problem() == "");
}
