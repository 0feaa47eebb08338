#include "dict.h"
#include "support.h"

#include <cstring>
#include <map>

namespace {

uint64_t new_dict() {
  NewBlock lock(create_lock(true));
  return create_dict(lock.get(), 1);
}

bool put(uint64_t dict, const std::string& key, uint64_t value, bool large = false,
         uint64_t stamp = kAnyStamp) {
  DictInput in;
  in.bytes = reinterpret_cast<const uint8_t*>(&value);
  in.size = sizeof value;
  NewBlock block;
  if (large) {
    block = NewBlock(heap().allocate(sizeof value, BlockKind::Bytes));
    std::memcpy(heap().at(block.get()), &value, sizeof value);
    in.block = block.get();
  }
  return dict_put(dict, key, in, stamp);
}

constexpr uint64_t kNothing = UINT64_MAX;
uint64_t number(const DictValue& v) {
  uint64_t n;
  std::memcpy(&n, v.data(), sizeof n);
  return n;
}
uint64_t get(uint64_t dict, const std::string& key) {
  DictValue v;
  return dict_get(dict, key, &v) ? number(v) : kNothing;
}

// Its operations by key, as a map: whole, and as long as it says.
std::map<std::string, uint64_t> all_of(uint64_t dict) {
  std::map<std::string, uint64_t> m;
  std::vector<DictItem> items = dict_items(dict, true);
  for (DictItem& i : items) {
    REQUIRE(m.count(i.key) == 0);
    m[i.key] = number(i.value);
    REQUIRE(get(dict, i.key) == m[i.key]);
  }
  REQUIRE(dict_length(dict) == m.size());
  return m;
}

} // namespace

TEST_CASE("a dict does what a map does, through all its growths", "[dict]") {
  Unchanged heap_is;
  uint64_t d = new_dict();
  std::map<std::string, uint64_t> model;
  for (int i = 0; i < rounds(20'000, 500'000); ++i) {
    std::string key = "key " + std::to_string(random_below(i % 5'000 + 1) % 700);
    uint64_t what = random_below(100), value = random_below(1'000'000);
    if (what < 60) {
      put(d, key, value, what < 5);
      model[key] = value;
    } else if (what < 75) {
      REQUIRE(dict_remove(d, key, nullptr) == (model.erase(key) > 0));
    } else if (what == 99 && i % 50 == 0) {
      dict_clear(d);
      model.clear();
    } else REQUIRE(get(d, key) == (model.count(key) ? model[key] : kNothing));
  }
  REQUIRE(all_of(d) == model);
  heap().drop(d);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("keys stay in the order in which they came, and a stamp tells of changes", "[dict]") {
  Unchanged heap_is;
  uint64_t d = new_dict();
  for (const char* key : {"z", "a", "m"}) put(d, key, 1);
  put(d, "z", 2);
  std::string order;
  for (const DictItem& i : dict_items(d, false)) order += i.key;
  REQUIRE(order == "zam");
  DictValue v;
  REQUIRE(dict_get(d, "a", &v));
  REQUIRE(put(d, "a", 5, false, v.stamp()));
  REQUIRE_FALSE(put(d, "a", 6, false, v.stamp()));
  REQUIRE_FALSE(put(d, "a", 6, false, 0));
  REQUIRE(put(d, "new", 6, false, 0));
  REQUIRE(get(d, "a") == 5);
  heap().drop(d);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("four processes change one dict at once", "[dict][fork]") {
  Unchanged heap_is;
  uint64_t d = new_dict();
  int n = rounds(2'000, 100'000);
  Kids kids;
  for (int k = 0; k < 4; ++k)
    kids.push_back(std::make_unique<Kid>([&, k] {
      std::map<std::string, uint64_t> mine;
      for (int i = 0; i < n; ++i) {
        std::string key = std::to_string(k) + "/" + std::to_string(random_below(40));
        if (random_below(4) == 0) {
          if (dict_remove(d, key, nullptr) != (mine.erase(key) > 0)) return 1;
        } else put(d, key, mine[key] = uint64_t(i), i % 16 == 0);
        uint64_t now = get(d, key);
        if (now != (mine.count(key) ? mine[key] : kNothing)) return 2;
      }
      return 0;
    }));
  for (auto& kid : kids) REQUIRE(kid->join(100'000) == 0);
  all_of(d);
  heap().drop(d);
  REQUIRE(heap_is.problem() == "");
}

TEST_CASE("a process may die at any instruction of a change: it is done, or not begun",
          "[dict][fork]") {
  Unchanged at_first;
  uint64_t d = new_dict();
  for (int i = 0; i < 46; ++i) put(d, "filler " + std::to_string(i), 7); // the next but one grows it
  put(d, "large", 1, true);
  auto before = all_of(d);
  Unchanged heap_is;
  auto body = [&] {
    from_here();
    put(d, "large", 2, true);
    put(d, "new", 3);
    dict_remove(d, "large", nullptr);
    put(d, "filler 1", 4, true);
    dict_clear(d);
  };
  auto after = [&](uint64_t k) {
    INFO("instruction " << k);
    auto expected = before, now = all_of(d);
    std::vector<std::map<std::string, uint64_t>> states{expected};
    expected["large"] = 2;
    states.push_back(expected);
    expected["new"] = 3;
    states.push_back(expected);
    expected.erase("large");
    states.push_back(expected);
    expected["filler 1"] = 4;
    states.push_back(expected);
    states.push_back({});
    REQUIRE(std::find(states.begin(), states.end(), now) != states.end());
    dict_clear(d); // and anew
    REQUIRE(heap_problem() == "");
    for (auto& i : before) put(d, i.first, i.second, i.first == "large");
    REQUIRE(heap_is.problem() == "");
  };
  if (!die_anywhere(body, after)) WARN("processes cannot be traced here");
  heap().drop(d);
  REQUIRE(at_first.problem() == "");
}

TEST_CASE("processes that are killed at work leave the dict whole, with all that was returned",
          "[dict][fork]") {
  Unchanged heap_is;
  uint64_t d = new_dict();
  struct Done {
    std::atomic<uint64_t> last[3];
  };
  Shared<Done> done;
  for (int round = 0; round < rounds(40, 700); ++round) {
    Kids kids;
    for (int k = 0; k < 3; ++k)
      kids.push_back(std::make_unique<Kid>([&, k]() -> int {
        std::string key = std::to_string(k);
        for (uint64_t i = done->last[k] + 1;; ++i) {
          put(d, key, i, i % 8 == 0);
          done->last[k] = i;
          std::string other = "other " + std::to_string(random_below(100));
          if (i % 3) put(d, other, i);
          else dict_remove(d, other, nullptr);
        }
      }));
    pause_us(random_below(4'000));
    for (auto& kid : kids) kid->kill();
    for (auto& kid : kids) REQUIRE(kid->join() == -SIGKILL);
    auto now = all_of(d);
    for (int k = 0; k < 3; ++k) {
      uint64_t last = done->last[k], there = now.count(std::to_string(k)) ? now[std::to_string(k)] : 0;
      REQUIRE((there == last || there == last + 1));
      done->last[k] = there;
    }
    REQUIRE(heap_problem() == "");
  }
  heap().drop(d);
  REQUIRE(heap_is.problem() == "");
}
