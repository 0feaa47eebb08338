#include "bind_session.h"
#include "bind_blocks.h"
#include "r_api.h"

#include "core/barrier.h"
#include "core/guard.h"
#include "core/job_board.h"
#include "core/lock.h"
#include "core/pipe.h"

#include <R_ext/GraphicsEngine.h> // its headers declare the flags of R's interrupts
#include <csignal>
#include <cstring>
#include <unordered_map>

namespace mp::bind {
namespace {

// Process-local; a fork copies them with the R objects that they count. Never destroyed: R's
// finalizers may run after the destructors of static objects.
// block -> R pointers and owners
std::unordered_map<uint64_t, int>& hold_counts = *new std::unordered_map<uint64_t, int>;
struct Later {
  void (*what)(void*);
  void* data;
};
std::vector<Later>& later = *new std::vector<Later>;

void let_go_later(void* data) {
  std::unique_ptr<Handle> h(static_cast<Handle*>(data));
  let_go(h->block);
}

void finalize_handle(SEXP pointer) {
  auto* h = static_cast<Handle*>(R_ExternalPtrAddr(pointer));
  if (!h) return;
  R_ClearExternalPtr(pointer);
  at_next_entry(let_go_later, h);
}

SEXP handle_tag() {
  static SEXP tag = Rf_install("multiprocessing_handle");
  return tag;
}

bool describe(SEXP x, codec::HandleId* out) {
  SEXP p = pointer_of(x);
  if (p == R_NilValue) return false;
  auto* h = static_cast<Handle*>(R_ExternalPtrAddr(p));
  if (!h) return false; // closed: travels as an ordinary object whose pointer is nil
  *out = {uint32_t(h->kind), h->block, h->serial};
  return true;
}

// May signal R errors, throws nothing.
SEXP revive(const codec::HandleId& id, bool external_pointer) {
  if (!or_jump([&] { return heap().hold(id.block, id.serial); })) return R_NilValue;
  return external_pointer ? make_handle(id.block, Kind(id.kind))
                          : handle_object(id.block, Kind(id.kind));
}

void forked() { later.clear(); } // the parent's; what they own stays the parent's

void check_interrupt(void*) { R_CheckUserInterrupt(); }

bool interrupt_is_pending() { return R_interrupts_pending && !R_interrupts_suspended; }

} // namespace

bool (*interrupt_wanted)() = nullptr;

SEXP pointer_of(SEXP x) {
  if (TYPEOF(x) == EXTPTRSXP) return R_ExternalPtrTag(x) == handle_tag() ? x : R_NilValue;
  if (TYPEOF(x) != ENVSXP || !Rf_inherits(x, "multiprocessing_handle")) return R_NilValue;
  SEXP enclosure = frame_variable(x, Rf_install(".__enclos_env__"));
  if (TYPEOF(enclosure) != ENVSXP) return R_NilValue;
  SEXP fields = frame_variable(enclosure, Rf_install("private"));
  if (TYPEOF(fields) != ENVSXP) return R_NilValue;
  SEXP p = frame_variable(fields, Rf_install("ptr"));
  return TYPEOF(p) == EXTPTRSXP && R_ExternalPtrTag(p) == handle_tag() ? p : R_NilValue;
}

SEXP handle_object(uint64_t block, Kind kind) {
  SEXP p = PROTECT(make_handle(block, kind));
  SEXP number = PROTECT(Rf_ScalarInteger(int(kind)));
  SEXP call = PROTECT(Rf_lang3(Rf_install("revive_handle"), number, p));
  SEXP r = Rf_eval(call, package_namespace());
  UNPROTECT(3);
  return r;
}

void prepare_kinds() {
  static bool done = false;
  if (done) return;
  done = true;
  register_lock_kind();
  register_pipe_kind();
  register_pool_kind();
  register_barrier_kind();
  codec::set_hooks({describe, revive});
  guard_patience().interrupted = interrupt_is_pending;
  prepare_blocks();
  install_fork_handlers();
  on_fork_child(forked);
}

void enter() {
  if (!heap_exists()) {
    prepare_kinds();
    Heap::create();
    join_session();
  }
  if (self() == 0)
    throw Error{"ProcessError",
                "this process was forked when the session had no free place for it: it cannot use "
                "locks, queues or pools (at most " +
                    std::to_string(kSlots) + " processes at a time)"};
  release_views();
  while (!later.empty()) {
    Later l = later.back();
    later.pop_back();
    l.what(l.data);
  }
}

void at_next_entry(void (*what)(void*), void* data) { later.push_back({what, data}); }

void drop_at_next_entry(uint64_t block) {
  at_next_entry([](void* data) { heap().drop(reinterpret_cast<uint64_t>(data)); },
                reinterpret_cast<void*>(block));
}

void keep_block(uint64_t block) { ++hold_counts[block]; }

bool keep_block(uint64_t block, uint64_t serial) {
  if (!heap().hold(block, serial)) return false;
  keep_block(block);
  return true;
}

void let_go(uint64_t block) {
  auto it = hold_counts.find(block);
  if (it == hold_counts.end() || --it->second > 0) return;
  hold_counts.erase(it);
  heap().drop(block);
}

void keep_held_blocks(uint64_t process) {
  heap().keep_only(
      [&](uint64_t block) { return block == process || hold_counts.count(block) > 0; });
}

SEXP new_pointer(SEXP tag, SEXP kept, R_CFinalizer_t finalize, Rboolean at_exit) {
  SEXP p = PROTECT(R_MakeExternalPtr(nullptr, tag, kept));
  R_RegisterCFinalizerEx(p, finalize, at_exit);
  UNPROTECT(1);
  return p;
}

SEXP make_handle(uint64_t block, Kind kind) {
  SEXP p = new_pointer(handle_tag(), R_NilValue, finalize_handle, FALSE);
  keep_block(block);
  R_SetExternalPtrAddr(p, new Handle{kind, block, heap().serial_of(block)});
  return p;
}

bool is_open(SEXP pointer) {
  return TYPEOF(pointer) == EXTPTRSXP && R_ExternalPtrTag(pointer) == handle_tag() &&
         R_ExternalPtrAddr(pointer) != nullptr;
}

Handle& handle_of(SEXP pointer, Kind kind) {
  if (!is_open(pointer))
    throw Error{"ValueError",
                "this handle is closed, or comes from another session: no handle can be saved"};
  auto* h = static_cast<Handle*>(R_ExternalPtrAddr(pointer));
  if (h->kind != kind) throw Error{"ValueError", "this handle is of another kind"};
  return *h;
}

void close_handle(SEXP pointer) {
  if (!is_open(pointer)) return;
  std::unique_ptr<Handle> h(static_cast<Handle*>(R_ExternalPtrAddr(pointer)));
  R_ClearExternalPtr(pointer);
  let_go(h->block);
}

std::vector<Reference> references_of(const std::vector<codec::HandleId>& handles) {
  std::vector<Reference> refs;
  for (const codec::HandleId& id : handles) refs.push_back({Heap::page_of(id.block), id.serial});
  return refs;
}

uint64_t store_value(SEXP value) { return store_encoded(codec::encode(value)); }

uint64_t store_encoded(const codec::Encoding& e) {
  std::vector<Reference> refs = references_of(e.handles());
  uint64_t bytes = e.size() + refs.size() * sizeof(Reference);
  NewBlock block(heap().allocate(bytes, Kind::Bytes, false));
  e.write(heap().at(block.get()));
  if (!refs.empty()) {
    std::memcpy(heap().at(block.get() + e.size()), refs.data(), refs.size() * sizeof(Reference));
    heap().seal(block.get(), e.size(), uint32_t(refs.size()));
  }
  return block.release();
}

Wait wait_for(SEXP timeout) {
  Wait w;
  w.tick = interruptible_tick;
  if (Rf_isNull(timeout)) return w;
  double seconds =
      (Rf_isNumeric(timeout) && Rf_length(timeout) == 1) ? Rf_asReal(timeout) : NA_REAL;
  if (std::isnan(seconds))
    throw Error{"ValueError", "`timeout` must be NULL (wait for ever) or one number of seconds"};
  if (seconds <= 0) w.deadline = 0;
  else if (seconds < 9e9) w.deadline = platform::now_ns() + int64_t(seconds * 1e9);
  return w;
}

// R's handlers run here: a jump out of them leaves the wait as Unwind, and after their "resume" it
// goes on.
bool interruptible_tick(void*) {
  show_output();
  collect_if_asked();
  codec::protect([] {
    R_CheckUserInterrupt();
    return R_NilValue;
  });
  return false;
}

bool stopping_tick(void*) {
  show_output();
  collect_if_asked();
  return !R_ToplevelExec(check_interrupt, nullptr);
}

void interrupt() { throw Interrupted{}; }

bool ChildWait::tick() {
  if (limit_.tick(limit_.data)) return true;
  const GuardWord& guard = heap().header().guard;
  auto waits = [&](Token child) {
    uint32_t slot = slot_of(child);
    return bool(guard.waiters.word[slot / 64].load(std::memory_order_relaxed) & bit_of(slot));
  };
  int64_t now = platform::now_ns();
  if (std::none_of(children.begin(), children.end(), waits) || stopped_holder(guard).empty())
    since_ = now;
  else if (now - since_ >= guard_patience().limit_ns) refuse_guard(Status::Timeout, guard);
  return false;
}

} // namespace mp::bind

using namespace mp;
using namespace mp::bind;

bool handle_is_open(SEXP pointer) {
  return is_open(pointer) && !static_cast<Handle*>(R_ExternalPtrAddr(pointer))->shut;
}

void handle_close(SEXP pointer) {
  entry([&] { close_handle(pointer); });
}

std::string handle_id(SEXP pointer) {
  if (!is_open(pointer)) return "closed";
  auto* h = static_cast<Handle*>(R_ExternalPtrAddr(pointer));
  return std::to_string(h->serial);
}

// Blocks, bytes and a problem found in the heap ("" when it is consistent).
SEXP heap_check() {
  return entry([&] {
    reap();
    HeapReport r = heap().check();
    return with_names(list_of(double(r.used_blocks), double(r.used_bytes), double(r.backed_bytes),
                              double(r.total_bytes), r.problem),
                      {"blocks", "bytes", "backed", "total", "problem"});
  });
}

// The process that is at work in the heap right now, 0: nobody.
int heap_holder() {
  return entry([&] {
    Token t = heap().guard_holder();
    return is_alive(t) ? int(pid_of(t)) : 0;
  });
}

// For how many seconds this process waits for another one that is at work in the heap.
double guard_limit(double seconds) {
  double before = double(guard_patience().limit_ns) / 1e9;
  guard_patience().limit_ns = int64_t(seconds * 1e9);
  return before;
}

// Takes a Ctrl-C that came for something that is over, before it hits something else.
void forget_interrupt() { R_ToplevelExec(check_interrupt, nullptr); }

// A fork copies the random state: without this all children draw the same numbers.
void forget_random_state() { R_removeVarFromFrame(Rf_install(".Random.seed"), R_GlobalEnv); }

bool session_exists() { return heap_exists(); }

SEXP codec_encode(SEXP x) {
  return entry([&]() -> SEXP {
    codec::Encoding e = codec::encode(x, codec::kNoBlocks);
    Protected raw(codec::protect([&] { return Rf_allocVector(RAWSXP, R_xlen_t(e.size())); }));
    e.write(RAW(raw));
    return raw;
  });
}

SEXP codec_decode(SEXP raw) {
  return entry([&] { return codec::decode(RAW(raw), uint64_t(Rf_xlength(raw))); });
}
