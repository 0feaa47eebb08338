// A file of output is known to have grown without asking the system.
#include "growth.h"
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

TEST_CASE("growth of an output file is seen at once, and silence is known", "[growth]") {
  int fd = platform::create_output("growth");
  REQUIRE(fd >= 0);
  Growth growth;
  uint64_t size = 1;
  CHECK_FALSE(growth.possible(fd, size));
  for (size_t piece : {1, 3, 4090, 1, 1, 5000, 100000}) {
    uint64_t before = size;
    size = append(fd, size, std::string(piece, 'x'));
    CHECK(growth.possible(fd, before));
    // at the beginning of a page the system is to be asked
    CHECK(growth.possible(fd, size) == (size % 4096 == 0));
  }
  close(fd);
}

TEST_CASE("an output file cannot be made shorter under its reader", "[growth]") {
  int fd = platform::create_output("growth");
  REQUIRE(fd >= 0);
  CHECK(ftruncate(fd, 0) != 0);
  close(fd);
}
