#include "session/defer.h"

#include <new>
#include <vector>

namespace mp::bind {
namespace {

struct Later {
  void (*what)(void*);
  void* data;
};
// Process-local. Never destroyed: R's finalizers may run after the destructors of static objects.
std::vector<Later>& later = *new std::vector<Later>;

} // namespace

void defer(void (*what)(void*), void* data) noexcept {
  try {
    later.push_back({what, data});
  } catch (const std::bad_alloc&) { // what it owns stays as long as this process lives
  }
}

void do_deferred() {
  while (!later.empty()) {
    Later l = later.back();
    later.pop_back();
    l.what(l.data);
  }
}

void forget_deferred() { later.clear(); }

} // namespace mp::bind
