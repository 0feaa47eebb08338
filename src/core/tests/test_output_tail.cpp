// A file of output is known to have grown, after a few questions without asking the system.
#include "output_tail.h"
#include "platform/platform.h"

#include <catch.h>
#include <string>
#include <unistd.h>

using namespace mp;

namespace {
uint64_t append(int fd, uint64_t size, const std::string& text) {
  return size + uint64_t(write(fd, text.data(), text.size()));
}
} // namespace

TEST_CASE("growth of an output file is seen at once, and silence is known", "[output-tail]") {
  int fd = platform::create_output("output tail");
  REQUIRE(fd >= 0);
  OutputTail tail;
  uint64_t size = 1;
  for (uint32_t look = 0; look < OutputTail::kAsked; ++look) { // by the system
    CHECK_FALSE(tail.may_have_grown(fd, size));
    if (look == 3) size = append(fd, size, "text");
    else if (look == 5) CHECK(tail.may_have_grown(fd, size - 1));
  }
  for (size_t piece : {1, 3, 4090, 1, 1, 5000, 100000}) {
    uint64_t before = size;
    size = append(fd, size, std::string(piece, 'x'));
    CHECK(tail.may_have_grown(fd, before));
    // at the beginning of a page the system is to be asked
    CHECK(tail.may_have_grown(fd, size) == (size % 4096 == 0));
  }
  close(fd);
}

TEST_CASE("an output file cannot be made shorter under its reader", "[output-tail]") {
  int fd = platform::create_output("output tail");
  REQUIRE(fd >= 0);
  CHECK(ftruncate(fd, 0) != 0);
  close(fd);
}
