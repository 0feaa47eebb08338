// Memory of the C library's that lies in pages of its own, and files in the place of such pages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mp::platform {

// Where in its first page the data of a vector lie that R allocated and malloc() mapped for it alone: behind the
// headers of both.
constexpr uint64_t kVectorLead = 64;

// Is `data` such a vector's? Then nothing but its first page was touched by the C library, and free() unmaps all of it.
// False where the C library is not glibc, or something stands in for its malloc(): there is no other way to know.
bool has_own_pages(const void* data, uint64_t bytes);
// Would the C library map pages for a vector of `bytes`, if it had nothing that is free and large enough?
bool would_have_own_pages(uint64_t bytes);
// Takes what the C library has free for such a vector: until the end of this object it maps pages instead. Of what is taken it
// writes headers only.
class TakenMemory {
public:
  explicit TakenMemory(uint64_t bytes);
  TakenMemory(const TakenMemory&) = delete;
  TakenMemory& operator=(const TakenMemory&) = delete;
  ~TakenMemory() { give_back(); }
  bool maps() const { return maps_; } // false: it gives such a vector no pages of its own, whatever is free

private:
  void give_back();
  static constexpr size_t kMost = 64; // pieces
  void* pieces_[kMost];
  size_t taken_ = 0;
  bool maps_ = false;
};
// Puts a private, copy-on-write mapping of the file, from `offset` on, in the place of the pages behind the first;
// `offset` stands for the start of the first one. False: nothing was changed.
bool replace_pages(const void* data, uint64_t bytes, int fd, uint64_t offset);
// Was nothing written into what replace_pages() put there? False also when the system does not say.
bool replaced_untouched(const void* data, uint64_t bytes);

struct FilePages {
  uint64_t begin, end; // addresses
  uint64_t offset;     // in the file
};
// The private mappings of the file in this process. False: the system does not say.
bool private_mappings(int fd, std::vector<FilePages>* found);
// Do [data, data + bytes), without the first page, show the file from `offset` on?
bool shows_file(const std::vector<FilePages>& mappings, const void* data, uint64_t bytes, uint64_t offset);
// Makes all pages this process's own.
void touch_pages(void* data, uint64_t bytes);

// Gives the pages behind the first of such a vector back to the system: reading them gives zeros.
void drop_pages(void* data, uint64_t bytes);

// From now on the C library keeps more of the memory that is freed, until trim_allocator(): otherwise vectors of a few
// megabytes that are made and freed in turn would get their pages from the system one by one each time.
void keep_freed_memory();

} // namespace mp::platform
