// Has a file of output grown? Asked before every message, lock release and result, so it must not
// cost a system call each time: the byte after the known end is mapped, and is not 0 once there is text. A process that
// lives for a few questions is not worth a mapping: the first ones ask the system.
#pragma once

#include <cstdint>

namespace mp {

class OutputTail {
public:
  OutputTail() = default;
  OutputTail(const OutputTail&) = delete;
  OutputTail& operator=(const OutputTail&) = delete;
  ~OutputTail() { forget(); }

  static constexpr uint32_t kAsked = 16; // so many questions
  // False: the file that create_output() made still ends at `size`. True: perhaps not, ask the
  // system.
  bool may_have_grown(int fd, uint64_t size);
  void forget();

private:
  const volatile uint8_t* page_ = nullptr; // the file's page that `offset_` begins
  uint64_t offset_ = 0;
  uint32_t looks_ = 0; // up to kAsked
};

} // namespace mp
