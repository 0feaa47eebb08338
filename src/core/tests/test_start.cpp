// A start of several children that ends in the middle.
#include "start_internal.h"
#include "support.h"

#include <cerrno>
#include <functional>
#include <new>

TEST_CASE("of several programs those that find no slot are refused, and the others run", "[process][fork]") {
  Unchanged heap_is;
  int before = open_files();
  std::vector<Token> taken;
  try {
    for (;;) taken.push_back(require_slot());
  } catch (const Error&) { // all are taken
  }
  abandon_slot(taken.back());
  taken.pop_back();
  // The first one stays until it is told: where it ended at once, the second could have its slot.
  StartOrder order{Output::Captured, true, {"/bin/sh", "-c", "kill -STOP $$; exit 3"}, {}};
  Child children[2], late;
  for (Child* c : {&children[0], &children[1], &late}) {
    c->process = heap().allocate(sizeof(ProcessShared), BlockKind::Process);
    spawn_method.prepare(*c, order);
  }
  REQUIRE(spawn_method.launch({&children[0], &children[1]}, order) == -1);
  REQUIRE_THROWS_AS(spawn_method.launch({&late}, order), Error);
  REQUIRE(children[0].refused == 0);
  REQUIRE(children[1].refused == EAGAIN);
  REQUIRE(state_of(children[1]) == ChildState::Reaped);
  REQUIRE(eventually([&] {
    signal_child(children[0], SIGCONT);
    return poll_child(children[0]);
  }));
  REQUIRE(children[0].status == 3);
  for (Token t : taken) abandon_slot(t);
  for (Child* c : {&children[0], &children[1], &late}) {
    close_child(*c);
    heap().drop(c->process);
  }
  REQUIRE(heap_is.problem() == "");
  REQUIRE(open_files() == before);
}

TEST_CASE("whatever ends a start of several children in the middle, those that were started are known", "[process][fork]") {
  Unchanged heap_is;
  StartOrder order;
  const std::function<void()> ends[] = {[] { throw Interrupted{}; }, [] { throw std::bad_alloc(); },
                                        [] { throw Error{"TimeoutError", "a process is stopped"}; }};
  for (const auto& end : ends)
    for (size_t at : {0, 1, 2}) {
      Child children[3];
      size_t i = 0;
      auto one = [&](Child& c) {
        if (i++ == at) end();
        return fork_one(c, order);
      };
      bool thrown = false;
      int me = -1;
      try {
        me = launch_each({&children[0], &children[1], &children[2]}, one);
      } catch (...) {
        thrown = true;
      }
      if (me >= 0) leave_process(0, 7 + me);
      REQUIRE(thrown == (at == 0)); // none was started
      for (size_t k = 0; k < 3 && at > 0; ++k) {
        REQUIRE(eventually([&] { return poll_child(children[k]); }));
        REQUIRE(children[k].status == (k < at ? int(7 + k) : 255));
        REQUIRE(children[k].refused == (k < at ? 0 : EAGAIN));
      }
      for (Child& c : children) close_child(c);
    }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a Ctrl-C that ends the start of a program leaves no slot and no file behind", "[process][fork]") {
  Unchanged heap_is;
  int before = open_files();
  auto reserved = [] {
    int n = 0;
    for (uint32_t slot = 0; slot < header().top_slot.load(); ++slot) n += header().participants[slot].look().life == Life::Reserved;
    return n;
  };
  REQUIRE(eventually([&] { return reserved() == 0; }));
  StartOrder order{Output::Captured, true, {"/bin/sh", "-c", "exit 0"}, {}};
  Child child;
  child.process = heap().allocate(sizeof(ProcessShared), BlockKind::Process);
  spawn_method.prepare(child, order);
  {
    Stopped other;
    auto limit = GuardLimit::uninterruptible(); // its end restores what is set here
    GuardLimit::now().interrupted = [] { return true; };
    REQUIRE_THROWS_AS(spawn_method.launch({&child}, order), Interrupted);
    REQUIRE(other.ends_by(SIGCONT));
  }
  REQUIRE(child.pid == 0);
  REQUIRE(reserved() == 0);
  REQUIRE(open_files() == before);
  heap().drop(child.process);
  REQUIRE(heap_is.problem() == "");
}
