// Has a file of output grown? Asked before every message, lock release and result, so it must not
// cost a system call: the byte after the known end is mapped, and is not 0 once there is text.
#pragma once

#include <cstdint>

namespace mp {

class Growth {
public:
  Growth() = default;
  Growth(const Growth&) = delete;
  Growth& operator=(const Growth&) = delete;
  ~Growth() { forget(); }

  // False: the file that create_output() made still ends at `size`. True: perhaps not, ask the
  // system.
  bool possible(int fd, uint64_t size);
  void forget();

private:
  const volatile uint8_t* page_ = nullptr; // the file's page that `offset_` begins
  uint64_t offset_ = 0;
};

} // namespace mp
