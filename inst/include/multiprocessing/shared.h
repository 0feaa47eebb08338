// Lock, Queue<T>, Array<T> and Barrier: for the threads of this process and all processes of the
// session at once.
//
// Make or open one on R's main thread; then any thread may use it, and copy it (copies are the same
// object). handle() is what R code gets: a Lock() or a Queue(), or for arrays and barriers an
// external pointer. A handle may be sent to any process of the session; there, open it again:
//
//   multiprocessing::Lock lock(handle);
//   std::lock_guard<multiprocessing::Lock> hold(lock);
//
// Waits end with Ctrl-C, and in a parallel_for() when another of its threads fails. A process may
// be killed at any moment: its locks go to the next, its messages are whole or not there.
#pragma once

#include "error.h"

#include <memory>
#include <type_traits>

namespace multiprocessing {
inline namespace MULTIPROCESSING_FLAVOUR {

constexpr double kForever = -1; // a time-out in seconds

class Object {
public:
  SEXP handle() const { // main thread; to be protected
    SEXP s = api().handle(get());
    if (s == R_NilValue) throw_last_error();
    return s;
  }

protected:
  Object(int kind, uint64_t size) {
    multiprocessing_object* made = nullptr;
    if (api().create(kind, size, &made)) throw_last_error();
    object_.reset(made, api().close);
  }
  Object(int kind, SEXP handle) {
    multiprocessing_object* opened = nullptr;
    if (api().open(handle, kind, &opened)) throw_last_error();
    object_.reset(opened, api().close);
  }
  multiprocessing_object* get() const { return object_.get(); }

private:
  std::shared_ptr<multiprocessing_object> object_;
};

// Owned by the process: any of its threads may release it, and who waits for it a second time waits
// until another thread or process does.
class Lock : public Object {
public:
  Lock() : Object(MULTIPROCESSING_LOCK, uint64_t(0)) {}
  explicit Lock(SEXP handle) : Object(MULTIPROCESSING_LOCK, handle) {}

  void lock() { acquire(kForever); }
  bool try_lock() { return acquire(0); }
  void unlock() {
    if (api().release(get())) throw_last_error();
  }
  // False: not in time. `owner_died`, if given, is set if the last owner was killed while he held
  // it: what it guards may be half changed.
  bool acquire(double timeout, bool* owner_died = nullptr) {
    int status = api().acquire(get(), timeout);
    if (owner_died) *owner_died = status == MULTIPROCESSING_OWNER_DIED;
    return done_in_time(status);
  }
};

// Of values that can be copied as bytes. double and int are numbers to R's `$get()` and `$put()` on
// the same queue; anything else is a raw vector there.
template <class T> class Queue : public Object {
  static_assert(std::is_trivially_copyable_v<T>,
                "a message is the bytes of a T: it may hold no pointers, strings or vectors");

public:
  explicit Queue(std::size_t places = 0) : Object(MULTIPROCESSING_QUEUE, uint64_t(places)) {}
  explicit Queue(SEXP handle) : Object(MULTIPROCESSING_QUEUE, handle) {}

  bool put(const T& value, double timeout = kForever) { // false: it stayed full
    return done_in_time(api().put(get(), kType, &value, sizeof(T), timeout));
  }
  bool get(T& value, double timeout = kForever) { // false: it stayed empty
    return done_in_time(api().get(Object::get(), kType, &value, sizeof(T), timeout));
  }
  std::size_t size() const { return std::size_t(api().length(Object::get())); }

private:
  static constexpr int kType = std::is_same_v<T, double> ? MULTIPROCESSING_REAL
                               : std::is_same_v<T, int>  ? MULTIPROCESSING_INTEGER
                                                         : MULTIPROCESSING_RAW;
  using Object::get;
};

// Elements in shared memory, zero at first. Who writes what others read meanwhile needs a Lock, or
// a T that is a lock-free std::atomic.
template <class T> class Array : public Object {
  static_assert(std::is_trivially_destructible_v<T>,
                "nobody knows when the last process has let go: an element may own nothing");

public:
  explicit Array(std::size_t size) : Object(MULTIPROCESSING_ARRAY, bytes_of(size)) { look(); }
  explicit Array(SEXP handle) : Object(MULTIPROCESSING_ARRAY, handle) { look(); }

  T* data() const { return data_; }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) const { return data_[i]; }
  T* begin() const { return data_; }
  T* end() const { return data_ + size_; }

private:
  static uint64_t bytes_of(std::size_t size) {
    if (size > SIZE_MAX / sizeof(T)) throw Error("ValueError", "an array of that size cannot be");
    return uint64_t(size) * sizeof(T);
  }
  void look() {
    data_ = static_cast<T*>(api().data(get()));
    size_ = std::size_t(api().bytes(get()) / sizeof(T));
  }
  T* data_;
  std::size_t size_;
};

// Nobody passes before `parties` threads have come, of whatever processes. Who gives up (a
// time-out, Ctrl-C) breaks it for all: a BrokenBarrierError, until it is reset while nobody waits.
class Barrier : public Object {
public:
  explicit Barrier(unsigned parties) : Object(MULTIPROCESSING_BARRIER, uint64_t(parties)) {}
  explicit Barrier(SEXP handle) : Object(MULTIPROCESSING_BARRIER, handle) {}

  bool wait(double timeout = kForever) { return done_in_time(api().wait(get(), timeout)); }
  void reset() { api().reset(get()); }
};

} // namespace MULTIPROCESSING_FLAVOUR
} // namespace multiprocessing
