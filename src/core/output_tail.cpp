#include "output_tail.h"
#include "layout.h"
#include "platform/platform.h"

namespace mp {

bool OutputTail::may_have_grown(int fd, uint64_t size) {
  if (looks_ < kAsked) {
    ++looks_;
    return platform::file_bytes(fd) > size;
  }
  // A page that begins at the end of the file must not be touched. (The file cannot shrink, and
  // text that begins with a zero byte is seen when more comes.)
  if (size % kPageBytes == 0) return true;
  uint64_t offset = size / kPageBytes * kPageBytes;
  if (!page_ || offset != offset_) {
    forget();
    page_ = platform::map_part(fd, offset, kPageBytes);
    offset_ = offset;
  }
  return !page_ || page_[size - offset] != 0;
}

void OutputTail::forget() {
  if (page_) platform::unmap_part(page_, kPageBytes);
  page_ = nullptr;
}

} // namespace mp
