#include "support.h"

#include <algorithm>
#include <cstring>

namespace {

uint64_t pages(uint64_t n) { return n * kPageBytes; }
uint64_t block_of(uint64_t n) { return heap().allocate(pages(n), BlockKind::Bytes, false); }

// A block that refers to `target`.
uint64_t referring_to(uint64_t target) {
  uint64_t b = heap().allocate(64, BlockKind::Bytes);
  *heap().at<Reference>(b + 16) = {Heap::page_of(target), heap().serial_of(target)};
  heap().seal(b, 16, 1);
  return b;
}

// Everything that a process does with the heap, in a loop.
[[noreturn]] void churn() {
  std::vector<uint64_t> mine;
  for (;;) {
    if (mine.size() < 8 || (mine.size() < 32 && random_below(2))) {
      mine.push_back(heap().allocate(1 + random_below(pages(20)), BlockKind::Bytes, false));
      if (mine.size() > 2 && random_below(4) == 0) heap().set_parent(mine.back(), mine[0]);
      if (mine.size() > 2 && random_below(4) == 0) mine.push_back(referring_to(mine[1]));
    } else {
      size_t i = random_below(mine.size());
      heap().drop(mine[i]);
      mine.erase(mine.begin() + long(i));
    }
  }
}

} // namespace

TEST_CASE("a block is zeroed, as large as asked for, and ends with its last holder", "[heap]") {
  Unchanged heap_is;
  uint64_t dirty = heap().allocate(100'000, BlockKind::Bytes);
  std::memset(heap().at(dirty), 0xff, 100'000);
  uint64_t high = heap().header().high_water;
  heap().drop(dirty);
  uint64_t b = heap().allocate(100'000, BlockKind::Bytes);
  REQUIRE(heap().header().high_water == high); // freed memory is used again
  REQUIRE(heap().bytes_of(b) == 100'000);
  const uint8_t* p = heap().at(b);
  REQUIRE(std::all_of(p, p + 100'000, [](uint8_t x) { return x == 0; }));
  heap().drop(b);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("free neighbours grow together, in whatever order they were freed", "[heap]") {
  Unchanged heap_is;
  std::vector<int> order{0, 1, 2};
  do {
    uint64_t b[] = {block_of(700), block_of(700), block_of(700), block_of(1)};
    uint64_t high = heap().header().high_water;
    for (int i : order) heap().drop(b[i]);
    uint64_t large = block_of(2100);
    REQUIRE(heap().header().high_water == high);
    heap().drop(large);
    heap().drop(b[3]);
  } while (std::next_permutation(order.begin(), order.end()));
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("blocks never overlap", "[heap]") {
  Unchanged heap_is;
  struct Mine {
    uint64_t block, bytes, mark;
  };
  std::vector<Mine> mine;
  bool intact = true;
  for (uint64_t i = 1; i < 4000; ++i) {
    if (mine.empty() || random_below(100) < 55) {
      uint64_t bytes = 16 + random_below(random_below(10) ? pages(3) : pages(300));
      mine.push_back({heap().allocate(bytes, BlockKind::Bytes, false), bytes, i});
      std::memcpy(heap().at(mine.back().block), &i, 8);
      std::memcpy(heap().at(mine.back().block + bytes - 8), &i, 8);
    } else {
      std::swap(mine[random_below(mine.size())], mine.back());
      const Mine& m = mine.back();
      intact = intact && std::memcmp(heap().at(m.block), &m.mark, 8) == 0 &&
               std::memcmp(heap().at(m.block + m.bytes - 8), &m.mark, 8) == 0;
      heap().drop(m.block);
      mine.pop_back();
    }
    if (i % 500 == 0) REQUIRE(heap().check().problem == "");
  }
  for (const Mine& m : mine) heap().drop(m.block);
  REQUIRE(intact);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a child lives as long as its parent", "[heap]") {
  Unchanged heap_is;
  uint64_t parent = block_of(1), before = heap().check().used_blocks;
  uint64_t last = parent;
  for (int i = 0; i < 500; ++i) { // a chain, with a brother at every second link
    for (int brother = 0; brother < 1 + i % 2; ++brother) {
      uint64_t c = block_of(1);
      heap().set_parent(c, last);
      heap().drop(c);
      if (brother == i % 2) last = c;
    }
  }
  REQUIRE(heap().check().used_blocks == before + 750);
  uint64_t orphan = block_of(1);
  heap().set_parent(orphan, parent);
  REQUIRE(heap().has_parent(orphan, parent));
  heap().clear_parent(orphan); // we still hold it
  REQUIRE_FALSE(heap().has_parent(orphan, parent));
  heap().drop(parent);
  REQUIRE(heap().check().used_blocks == before);
  heap().drop(orphan);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a sealed block keeps what it refers to", "[heap]") {
  Unchanged heap_is;
  uint64_t target = block_of(3), serial = heap().serial_of(target);
  uint64_t one = referring_to(target), two = referring_to(target), chain = referring_to(one);
  heap().drop(target);
  heap().drop(one);
  heap().drop(two);
  REQUIRE(heap().hold(target, serial));
  heap().drop(target);
  heap().drop(chain);
  REQUIRE_FALSE(heap().hold(target, serial));
  uint64_t other = block_of(3);
  REQUIRE_FALSE(heap().hold(other, serial)); // another block, perhaps at the same place
  heap().drop(other);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a heap that is full refuses with the numbers, and stays usable", "[heap]") {
  Unchanged heap_is;
  std::string kind, message;
  try {
    heap().allocate(uint64_t(2) << 30, BlockKind::Bytes);
  } catch (const Error& e) {
    kind = e.kind;
    message = e.message;
  }
  REQUIRE(kind == "HeapFullError");
  REQUIRE(message.find("2.1 GB") != std::string::npos);
  heap().drop(block_of(10));
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("freed pages go back to the system, all but those that are to stay", "[heap]") {
  Unchanged heap_is;
  std::vector<uint64_t> blocks;
  for (int i = 0; i < 40; ++i) blocks.push_back(block_of(4096)); // 640 MiB
  uint64_t full = heap().check().backed_bytes;
  for (uint64_t b : blocks) heap().drop(b);
  heap().trim((uint64_t(256) << 20) / kPageBytes);
  uint64_t left = heap().check().backed_bytes;
  REQUIRE(left < full - (uint64_t(300) << 20));
  REQUIRE(left > full - (uint64_t(420) << 20)); // a run of free pages is parted
  heap().trim(0);
  REQUIRE(heap().check().backed_bytes < full - (uint64_t(600) << 20));
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a forked process holds what its parent held, and its death gives that back",
          "[heap][fork]") {
  Unchanged heap_is;
  uint64_t b = block_of(2), serial = heap().serial_of(b);
  {
    Kid kid(sleep_for_ever);
    REQUIRE(eventually([&] { return is_alive(kid.token()); }));
    heap().drop(b);
    REQUIRE(heap().hold(b, serial)); // the child kept it
    heap().drop(b);
  }
  REQUIRE(heap_problem() == "");
  REQUIRE_FALSE(heap().hold(b, serial));
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("processes killed while they allocate and drop leave a sound heap", "[heap][fork]") {
  Unchanged at_first;
  uint64_t ours = block_of(5);
  Unchanged heap_is;
  std::memset(heap().at(ours), 0x5a, pages(5));
  for (int round = 0; round < rounds(60, 2000); ++round) {
    Kids kids;
    for (int i = 0; i < 3; ++i) kids.push_back(std::make_unique<Kid>([]() -> int { churn(); }));
    pause_us(random_below(6000));
    for (auto& kid : kids) kid->kill();
    heap().drop(block_of(3)); // takes over what they held
    for (auto& kid : kids) REQUIRE(kid->join() == -SIGKILL);
    INFO("round " << round);
    REQUIRE(heap_is.problem() == "");
  }
  const uint8_t* p = heap().at(ours);
  REQUIRE(std::all_of(p, p + pages(5), [](uint8_t x) { return x == 0x5a; }));
  heap().drop(ours);
  REQUIRE(at_first.problem() == "");
}

TEST_CASE("a process may die at any instruction of the heap", "[heap][fork]") {
  Unchanged heap_is;
  auto body = [] {
    from_here();
    uint64_t parent = block_of(3), child = block_of(2), target = block_of(1);
    heap().set_parent(child, parent);
    heap().drop(child);
    uint64_t r = referring_to(target);
    heap().drop(target);
    heap().drop(parent);
    heap().drop(r);
  };
  auto after = [&](uint64_t k) {
    uint64_t b = block_of(1);
    heap().drop(b);
    INFO("instruction " << k);
    REQUIRE(heap_is.problem() == "");
  };
  if (!die_anywhere(body, after, 3000)) WARN("processes cannot be traced here");
}

TEST_CASE("threads allocate and drop at the same time", "[heap]") {
  Unchanged heap_is;
  bool good = in_threads(4, [](int me) {
    std::vector<uint64_t> mine;
    for (int i = 0; i < rounds(400, 20'000); ++i) {
      uint64_t b = heap().allocate(1 + random_below(pages(4)), BlockKind::Bytes);
      *heap().at(b) = uint8_t(me);
      mine.push_back(b);
      if (mine.size() > 2 && i % 3 == 0) heap().set_parent(b, mine[0]);
      if (mine.size() < 10) continue;
      for (uint64_t m : mine)
        if (*heap().at(m) != uint8_t(me)) return false;
      for (uint64_t m : mine) heap().drop(m);
      mine.clear();
    }
    for (uint64_t m : mine) heap().drop(m);
    return true;
  });
  REQUIRE(good);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a copy is whole, in new pages and in used ones", "[heap]") {
  Unchanged heap_is;
  std::vector<uint8_t> from(5 * kPageBytes + 123);
  for (size_t i = 0; i < from.size(); ++i) from[i] = uint8_t(i * 7 + i / 256);
  for (int round = 0; round < 3; ++round) {
    if (round == 2) heap().trim(0);
    uint64_t b = heap().allocate_copy(from.data(), from.size());
    REQUIRE(std::memcmp(heap().at(b), from.data(), from.size()) == 0);
    REQUIRE(heap().bytes_of(b, heap().serial_of(b)) == from.size());
    REQUIRE(heap().bytes_of(b, heap().serial_of(b) + 1) == 0);
    REQUIRE(heap().bytes_of(b + kPageBytes, heap().serial_of(b)) == 0);
    heap().drop(b);
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("while a process fills new memory, another fills its own as well, and the dead are no obstacle", "[heap][fork]") {
  Unchanged heap_is;
  std::vector<uint8_t> from(3'000'000);
  for (size_t i = 0; i < from.size(); ++i) from[i] = uint8_t(i * 7 + i / 256);
  auto is_whole = [&](uint64_t lead) {
    heap().trim(0); // all of it is new
    uint64_t b = heap().allocate_copy(from.data(), from.size(), lead);
    bool whole = std::memcmp(heap().at(b + lead), from.data(), from.size()) == 0;
    heap().drop(b);
    return whole;
  };
  std::atomic<Token>& filler = heap().header().filler;
  {
    Kid kid(sleep_for_ever);
    REQUIRE(eventually([&] { return is_alive(kid.token()); }));
    filler = kid.token();
    for (uint64_t lead : {0, 48, 5000}) REQUIRE(is_whole(lead));
    REQUIRE(filler == kid.token());
    kid.kill();
    REQUIRE(kid.join() == -SIGKILL);
  }
  REQUIRE(is_whole(48));
  REQUIRE(filler == 0);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("what several processes fill at the same time is whole, whichever of them is killed", "[heap][fork]") {
  Unchanged heap_is;
  for (int round = 0; round < rounds(10, 200); ++round) {
    Kids kids;
    for (int k = 0; k < 4; ++k)
      kids.push_back(std::make_unique<Kid>([k] {
        std::vector<uint8_t> from(2'000'000, uint8_t(k + 1));
        for (int i = 0; i < (k ? 8 : 1'000'000); ++i) { // the first one is killed
          if (i % 4 == 0) heap().trim(0);
          uint64_t b = heap().allocate_copy(from.data(), from.size(), 48);
          if (std::memcmp(heap().at(b + 48), from.data(), from.size()) != 0) return 1;
          heap().drop(b);
        }
        return 0;
      }));
    REQUIRE(eventually([&] { return is_alive(kids[0]->token()); }));
    pause_us(random_below(3000));
    kids[0]->kill();
    REQUIRE(kids[0]->join() == -SIGKILL);
    for (int k = 1; k < 4; ++k) REQUIRE(kids[k]->join() == 0);
  }
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("what is written into a private mapping is seen by no other process, and is noticed",
          "[heap]") {
  Unchanged heap_is;
  std::vector<uint8_t> from(3 * kPageBytes, 1);
  uint64_t b = heap().allocate_copy(from.data(), from.size());
  uint8_t* one = platform::map_private(heap().fd(), b, from.size());
  uint8_t* other = platform::map_private(heap().fd(), b + 10, 100); // not at a page
  REQUIRE(one != nullptr);
  REQUIRE(other != nullptr);
  REQUIRE(one[2 * kPageBytes] == 1);
  REQUIRE(platform::pages_untouched(one, from.size()));
  one[12] = 2;
  REQUIRE_FALSE(platform::pages_untouched(one, from.size()));
  REQUIRE(platform::pages_untouched(one + kPageBytes, 2 * kPageBytes));
  REQUIRE(other[2] == 1);
  REQUIRE(*heap().at<uint8_t>(b + 12) == 1);
  REQUIRE(platform::pages_untouched(other, 100));
  platform::unmap(one, from.size());
  platform::unmap(other, 100);
  heap().drop(b);
  REQUIRE(heap_is.problem() == "");
}

namespace {
uint64_t kept_block = 0;
int reclaimed = 0;
} // namespace

TEST_CASE("a process that finds no room frees what it can, asks the others, and tries again", "[heap]") {
  Unchanged heap_is;
  uint64_t pages = heap().header().pages * 6 / 10, bytes = pages * kPageBytes;
  kept_block = heap().allocate(bytes, BlockKind::Bytes, false);
  heap().set_reclaim([] {
    ++reclaimed;
    if (kept_block) heap().drop(kept_block);
    kept_block = 0;
  });
  uint32_t asked = header().shortages.load();
  uint64_t b = heap().allocate(bytes, BlockKind::Bytes, false);
  REQUIRE(reclaimed == 1);
  REQUIRE(header().shortages.load() == asked);
  std::string message;
  try {
    heap().allocate(bytes, BlockKind::Bytes, false);
  } catch (const Error& e) {
    message = e.message;
  }
  heap().set_reclaim(nullptr);
  REQUIRE(message.find("cannot reserve") == 0);
  REQUIRE(reclaimed == 2);
  REQUIRE(header().shortages.load() == asked + 1);
  heap().drop(b);
  heap().trim(0);
  REQUIRE(heap_is.problem() == "");
}

namespace {

// Holds a block, and sleeps until it is told to end; `free_some` is what its tick does when there is no room.
struct Holder {
  uint64_t block = 0;
  void (*free_some)(uint64_t block) = nullptr;
};
std::unique_ptr<Kid> sleeping_holder(uint64_t bytes, std::atomic<int>& ended, void (*free_some)(uint64_t)) {
  auto kid = std::make_unique<Kid>([&ended, bytes, free_some] {
    shortage_is_new(); // earlier ones
    Holder holder{heap().allocate(bytes, BlockKind::Bytes, false), free_some};
    Wait wait = within(120'000);
    wait.frees = true;
    wait.data = &holder;
    wait.tick = [](void* data) {
      auto* holder = static_cast<Holder*>(data);
      if (shortage_is_new()) holder->free_some(holder->block);
      return false;
    };
    Waiter waiter(wait);
    return waiter.until([&] { return ended.load() != 0; }) == Status::Ok ? 0 : 1;
  });
  Participant& slot = participant(kid->token());
  REQUIRE(eventually([&] { return slot.answers.load() != 0; }, 60'000));
  return kid;
}

} // namespace

TEST_CASE("a process that sleeps has the time that it needs to free what it holds", "[heap][fork]") {
  Unchanged heap_is;
  Shared<std::atomic<int>> ended;
  uint64_t bytes = heap().header().pages * 6 / 10 * kPageBytes;
  auto holder = sleeping_holder(bytes, *ended, [](uint64_t block) {
    pause_us(1'000'000); // as on a machine that is busy with other things
    heap().drop(block);
  });
  heap().set_reclaim([] {});
  uint64_t b = heap().allocate(bytes, BlockKind::Bytes, false);
  heap().set_reclaim(nullptr);
  heap().drop(b);
  ended->store(1);
  ring(holder->token());
  REQUIRE(holder->join(60'000) == 0);
  heap().trim(0);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a process that is killed while it frees is not waited for", "[heap][fork]") {
  Unchanged heap_is;
  Shared<std::atomic<int>> ended;
  uint64_t bytes = heap().header().pages * 6 / 10 * kPageBytes;
  auto holder = sleeping_holder(bytes, *ended, [](uint64_t) { ::kill(getpid(), SIGKILL); });
  uint32_t asked = header().shortages.load();
  heap().set_reclaim([] {});
  try {
    heap().drop(heap().allocate(bytes, BlockKind::Bytes, false)); // its block may be swept meanwhile
  } catch (const Error& e) {
    REQUIRE(e.message.find("cannot reserve") == 0);
  }
  heap().set_reclaim(nullptr);
  REQUIRE(header().shortages.load() == asked + 1);
  REQUIRE_FALSE(answers_are_due(asked + 1));
  REQUIRE(holder->join(60'000) == -SIGKILL);
  heap().trim(0);
  REQUIRE(heap_is.problem() == "");
}
