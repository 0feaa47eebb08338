// Lives on Linux: robust mutexes. The kernel marks those that a thread holds when it ends or starts
// another program, and wakes one sleeper.
#include "../life.h"

#include <cerrno>
#include <cstring>
#include <pthread.h>

namespace mp::platform {
namespace {

// A life's word, as the kernel has it: the holder's thread id and two bits.
constexpr uint32_t kWaiters = 0x80000000u;   // FUTEX_WAITERS
constexpr uint32_t kOwnerDied = 0x40000000u; // FUTEX_OWNER_DIED: the kernel has seen the holder die
constexpr uint32_t kThreadId = 0x3fffffffu;  // FUTEX_TID_MASK

struct RobustMutex { // what a Life is here
  pthread_mutex_t mutex;
  uint32_t made; // `mutex` was initialised; by the first that begins it
};
static_assert(sizeof(RobustMutex) <= sizeof(Life) && alignof(RobustMutex) <= alignof(Life));

RobustMutex& robust(const Life& life) {
  return *reinterpret_cast<RobustMutex*>(const_cast<unsigned char*>(life.state));
}

void make(pthread_mutex_t* mutex) {
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(mutex, &a);
  pthread_mutexattr_destroy(&a);
}

// Where in a mutex the C library keeps the word that the kernel marks (the first in glibc, the
// second in musl): the one that is our thread's number while we hold it, and 0 while it is free.
// -1: not found.
int life_offset() {
  static const int offset = [] {
    pthread_mutex_t mutex;
    constexpr size_t words = sizeof mutex / sizeof(uint32_t);
    uint32_t held[words], freed[words];
    make(&mutex);
    pthread_mutex_lock(&mutex);
    std::memcpy(held, &mutex, sizeof held);
    pthread_mutex_unlock(&mutex);
    std::memcpy(freed, &mutex, sizeof freed);
    pthread_mutex_destroy(&mutex);
    for (size_t i = 0; i < words; ++i)
      if ((held[i] & kThreadId) == thread_id() && freed[i] == 0) return int(i);
    return -1;
  }();
  return offset;
}

std::atomic<uint32_t>& word_of(const Life& life) {
  return reinterpret_cast<std::atomic<uint32_t>*>(&robust(life).mutex)[life_offset()];
}

bool is_over(uint32_t word) { return (word & kOwnerDied) || (word & kThreadId) == 0; }

} // namespace

bool lives_are_told() { return life_offset() >= 0; }

void begin_life(Life& life) {
  RobustMutex& r = robust(life);
  if (!r.made) {
    make(&r.mutex);
    r.made = 1;
  }
  if (pthread_mutex_lock(&r.mutex) == EOWNERDEAD) pthread_mutex_consistent(&r.mutex);
}

void end_life(Life& life) { pthread_mutex_unlock(&robust(life).mutex); }

bool life_over(const Life& life) {
  // acquire: pairs with the kernel's write at the holder's exit
  return is_over(word_of(life).load(std::memory_order_acquire));
}

bool watch_life(Life& life, Watch* out) {
  std::atomic<uint32_t>& word = word_of(life);
  uint32_t v = word.load(std::memory_order_acquire);
  do {
    // Without a thread id the slot's next participant may be about to lock it. It must not find a lone
    // waiters bit in the word: it would wait for a holder that does not exist.
    if (is_over(v)) return false;
    // relaxed: the bit concerns the kernel alone
  } while (!(v & kWaiters) &&
           !word.compare_exchange_weak(v, v | kWaiters, std::memory_order_relaxed));
  *out = {&word, v | kWaiters};
  return true;
}

} // namespace mp::platform
