// Locks, queues, barriers, semaphores and events in native threads: many threads that are one participant.
#include "loop.h"
#include "native.h"
#include "support.h"

#include <cstring>

using namespace mp;
using namespace test;

namespace {

struct NativeThreads { // for the threads of this process, while the test runs
  NativeThreads() {
    session();
    native::open();
  }
  ~NativeThreads() { native::close(); }
};

// Threads that are no participants of their own.
bool in_native_threads(int n, const std::function<bool(int)>& body) {
  native::open();
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < n; ++i)
    threads.emplace_back([&, i] {
      try {
        good += body(i);
      } catch (const Error&) {
      }
    });
  for (auto& t : threads) t.join();
  return good.load() == n;
}

bool locked(uint64_t lock, const Wait& wait = Wait()) {
  return native::acquire(lock, wait) == Status::Ok;
}
bool unlocked(uint64_t lock) { return native::release(lock) == Released::Ok; }

Status get_number(uint64_t queue, const Wait& wait, uint64_t* out) {
  return native::get(
      queue, wait,
      [](void* to, const uint8_t* from, uint64_t bytes) {
        if (bytes == sizeof(uint64_t)) std::memcpy(to, from, bytes);
      },
      out);
}

} // namespace

TEST_CASE("one native thread at a time holds a lock", "[native]") {
  NativeThreads open;
  Unchanged heap_is;
  uint64_t lock = create_lock(false);
  uint64_t counter = 0; // unguarded but for the lock
  int n = rounds(3000, 100'000);
  REQUIRE(in_native_threads(4, [&](int) {
    for (int i = 0; i < n; ++i) {
      if (!locked(lock)) return false;
      ++counter;
      if (!unlocked(lock)) return false;
    }
    return true;
  }));
  REQUIRE(counter == 4 * uint64_t(n));
  heap().drop(lock);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("the main thread's lock keeps native threads out, and they wait in time", "[native]") {
  NativeThreads open;
  Unchanged heap_is;
  uint64_t lock = create_lock(false);
  REQUIRE(acquire_lock(lock, Wait()) == Status::Ok);
  REQUIRE(in_native_threads(3, [&](int i) {
    int64_t start = platform::now_ns(), ms = 10 * (i + 1);
    return native::acquire(lock, within(ms)) == Status::Timeout &&
           platform::now_ns() - start >= (ms - 1) * kMs &&
           platform::now_ns() - start < (ms + 500) * kMs;
  }));
  REQUIRE(release_lock(lock) == Released::Ok);
  // Handed to and fro, so that both kinds of waiters sleep and are woken.
  std::atomic<bool> over{false};
  std::atomic<int> native_turns{0};
  std::thread other([&] {
    while (!over) {
      native_turns += locked(lock);
      unlocked(lock);
    }
  });
  bool fine = true;
  for (int i = 0; i < rounds(2000, 50'000); ++i)
    fine = fine && acquire_lock(lock, Wait()) == Status::Ok && release_lock(lock) == Released::Ok;
  bool had_turns = eventually([&] { return native_turns > 0; });
  over = true;
  other.join();
  REQUIRE(fine);
  REQUIRE(had_turns);
  heap().drop(lock);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("threads that wait for different things are each woken", "[native]") {
  NativeThreads open;
  Unchanged heap_is;
  constexpr int kThreads = 6;
  std::vector<uint64_t> requests, answers;
  for (int i = 0; i < kThreads; ++i) {
    requests.push_back(create_queue(0));
    answers.push_back(create_queue(1));
  }
  int n = rounds(300, 20'000);
  REQUIRE(in_native_threads(2 * kThreads, [&](int t) {
    int pair = t / 2;
    for (uint64_t i = 0; i < uint64_t(n); ++i) {
      uint64_t got = 0;
      if (t % 2 == 0) {
        if (native::put(requests[pair], &i, sizeof i, Wait()) != Status::Ok) return false;
        if (get_number(answers[pair], Wait(), &got) != Status::Ok || got != i + 1) return false;
      } else {
        if (get_number(requests[pair], Wait(), &got) != Status::Ok || got != i) return false;
        uint64_t next = i + 1;
        if (native::put(answers[pair], &next, sizeof next, Wait()) != Status::Ok) return false;
      }
    }
    return true;
  }));
  for (uint64_t q : requests) heap().drop(q);
  for (uint64_t q : answers) heap().drop(q);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("many threads and a process share one queue; every message arrives once",
          "[native][fork]") {
  NativeThreads open;
  Unchanged heap_is;
  uint64_t queue = create_queue(4);
  constexpr uint64_t kEach = 500;
  Kid kid([&] { // its threads take a slot of their own
    native::open();
    return in_native_threads(2,
                             [&](int t) {
                               for (uint64_t i = 0; i < kEach; ++i) {
                                 uint64_t v = uint64_t(t) * kEach + i;
                                 if (native::put(queue, &v, sizeof v, within(20'000)) != Status::Ok)
                                   return false;
                               }
                               return true;
                             })
               ? 0
               : 1;
  });
  std::vector<std::atomic<int>> seen(2 * kEach);
  REQUIRE(in_native_threads(2, [&](int) {
    for (uint64_t i = 0; i < kEach; ++i) {
      uint64_t v = 0;
      if (get_number(queue, within(20'000), &v) != Status::Ok || v >= seen.size()) return false;
      ++seen[v];
    }
    return true;
  }));
  REQUIRE(kid.join() == 0);
  REQUIRE(std::all_of(seen.begin(), seen.end(), [](auto& n) { return n.load() == 1; }));
  heap().drop(queue);
  REQUIRE(heap_problem() == "");
}

TEST_CASE("large messages travel between threads", "[native]") {
  NativeThreads open;
  Unchanged heap_is;
  uint64_t queue = create_queue(2);
  REQUIRE(in_native_threads(2, [&](int t) {
    for (uint64_t i = 0; i < 30; ++i) {
      std::vector<uint8_t> bytes(20'000 + 1000 * i);
      if (t == 0) {
        fill_message(bytes.data(), 1, i, bytes.size());
        if (native::put(queue, bytes.data(), bytes.size(), Wait()) != Status::Ok) return false;
        continue;
      }
      uint64_t sender = 0, number = 0;
      struct Seen {
        uint64_t *sender, *number;
        bool whole;
      } seen{&sender, &number, false};
      Status s = native::get(
          queue, Wait(),
          [](void* p, const uint8_t* data, uint64_t size) {
            auto& m = *static_cast<Seen*>(p);
            m.whole = is_whole(data, size, m.sender, m.number);
          },
          &seen);
      if (s != Status::Ok || !seen.whole || number != i) return false;
    }
    return true;
  }));
  heap().drop(queue);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a full queue and an empty one keep their deadlines", "[native]") {
  NativeThreads open;
  uint64_t queue = create_queue(1), v = 0;
  REQUIRE(in_native_threads(1, [&](int) {
    return get_number(queue, at_once(), &v) == Status::Timeout &&
           get_number(queue, within(10), &v) == Status::Timeout &&
           native::put(queue, &v, sizeof v, at_once()) == Status::Ok &&
           native::put(queue, &v, sizeof v, within(10)) == Status::Timeout;
  }));
  heap().drop(queue);
}

// The wait of a failed put for the heap is one on the doorbell that another thread sleeps on. When it ends in vain the
// doorbell no longer says that a thread is asleep.
TEST_CASE("a thread whose put fails while the heap's user is stopped lets no other thread miss its message", "[native][fork]") {
  NativeThreads open;
  Unchanged heap_is;
  uint64_t answers = create_queue(0), full = create_queue(1), nothing = create_queue(0), number = 7, got = 0;
  REQUIRE(native::put(answers, &number, sizeof number, at_once()) == Status::Ok); // its first segment stays
  REQUIRE(get_number(answers, at_once(), &got) == Status::Ok);
  got = 0;
  REQUIRE(native::put(full, &number, sizeof number, at_once()) == Status::Ok);
  auto waits = [](const WaiterMask& mask) {
    uint32_t slot = slot_of(native::token());
    return eventually([&] { return bool(mask.word[slot / 64].load() & bit_of(slot)); });
  };
  std::atomic<bool> arrived{false}, give_up{false}, gave_up{false};
  std::thread getter([&] {
    Wait wait = within(30'000);
    wait.tick_ns = 60'000 * kMs; // the message alone wakes it
    arrived = get_number(answers, wait, &got) == Status::Ok;
  });
  bool waiting = waits(queue_shared(answers).getters);
  get_number(nothing, at_once(), &number); // has passed the gate, so the getter sleeps
  std::thread putter([&] {
    std::vector<uint8_t> large(kInlineBytes + 1);
    Wait wait;
    wait.tick_ns = kMs;
    wait.data = &give_up;
    wait.tick = [](void* told) { return static_cast<std::atomic<bool>*>(told)->load(); };
    gave_up = native::put(full, large.data(), large.size(), wait) == Status::Interrupted;
  });
  waiting = waits(queue_shared(full).putters) && waiting;
  bool woken = false, sent = false, whole = false;
  {
    Stopped other;
    give_up = true;
    putter.join(); // its segment waits to be dropped
    Outgoing message;
    message.bytes = reinterpret_cast<const uint8_t*>(&number);
    message.size = sizeof number;
    sent = put_message(answers, message, within(5'000)) == Status::Ok;
    woken = eventually([&] { return arrived.load(); });
    whole = other.ends_by(SIGCONT);
  }
  getter.join();
  REQUIRE(waiting);
  REQUIRE(gave_up.load());
  REQUIRE(sent);
  REQUIRE(woken);
  REQUIRE(whole);
  REQUIRE(got == number);
  for (uint64_t queue : {answers, full, nothing}) heap().drop(queue);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("threads meet at a barrier", "[native]") {
  NativeThreads open;
  uint64_t barrier = create_barrier(4);
  std::atomic<int> came{0};
  REQUIRE(in_native_threads(4, [&](int) {
    for (int round = 1; round <= rounds(200, 5000); ++round) {
      ++came;
      if (native::pass(barrier, Wait()) != Status::Ok || came.load() < 4 * round) return false;
      if (native::pass(barrier, Wait()) != Status::Ok) return false;
    }
    return true;
  }));
  heap().drop(barrier);
}

TEST_CASE("threads and the main thread share the permits of a semaphore", "[native]") {
  NativeThreads open;
  NewBlock semaphore(create_semaphore(2, true));
  uint64_t s = semaphore.get();
  std::atomic<int> inside{0}, most{0};
  REQUIRE(in_native_threads(4, [&](int) {
    for (int k = 0; k < 500; ++k) {
      if (native::acquire_permit(s, Wait()) != Status::Ok) return false;
      int now = ++inside, before = most.load();
      while (now > before && !most.compare_exchange_weak(before, now)) {
      }
      --inside;
      if (!native::release_permit(s)) return false;
    }
    return true;
  }));
  REQUIRE(most.load() <= 2);
  REQUIRE(semaphore_value(s) == 2);
  REQUIRE_FALSE(native::release_permit(s)); // of a bounded one, all are free
  REQUIRE(acquire_semaphore(s, Wait(), false) == Status::Ok);
  REQUIRE(acquire_semaphore(s, Wait(), false) == Status::Ok);
  REQUIRE(native::acquire_permit(s, within(20)) == Status::Timeout);
  std::thread main_gives([&] { // two waiters; the first that gets a permit wakes the other
    in_native_threads(1, [&](int) { return native::release_permit(s) && native::release_permit(s); });
  });
  REQUIRE(in_native_threads(2, [&](int) { return native::acquire_permit(s, within(60'000)) == Status::Ok; }));
  main_gives.join();
}

TEST_CASE("threads wait for an event until it is set", "[native]") {
  NativeThreads open;
  NewBlock event(create_event());
  uint64_t e = event.get();
  REQUIRE(native::wait_for(e, within(0)) == Status::Timeout);
  REQUIRE(native::wait_for(e, within(20)) == Status::Timeout);
  std::atomic<int> waiting{0};
  std::thread sets([&] {
    while (waiting.load() < 3) pause_us(100);
    pause_us(1000);
    native::set(e);
  });
  REQUIRE(in_native_threads(3, [&](int) {
    ++waiting;
    return native::wait_for(e, within(60'000)) == Status::Ok;
  }));
  sets.join();
  REQUIRE(event_is_set(e));
  REQUIRE(wait_for_event(e, Wait()) == Status::Ok);
  clear_event(e);
  REQUIRE(native::wait_for(e, within(20)) == Status::Timeout);
}

TEST_CASE("the end of a loop ends its threads' waits", "[native]") {
  NativeThreads open;
  uint64_t lock = create_lock(false);
  REQUIRE(acquire_lock(lock, Wait()) == Status::Ok);
  Loop loop;
  loop.count = 2;
  loop.threads = 2;
  loop.probe = false;
  struct Data {
    uint64_t lock;
    std::atomic<int> came{0}, interrupted{0};
  } data{lock};
  loop.data = &data;
  loop.body = [](void* p, uint64_t, uint64_t) {
    auto& d = *static_cast<Data*>(p);
    if (d.came++ == 0) return int(eventually([&] { return d.came.load() == 2; }));
    d.interrupted += native::acquire(d.lock, Wait()) == Status::Interrupted;
    return 0;
  };
  REQUIRE(run_loop(loop) == LoopEnd::Stopped);
  REQUIRE(data.interrupted.load() == 1);
  REQUIRE(release_lock(lock) == Released::Ok);
  heap().drop(lock);
}

TEST_CASE("a forked process that has not opened the threads' part takes no permit", "[native][fork]") {
  NativeThreads open;
  NewBlock semaphore(create_semaphore(1, false));
  Kid kid([&] {
    try {
      native::acquire_permit(semaphore.get(), Wait());
    } catch (const Error&) {
      return 7;
    }
    return 0;
  });
  REQUIRE(kid.join() == 7);
  REQUIRE(semaphore_value(semaphore.get()) == 1);
}

TEST_CASE("a lock that a thread of a killed process held goes to a thread of another",
          "[native][fork]") {
  NativeThreads open;
  uint64_t lock = create_lock(false);
  Delays delays;
  for (int round = 0; round < rounds(50, 1000); ++round) {
    Shared<std::atomic<bool>> holds;
    Kid owner([&] {
      native::open();
      std::thread([&] {
        holds->store(native::acquire(lock, Wait()) == Status::Ok);
        sleep_for_ever();
      }).detach();
      return sleep_for_ever();
    });
    REQUIRE(eventually([&] { return holds->load(); }));
    std::atomic<int64_t> killed{0}, had{0};
    std::atomic<bool> told{false};
    std::thread next([&] {
      told = native::acquire(lock, Wait()) == Status::OwnerDied;
      had = platform::now_ns();
    });
    pause_us(random_below(2000));
    killed = platform::now_ns();
    owner.kill();
    next.join();
    delays.add(had - killed);
    REQUIRE(told.load());
    REQUIRE(native::release(lock) == Released::Ok);
    REQUIRE(owner.join() == -SIGKILL);
  }
  REQUIRE(delays.usually_below(100));
  heap().drop(lock);
  REQUIRE(heap_problem() == "");
}
