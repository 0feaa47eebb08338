// Lock, Queue<T>, Array<T>, Value<T>, Barrier, Semaphore and Event: for the threads of this process and
// all processes of the session at once.
//
// Create or open one on R's main thread; then any thread may use it, and copy it (copies are the
// same object). handle() is what R code gets: a Lock(), Queue(), Array(), Value(), Barrier(),
// Semaphore() or Event(). A handle may be sent to any process of the session, where C++ code opens it again:
//
//   multiprocessing::Lock lock(handle);
//   std::lock_guard<multiprocessing::Lock> hold(lock);
//
// With <multiprocessing/rcpp.h> they can be arguments and results of Rcpp's functions.
//
// Waits end with Ctrl-C, and in a parallel_for() when another of its threads fails. A process may
// be killed at any moment: its locks pass to the next owner, and a message of it arrives whole or
// not at all.
#pragma once

#include "error.h"

#include <atomic>
#include <complex>
#include <cstddef>
#include <memory>
#include <type_traits>

namespace multiprocessing {
namespace detail {

template <class T> struct Plain {
  using type = T;
};
template <class T> struct Plain<std::atomic<T>> { // of the same bytes
  using type = std::conditional_t<std::atomic<T>::is_always_lock_free &&
                                      sizeof(std::atomic<T>) == sizeof(T),
                                  T, std::atomic<T>>;
};

// The typecode of R's Array() for elements of type T; "" if there is none.
template <class T> constexpr const char* typecode() {
  using P = typename Plain<T>::type;
  if constexpr (std::is_same_v<P, double>) return "double";
  else if constexpr (std::is_same_v<P, float>) return "float";
  else if constexpr (std::is_same_v<P, std::complex<double>> || std::is_same_v<P, Rcomplex>)
    return "complex";
  else if constexpr (std::is_same_v<P, std::byte>) return "raw";
  else if constexpr (!std::is_integral_v<P> || std::is_same_v<P, bool>) return "";
  else if constexpr (sizeof(P) == 1) return std::is_signed_v<P> ? "int8" : "uint8";
  else if constexpr (sizeof(P) == 2) return std::is_signed_v<P> ? "int16" : "uint16";
  else if constexpr (sizeof(P) == 4) return std::is_signed_v<P> ? "integer" : "uint32";
  else return std::is_signed_v<P> ? "int64" : "uint64";
}

// Integers and logical values have the same bytes in R, and so have bytes by all of their names.
inline std::string same_bytes(const std::string& type) {
  if (type == "logical") return "integer";
  return type == "raw" || type == "uint8" ? "int8" : type;
}

} // namespace detail

inline namespace MULTIPROCESSING_FLAVOUR {

constexpr double kForever = -1; // a timeout in seconds

class Object {
public:
  SEXP handle() const { // main thread; to be protected
    SEXP s = api().handle(get());
    if (s == R_NilValue) throw_last_error();
    return s;
  }
#if defined(MULTIPROCESSING_WITH_RCPP)
  operator SEXP() const { return handle(); } // Rcpp::wrap() uses it
#endif

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
  Object(const char* type, uint64_t length, bool single, std::size_t element) {
    if (length > SIZE_MAX / element)
      throw Error("ValueError", "an array of " + std::to_string(length) + " elements of " +
                                    std::to_string(element) + " bytes is larger than any memory");
    multiprocessing_object* made = nullptr;
    int failed = *type ? api().create_array(type, length, single, &made)
                       : api().create(MULTIPROCESSING_ARRAY, length * element, &made);
    if (failed) throw_last_error();
    object_.reset(made, api().close);
  }
  multiprocessing_object* get() const { return object_.get(); }

private:
  std::shared_ptr<multiprocessing_object> object_;
};

// A process owns it, not a thread: any thread of the owner may release it. A thread that acquires it
// a second time waits until another thread releases it.
class Lock : public Object {
public:
  Lock() : Object(MULTIPROCESSING_LOCK, uint64_t(0)) {}
  explicit Lock(SEXP handle) : Object(MULTIPROCESSING_LOCK, handle) {}

  void lock() { acquire(kForever); }
  bool try_lock() { return acquire(0); }
  void unlock() {
    if (api().release(get())) throw_last_error();
  }
  // False: not acquired within `timeout` seconds. `owner_died`, if given, is set if the last owner
  // was killed while it held the lock: what the lock guards may be half changed.
  bool acquire(double timeout, bool* owner_died = nullptr) {
    int status = api().acquire(get(), timeout);
    if (owner_died) *owner_died = status == MULTIPROCESSING_OWNER_DIED;
    return done_in_time(status);
  }
};

// Of values that can be copied as bytes. R's `$get()` and `$put()` on the same queue see a double or
// an int as a number, any other T as a raw vector.
template <class T> class Queue : public Object {
  static_assert(std::is_trivially_copyable_v<T>,
                "a message is the bytes of a T: it may hold no pointers, strings or vectors");

public:
  explicit Queue(std::size_t maxsize = 0) : Object(MULTIPROCESSING_QUEUE, uint64_t(maxsize)) {}
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

// Elements in shared memory, zero at first. If T is a type that R's Array() has (double, int, float,
// complex, whole numbers of 8 to 64 bits, and std::atomic of those), R code sees an Array(), and an
// Array() of R can be opened. Arrays of other types can be opened by C++ code alone. An element that
// others read or write at the same time needs a Lock, or a T that is a lock-free std::atomic.
template <class T> class Array : public Object {
  static_assert(std::is_trivially_destructible_v<T>,
                "no process runs the destructors of the elements: they may own nothing");

public:
  explicit Array(std::size_t size) : Array(size, false) {}
  explicit Array(SEXP handle) : Object(MULTIPROCESSING_ARRAY, handle) { look(); }

  T* data() const { return data_; }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) const { return data_[i]; }
  T* begin() const { return data_; }
  T* end() const { return data_ + size_; }

protected:
  static constexpr const char* kType = detail::typecode<T>();
  Array(std::size_t size, bool single) : Object(kType, size, single, sizeof(T)) { look(); }

private:
  void look() {
    std::string type = api().type(get());
    if (!type.empty() && detail::same_bytes(type) != detail::same_bytes(kType))
      throw Error("ValueError", "expected elements of " + expected() + ", not an Array() or Value() "
                                    "of type \"" + type + "\"");
    data_ = static_cast<T*>(api().data(get()));
    size_ = std::size_t(api().bytes(get()) / sizeof(T));
  }
  static std::string expected() {
    if (*kType) return std::string("type \"") + kType + "\"";
    return "a C++ type that R does not know";
  }
  T* data_;
  std::size_t size_;
};

// One number: a Value() of R.
template <class T> class Value : public Array<T> {
  static_assert(*detail::typecode<T>(), "a Value() is one number, see Array");

public:
  Value() : Array<T>(1, true) {}
  explicit Value(SEXP handle) : Array<T>(handle) {
    if (this->size() != 1)
      throw Error("ValueError", "expected a Value(), not an Array() of " +
                                    std::to_string(this->size()) + " elements");
  }
  T& operator*() const { return *this->data(); }
};

// wait() returns when `parties` threads, of any processes, have called it. A thread that gives up (a
// timeout, Ctrl-C) breaks the barrier for all: each wait() throws a BrokenBarrierError until reset().
class Barrier : public Object {
public:
  explicit Barrier(unsigned parties) : Object(MULTIPROCESSING_BARRIER, uint64_t(parties)) {}
  explicit Barrier(SEXP handle) : Object(MULTIPROCESSING_BARRIER, handle) {}

  bool wait(double timeout = kForever) { return done_in_time(api().wait(get(), timeout)); }
  void reset() { api().reset(get()); }
};

// Its permits have no owner: any thread of any process may release one. A permit of a process that is killed is lost,
// as with $acquire() in R. A BoundedSemaphore() of R can be opened, too.
class Semaphore : public Object {
public:
  explicit Semaphore(unsigned permits) : Object(MULTIPROCESSING_SEMAPHORE, uint64_t(permits)) {}
  explicit Semaphore(SEXP handle) : Object(MULTIPROCESSING_SEMAPHORE, handle) {}

  bool acquire(double timeout = kForever) { return done_in_time(api().acquire(get(), timeout)); }
  bool try_acquire() { return acquire(0); }
  void release() {
    if (api().release(get())) throw_last_error();
  }
};

// wait() returns once it is set, or was set since the call began; false: it was not set in time.
class Event : public Object {
public:
  Event() : Object(MULTIPROCESSING_EVENT, uint64_t(0)) {}
  explicit Event(SEXP handle) : Object(MULTIPROCESSING_EVENT, handle) {}

  void set() {
    if (api().set(get())) throw_last_error();
  }
  void clear() { api().clear(get()); }
  bool is_set() const { return api().is_set(get()); }
  bool wait(double timeout = kForever) { return done_in_time(api().wait(get(), timeout)); }
};

} // namespace MULTIPROCESSING_FLAVOUR
} // namespace multiprocessing
