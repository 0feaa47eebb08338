#include "session.h"

#include <atomic>

namespace mp {
namespace {

thread_local Token my_token = 0;
uint32_t forks = 0;
// Every thread that joins sets it, to the same function: relaxed, nothing else is published with it.
std::atomic<void (*)()> keep_house{nullptr};

} // namespace

Mapped mapped;

Token self() { return my_token; }
void become(Token t) { my_token = t; }

ActAs::ActAs(Token t) : before_(my_token) { my_token = t; }
ActAs::~ActAs() { my_token = before_; }

uint32_t fork_depth() { return forks; }
void count_fork() { ++forks; }

void set_housekeeping(void (*work)()) { keep_house.store(work, std::memory_order_relaxed); }
void housekeeping() {
  if (auto work = keep_house.load(std::memory_order_relaxed)) work();
}

} // namespace mp
