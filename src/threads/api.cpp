// The table of functions for other packages: see inst/include/multiprocessing/api.h. They are
// called from any thread, so each one that R's main thread must call says so by main_thread().
#include "session/cell_types.h"
#include "session/handle.h"
#include "session/session.h"
#include "session/waits.h"
#include "codec/format.h"
#include "core/cells.h"
#include "core/native.h"
#include "threads/helpers.h"

#include "../../inst/include/multiprocessing/api.h"

#include <R_ext/Rdynload.h>
#include <cstring>

struct multiprocessing_object {
  mp::BlockKind kind;
  uint64_t block;
  multiprocessing_object* next; // of those that were closed
};

namespace mp::bind {
namespace {

thread_local Error last;

int status_of(Status s) {
  switch (s) {
  case Status::Ok:
    return MULTIPROCESSING_OK;
  case Status::OwnerDied:
    return MULTIPROCESSING_OWNER_DIED;
  case Status::Interrupted:
    return MULTIPROCESSING_INTERRUPTED;
  default:
    return MULTIPROCESSING_TIMEOUT;
  }
}

// No exception leaves the table.
template <class F> int guarded(F body) {
  try {
    return body();
  } catch (const Interrupted&) {
    return MULTIPROCESSING_INTERRUPTED;
  } catch (const Unwind&) { // Ctrl-C while R code of ours ran: the caller signals it again
    return MULTIPROCESSING_INTERRUPTED;
  } catch (const Error& e) {
    last = e;
  } catch (const std::exception& e) {
    last = {"RuntimeError", e.what()};
  } catch (...) {
    last = {"RuntimeError", "an exception of no known type"};
  }
  return MULTIPROCESSING_ERROR;
}

void main_thread() {
  if (!on_r_thread())
    throw Error{"RuntimeError", "create and open locks, queues, arrays and so on on R's main "
                                "thread; after that any thread may use them"};
}

// On the main thread Ctrl-C is seen, and what children print is shown.
Wait wait_seconds(double timeout) {
  Wait w;
  if (on_r_thread()) {
    w.tick = stopping_tick;
    w.frees = true;
  }
  if (timeout == 0) w.deadline = 0;
  else if (timeout > 0 && timeout < 9e9) w.deadline = platform::now_ns() + int64_t(timeout * 1e9);
  return w;
}

// What threads have closed, a list; the next call on the main thread drops it. No mutex: a fork
// would copy it as it is.
std::atomic<multiprocessing_object*> dropped{nullptr};

void drop_what_threads_left() {
  // acquire: pairs with the CAS in close()
  multiprocessing_object* o = dropped.exchange(nullptr, std::memory_order_acquire);
  while (o) {
    std::unique_ptr<multiprocessing_object> gone(o);
    o = gone->next;
    let_go(gone->block);
  }
}

void enter_from_c() {
  main_thread();
  enter();
  native::open();
  drop_what_threads_left();
}

BlockKind kind_of(int kind) {
  switch (kind) {
  case MULTIPROCESSING_LOCK:
    return BlockKind::Lock;
  case MULTIPROCESSING_QUEUE:
    return BlockKind::Queue;
  case MULTIPROCESSING_ARRAY:
    return BlockKind::Array;
  case MULTIPROCESSING_BARRIER:
    return BlockKind::Barrier;
  case MULTIPROCESSING_SEMAPHORE:
    return BlockKind::Semaphore;
  case MULTIPROCESSING_EVENT:
    return BlockKind::Event;
  default:
    throw Error{"ValueError", "unknown kind of object: " + std::to_string(kind)};
  }
}

uint64_t new_block(BlockKind kind, uint64_t size) {
  switch (kind) {
  case BlockKind::Lock:
    return create_lock(false);
  case BlockKind::Queue:
    return create_queue(size);
  case BlockKind::Barrier:
    if (size == 0 || size > INT32_MAX)
      throw Error{"ValueError",
                  "a barrier needs one party at least, not " + std::to_string(size)};
    return create_barrier(uint32_t(size));
  case BlockKind::Semaphore:
    if (size > INT32_MAX) throw Error{"ValueError", "a semaphore has at most 2,147,483,647 permits"};
    return create_semaphore(uint32_t(size), false);
  case BlockKind::Event:
    return create_event();
  default:
    return heap().allocate(std::max<uint64_t>(size, 1), BlockKind::Array);
  }
}

const char* failure() { return last.message.c_str(); }
const char* failure_class() { return last.kind.c_str(); }

// `new_block` returns a block that the caller holds.
template <class F> int create_object(BlockKind kind, F new_block, multiprocessing_object** out) {
  enter_from_c();
  auto made = std::make_unique<multiprocessing_object>(multiprocessing_object{kind, 0, nullptr});
  made->block = new_block();
  keep_block(made->block);
  *out = made.release();
  return MULTIPROCESSING_OK;
}

int create(int kind, uint64_t size, multiprocessing_object** out) {
  return guarded([&] {
    BlockKind k = kind_of(kind);
    return create_object(k, [&] { return new_block(k, size); }, out);
  });
}

int create_array(const char* type, uint64_t length, int single, multiprocessing_object** out) {
  return guarded([&] {
    CellsPlan plan{};
    plan.type = cell_type_of(type);
    plan.bytes = cell_type(plan.type).bytes;
    plan.length = length;
    plan.single = single != 0;
    return create_object(BlockKind::Cells, [&] { return create_cells(plan); }, out);
  });
}

const char* wanted(BlockKind kind) {
  switch (kind) {
  case BlockKind::Lock:
    return "a Lock()";
  case BlockKind::Queue:
    return "a Queue()";
  case BlockKind::Barrier:
    return "a Barrier()";
  case BlockKind::Semaphore:
    return "a Semaphore()";
  case BlockKind::Event:
    return "an Event()";
  default:
    return "an Array() or a Value()";
  }
}

// The block of `given`, which is to be of that kind. An array of C++'s and the cells of R's are both
// arrays.
Handle& open_handle(SEXP given, BlockKind kind) {
  SEXP pointer = pointer_of(given);
  if (is_open(pointer) && kind == BlockKind::Array) {
    BlockKind is = static_cast<Handle*>(R_ExternalPtrAddr(pointer))->kind;
    if (is == BlockKind::Cells) kind = is;
  }
  bool ours = pointer != R_NilValue;
  if (ours && (!is_open(pointer) || static_cast<Handle*>(R_ExternalPtrAddr(pointer))->kind == kind))
    return handle_of(pointer, kind);
  refuse(given, std::string("expected ") + wanted(kind));
}

int open(SEXP handle, int kind, multiprocessing_object** out) {
  return guarded([&] {
    enter_from_c();
    const Handle& given = open_handle(handle, kind_of(kind));
    uint64_t block = given.block;
    if (given.kind == BlockKind::Lock && is_recursive(block))
      throw Error{"ValueError", "expected a Lock(), not an RLock(): an RLock() counts how often a "
                                "process has acquired it, so threads need a Lock()"};
    auto opened =
        std::make_unique<multiprocessing_object>(multiprocessing_object{given.kind, block, nullptr});
    keep_block(block);
    *out = opened.release();
    return MULTIPROCESSING_OK;
  });
}

struct NewHandle {
  const multiprocessing_object* object;
  SEXP result;
};
SEXP handle(multiprocessing_object* o) {
  NewHandle h{o, R_NilValue};
  int status = guarded([&] {
    enter_from_c();
    // Out of memory, R would jump over the caller's objects.
    bool made = R_ToplevelExec(
        [](void* data) {
          auto& n = *static_cast<NewHandle*>(data);
          n.result = handle_object(n.object->block, n.object->kind);
        },
        &h);
    if (!made) throw Error{"RuntimeError", "no memory for a handle"};
    return MULTIPROCESSING_OK;
  });
  return status ? R_NilValue : h.result;
}

void close(multiprocessing_object* o) {
  o->next = dropped.load(std::memory_order_relaxed);
  // release: pairs with the exchange in drop_what_threads_left()
  while (!dropped.compare_exchange_weak(o->next, o, std::memory_order_release)) {
  }
}

int parallel_for(uint64_t count, uint64_t grain, unsigned threads,
                 int (*body)(void*, uint64_t, uint64_t), void* data) {
  return guarded([&]() -> int {
    Loop loop;
    loop.count = count;
    loop.least = grain ? grain : 1;
    loop.body = body;
    loop.data = data;
    if (on_r_thread()) {
      loop.threads = thread_count(threads);
      loop.poll = poll_interrupt;
    } else loop.threads = threads ? threads : 1;
    // A loop of few iterations has long ones, or takes no time anyway.
    loop.probe = count / loop.least > 32 * uint64_t(loop.threads);
    switch (run_loop(loop)) {
    case LoopEnd::Done:
      return MULTIPROCESSING_OK;
    case LoopEnd::Stopped:
      return MULTIPROCESSING_STOPPED;
    case LoopEnd::Interrupted:
      break;
    }
    return MULTIPROCESSING_INTERRUPTED;
  });
}

int acquire(multiprocessing_object* o, double timeout) {
  return guarded([&] {
    auto try_for = [&](const Wait& wait) {
      return o->kind == BlockKind::Semaphore ? native::acquire_permit(o->block, wait) : native::acquire(o->block, wait);
    };
    Status s = try_for(Wait::until(0)); // mostly it is free
    if (s == Status::Timeout && timeout != 0) s = try_for(wait_seconds(timeout));
    return status_of(s);
  });
}

int release(multiprocessing_object* o) {
  return guarded([&]() -> int {
    if (o->kind == BlockKind::Semaphore) {
      if (!native::release_permit(o->block))
        throw Error{"ValueError", "release of a semaphore whose permits are all free"};
    } else if (native::release(o->block) != Released::Ok)
      throw Error{"ValueError", "release of a lock that is not held"};
    return MULTIPROCESSING_OK;
  });
}

// A message as R would have encoded it: a vector without attributes.
struct Letter {
  codec::FrameHeader frame;
  codec::NodeHeader node;
};
constexpr uint64_t kSmallLetter = 512;

codec::Type type_of(int type) {
  return type == MULTIPROCESSING_REAL      ? codec::Type::real
         : type == MULTIPROCESSING_INTEGER ? codec::Type::integer
                                           : codec::Type::raw;
}

int put(multiprocessing_object* o, int type, const void* bytes, uint64_t size, double timeout) {
  return guarded([&] {
    codec::Type t = type_of(type);
    uint64_t total = sizeof(Letter) + codec::round_up(size);
    alignas(8) uint8_t small[kSmallLetter];
    std::vector<uint8_t> large;
    uint8_t* at = small;
    if (total > sizeof small) {
      large.resize(total);
      at = large.data();
    }
    Letter head{{codec::kMagic, codec::kVersion, uint8_t(codec::FrameKind::plain), 0, total},
                {uint8_t(t), 0, 0, 0, size / codec::element_size(t)}};
    std::memset(at + total - 8, 0, 8); // behind the last element
    std::memcpy(at, &head, sizeof head);
    std::memcpy(at + sizeof head, bytes, size);
    return status_of(native::put(o->block, at, total, wait_seconds(timeout)));
  });
}

int get(multiprocessing_object* o, int type, void* bytes, uint64_t size, double timeout) {
  return guarded([&] {
    struct Wanted {
      codec::Type type;
      void* bytes;
      uint64_t size;
      bool fits;
    } wanted{type_of(type), bytes, size, false};
    auto take = [](void* data, const uint8_t* from, uint64_t n) {
      auto& w = *static_cast<Wanted*>(data);
      Letter head;
      if (n != sizeof head + codec::round_up(w.size)) return;
      std::memcpy(&head, from, sizeof head);
      w.fits = head.frame.magic == codec::kMagic && head.frame.version == codec::kVersion &&
               head.frame.kind == uint8_t(codec::FrameKind::plain) &&
               head.node.type == uint8_t(w.type) && head.node.attributes == 0 &&
               head.node.length == w.size / codec::element_size(w.type);
      if (w.fits) std::memcpy(w.bytes, from + sizeof head, w.size);
    };
    Status s = native::get(o->block, wait_seconds(timeout), take, &wanted);
    if (s == Status::Ok && !wanted.fits)
      throw Error{"EncodingError", "the message is not one value of the type that this queue was "
                                   "opened for; it was taken from the queue and is lost"};
    return status_of(s);
  });
}

uint64_t length(multiprocessing_object* o) { return queue_length(o->block); }

int wait(multiprocessing_object* o, double timeout) {
  return guarded([&]() -> int {
    if (o->kind == BlockKind::Event) return status_of(native::wait_for(o->block, wait_seconds(timeout)));
    Status s = native::pass(o->block, wait_seconds(timeout));
    if (s != Status::Closed) return status_of(s);
    last = {"BrokenBarrierError", "the barrier is broken: a party has given up; call reset()"};
    return MULTIPROCESSING_BROKEN;
  });
}

int reset(multiprocessing_object* o) {
  reset_barrier(o->block);
  return MULTIPROCESSING_OK;
}

int set(multiprocessing_object* o) {
  return guarded([&] {
    native::set(o->block);
    return MULTIPROCESSING_OK;
  });
}
int clear(multiprocessing_object* o) {
  clear_event(o->block);
  return MULTIPROCESSING_OK;
}
int is_set(multiprocessing_object* o) { return event_is_set(o->block); }

void* data(multiprocessing_object* o) {
  return o->kind == BlockKind::Cells ? cells_data(o->block) : heap().at(o->block);
}
uint64_t bytes(multiprocessing_object* o) {
  if (o->kind != BlockKind::Cells) return heap().bytes_of(o->block);
  const CellsShared& c = cells_shared(o->block);
  return c.length * cell_type(c.type).bytes;
}
const char* type(multiprocessing_object* o) {
  return o->kind == BlockKind::Cells ? cell_type(cells_shared(o->block).type).name : "";
}

SEXP condition(const char* failure_class, const char* failure) {
  SEXP made = R_NilValue;
  guarded([&] {
    enter_from_c();
    made = call_r("condition_of_compiled_code", failure_class, failure);
    return MULTIPROCESSING_OK;
  });
  return made;
}

const multiprocessing_api_v1 table = {
    sizeof(multiprocessing_api_v1),
    failure,
    failure_class,
    parallel_for,
    create,
    open,
    handle,
    close,
    acquire,
    release,
    put,
    get,
    length,
    wait,
    reset,
    data,
    bytes,
    create_array,
    type,
    condition,
    set,
    clear,
    is_set,
};

const multiprocessing_api_v1* get_api() { return &table; }

} // namespace

void register_thread_api() {
  prepare_threads();
  R_RegisterCCallable("multiprocessing", "multiprocessing_get_api_v1",
                      reinterpret_cast<DL_FUNC>(get_api));
}

} // namespace mp::bind
