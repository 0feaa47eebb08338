// Has a file of output grown? Asked before every message, lock release and result, so it must not
// cost a system call: the byte after the known end is mapped, and is not 0 once there is text.
#pragma once

#include <cstdint>

namespace mp {

class OutputTail {
public:
  OutputTail() = default;
  OutputTail(const OutputTail&) = delete;
  OutputTail& operator=(const OutputTail&) = delete;
  ~OutputTail() { forget(); }

  // False: the file that create_output() made still ends at `size`. True: perhaps not, ask the
  // system.
  bool may_have_grown(int fd, uint64_t size);
  void forget();

private:
  const volatile uint8_t* page_ = nullptr; // the file's page that `offset_` begins
  uint64_t offset_ = 0;
};

} // namespace mp
