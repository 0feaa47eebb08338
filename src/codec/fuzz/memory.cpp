#include "memory.h"

#include "target.h"

#include <cstdlib>
#include <cstring>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sys/mman.h>

// Of the sanitizers' runtime; gcc does not install the header that declares it.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void*, size_t),
                                                         void (*)(const volatile void*));

namespace fuzz {

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kBefore = kPage;

// A page without access lies behind.
struct Arena {
  uint8_t* base;
  size_t size;

  explicit Arena(size_t most) : size(kBefore + most) {
    void* p =
        mmap(nullptr, size + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) std::abort();
    base = static_cast<uint8_t*>(p);
    if (mprotect(base + size, kPage, PROT_NONE) != 0) std::abort();
    __asan_poison_memory_region(base, size);
  }

  uint8_t* take(size_t n) {
    if (n > size - kBefore) std::abort();
    __asan_poison_memory_region(base + size - last_, last_);
    last_ = (n + 7) & ~size_t{7};
    uint8_t* at = base + size - last_;
    __asan_unpoison_memory_region(at, n);
    return at;
  }

private:
  size_t last_ = 0;
};

bool metering = false;
size_t largest_seen, total_seen, explained;

void count(const volatile void*, size_t n) {
  if (!metering) return;
  total_seen += n;
  if (n > explained) __sanitizer_print_stack_trace();
  if (n > largest_seen) largest_seen = n;
}

void ignore(const volatile void*) {}

} // namespace

const uint8_t* place(const uint8_t* bytes, size_t n) {
  static Arena arena(kMaxInput);
  uint8_t* at = arena.take(n);
  if (n) std::memcpy(at, bytes, n);
  return at;
}

uint8_t* room(size_t n) {
  static Arena arena(4 * kMaxInput);
  return arena.take(n);
}

Meter::Meter(size_t explain) {
  static int hooked = __sanitizer_install_malloc_and_free_hooks(count, ignore);
  if (!hooked) std::abort();
  largest_seen = total_seen = 0;
  explained = explain;
  metering = true;
}

Meter::~Meter() { metering = false; }
size_t Meter::largest() { return largest_seen; }
size_t Meter::total() { return total_seen; }

Unmetered::Unmetered() : before_(metering) { metering = false; }
Unmetered::~Unmetered() { metering = before_; }

} // namespace fuzz
