// The table of functions that package multiprocessing gives to other packages, and how it is found.
// Programs use the classes in the other headers; this is what lies beneath.
//
// It is plain C: no exception and no jump of R's crosses it. The table only ever grows at its end;
// its entries keep their meaning as long as the version in its name is the same.
#pragma once

#ifndef R_NO_REMAP
#define R_NO_REMAP
#endif
#include <R_ext/Rdynload.h>
#include <Rinternals.h>

#include <cstddef>
#include <cstdint>

extern "C" {

typedef struct multiprocessing_object multiprocessing_object;

enum multiprocessing_status {
  MULTIPROCESSING_OK = 0,
  MULTIPROCESSING_OWNER_DIED = 1,  // acquired; the last owner was killed while it held the lock
  MULTIPROCESSING_TIMEOUT = 2,     // not in time
  MULTIPROCESSING_INTERRUPTED = 3, // Ctrl-C, or the loop that this thread works for is to end
  MULTIPROCESSING_BROKEN = 4,      // a barrier where one party gave up
  MULTIPROCESSING_STOPPED = 5,     // a loop whose body asked for its end
  MULTIPROCESSING_ERROR = 6        // failure() and failure_class() say why
};

enum multiprocessing_kind {
  MULTIPROCESSING_LOCK = 1,
  MULTIPROCESSING_QUEUE = 2,
  MULTIPROCESSING_ARRAY = 3,
  MULTIPROCESSING_BARRIER = 4,
  MULTIPROCESSING_SEMAPHORE = 5,
  MULTIPROCESSING_EVENT = 6
};

enum multiprocessing_message {
  MULTIPROCESSING_RAW = 1,
  MULTIPROCESSING_INTEGER = 2,
  MULTIPROCESSING_REAL = 3
};

// A time-out is in seconds; below 0: no limit. Unless it says "main thread", any thread may call.
struct multiprocessing_api_v1 {
  uint64_t size;                // of this table: a newer one is longer
  const char* (*failure)(void); // of this thread's last call
  const char* (*failure_class)(void);

  // body(data, begin, end) over [0, count) by `threads` threads (0: as many as thread_map() takes);
  // a body that returns another number than 0 ends the loop. `grain`: the least number of elements
  // of a call, 0: chosen.
  int (*parallel_for)(uint64_t count, uint64_t grain, unsigned threads,
                      int (*body)(void*, uint64_t, uint64_t), void* data);

  // --- objects: main thread, but for close() ---
  // `size`: of a queue its capacity (0: no limit), of an array its bytes, of a barrier its parties,
  // of a semaphore its permits.
  int (*create)(int kind, uint64_t size, multiprocessing_object** out);
  int (*open)(SEXP handle, int kind, multiprocessing_object** out);
  SEXP (*handle)(multiprocessing_object*); // what R code and other processes get; unprotected
  void (*close)(multiprocessing_object*);

  int (*acquire)(multiprocessing_object* lock_or_semaphore, double timeout);
  int (*release)(multiprocessing_object* lock_or_semaphore);
  int (*put)(multiprocessing_object* queue, int type, const void* bytes, uint64_t size,
             double timeout);
  int (*get)(multiprocessing_object* queue, int type, void* bytes, uint64_t size, double timeout);
  uint64_t (*length)(multiprocessing_object* queue);
  int (*wait)(multiprocessing_object* barrier_or_event, double timeout);
  int (*reset)(multiprocessing_object* barrier);
  void* (*data)(multiprocessing_object* array);
  uint64_t (*bytes)(multiprocessing_object* array);

  // Main thread. An array that R code reads and writes as an Array(), or (`single`) as a Value();
  // `type`: one of their typecodes. Zero at first.
  int (*create_array)(const char* type, uint64_t length, int single, multiprocessing_object** out);
  // The typecode of an array, by its long name; "" for one whose elements only C++ code knows.
  const char* (*type)(multiprocessing_object* array);
  // Main thread. A failure as an R condition of its class; unprotected.
  SEXP (*condition)(const char* failure_class, const char* failure);

  int (*set)(multiprocessing_object* event);
  int (*clear)(multiprocessing_object* event);
  int (*is_set)(multiprocessing_object* event);
};

typedef const struct multiprocessing_api_v1* (*multiprocessing_get_api_v1)(void);
}

namespace multiprocessing {

// First called on R's main thread: every constructor and every loop does it.
inline const multiprocessing_api_v1& api() {
  static const multiprocessing_api_v1* table = reinterpret_cast<multiprocessing_get_api_v1>(
      R_GetCCallable("multiprocessing", "multiprocessing_get_api_v1"))();
  return *table;
}

} // namespace multiprocessing
