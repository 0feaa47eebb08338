// Senders and receivers, as the tests of queues use them.
#pragma once

#include "support.h"

#include <map>

namespace test {

struct Received {
  std::atomic<uint32_t> times[8][20'000]; // by sender and number
  std::atomic<uint64_t> broken{0};
  std::atomic<uint64_t> disorder{0};
};

// Takes messages until none comes for `ms`. Of each sender they must come in its order.
inline Status take_all(uint64_t queue, Received& r, int64_t ms, uint64_t limit = UINT64_MAX) {
  std::map<uint64_t, uint64_t> last;
  Incoming in;
  for (uint64_t n = 0; n < limit; ++n) {
    Status s = get_message(queue, in, within(ms));
    if (s != Status::Ok) return s;
    uint64_t sender = 0, number = 0;
    if (!is_whole(in.data(), in.size(), &sender, &number)) {
      ++r.broken;
      continue;
    }
    ++r.times[sender][number];
    auto known = last.find(sender);
    if (known != last.end() && known->second >= number) ++r.disorder;
    last[sender] = number;
  }
  return Status::Ok;
}

inline uint64_t mixed_size(uint64_t number) { // mostly small, some at the limit, some large
  switch (number % 11) {
  case 0:
    return kInlineBytes;
  case 1:
    return kInlineBytes + 1;
  case 2:
    return 100'000;
  default:
    return 24 + number % 500;
  }
}

// Empties it; the number of messages, or an error.
inline std::string drain(uint64_t queue, uint64_t* count) {
  Incoming in;
  uint64_t sender, number;
  for (*count = 0; get_message(queue, in, at_once()) == Status::Ok; ++*count)
    if (!is_whole(in.data(), in.size(), &sender, &number)) return "half a message";
  return queue_length(queue) == 0 ? "" : "a wrong length";
}

} // namespace test
