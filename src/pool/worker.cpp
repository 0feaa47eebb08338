// A worker's loop: claims chunks, evaluates, publishes. R code runs between; a jump out of it ends
// in the R function worker_main(), which reports it and comes back here.
#include "pool/worker.h"
#include "pool/function_call.h"
#include "pool/job_body.h"
#include "pool/read_pages.h"
#include "pool/received_functions.h"

#include "session/blocks.h"
#include "session/defer.h"
#include "session/handle.h"
#include "session/interrupts.h"
#include "session/lost.h"
#include "session/output.h"
#include "session/recent_vectors.h"
#include "session/session.h"

#include "core/guard.h"
#include "session/journal.h"
#include "core/job_board.h"
#include "pool/slots.h"

#include "core/platform/pages.h"
#include "core/platform/platform.h"
#include "r/compat.h"
#include "pool/random_streams.h"

#include <algorithm>
#include <cstring>

namespace mp::bind {
namespace {

// Process-local, static: nothing of it is lost when R jumps out of the loop.
struct Run {
  std::unique_ptr<Worker> worker;
  Claim claim;
  bool active = false;     // a chunk is claimed; `position` is the element that comes next
  bool evaluating = false; // `position` has begun
  uint64_t position = 0;
  uint64_t slice_first = 0, slice_end = 0; // the elements that X in the frame has
  bool one_by_one = false; // R could not read several elements of this chunk at once
  uint64_t loaded = 0;                     // serial of the job whose frame is ready
  uint64_t noted = 0;                      // and of the one whose function is known to be readable
  uint64_t version = 0;                    // of the session's journal that this R has
  Preserved frame;     // environment with FUN, X, i and `...`
  Preserved inherited; // the frame of fork_map(): function and elements are here already
  bool star = false;   // elements are argument lists
  bool seeded = false;
  bool was_seeded = false; // the latest job was: it left its generator behind
  bool lent = false;       // the latest job brought variables that are its own
  Stream stream;
  int chunks_left = -1; // maxtasksperchild
  uint64_t sent = 0;    // bytes of results in shared memory that R may still have, too
  int idle_ticks = 0;   // since a chunk was claimed
  uint64_t handles = 0; // handles_made() when those that tasks had dropped were last released
  uint32_t depth = 0;
};
// Never destroyed, as the vector below: the process leaves from inside the loop.
Run& run = *new Run;

bool cancelled() { return run.active && run.worker->cancelled(run.claim); }

// Never destroyed, as `run`.
ReceivedFunctions& functions = *new ReceivedFunctions;
RecentVectors& recent = *new RecentVectors;
constexpr int kTicksToTrim = 20; // a second without work: what R has freed goes back to the system

// A worker reads what it has claimed, however long it waits for the heap: it would not be done later.
SEXP decode(const uint8_t* from, uint64_t bytes) {
  GuardLimit guards = GuardLimit::none();
  return codec::decode(from, bytes);
}

// Called when memory is short.
void give_up_functions() {
  functions.clear();
  recent.clear();
  if (run.active) return;
  run.loaded = 0;
  run.frame = Preserved();
}

SEXP symbol(const char* name) { return Rf_install(name); }

const uint8_t* span_at(const Span& s) { return heap().at(run.claim.job + s.offset); }

// A job's arguments and variables
SEXP decode_body(const Span& s) {
  GuardLimit guards = GuardLimit::none();
  recent.begin_job();
  return codec::decode(span_at(s), s.bytes, false, &recent);
}

// What a task dropped is released soon, though no later task may call this package: others may wait
// for the end of a pipe. A young collection: a full one would write to all that the session has.
void release_dropped() {
  if (run.handles != handles_made()) {
    run.handles = handles_made();
    give_up_functions();
    R_ToplevelExec(
        [](void*) {
          Rf_eval(PROTECT(Rf_lang1(symbol("collect_young"))), package_namespace());
          UNPROTECT(1);
        },
        nullptr);
  }
  release_views();
  do_deferred();
}

SEXP decode_slice(const Span& s, uint64_t first, uint64_t n, bool* whole) {
  GuardLimit guards = GuardLimit::none(); // as in decode()
  return codec::decode_slice(span_at(s), s.bytes, first, n, whole, &recent);
}

// A job that this worker has not seen before: its function, arguments, variables.
void load_job() {
  JobShared& j = job_at(run.claim.job);
  uint64_t serial = heap().serial_of(run.claim.job);
  if (run.loaded == serial) return;
  run.loaded = 0;
  if (!j.function.page) {
    run.frame = Preserved(SEXP(run.inherited));
    run.star = run.seeded = false;
  } else {
    Protected fun(functions.at(j.function));
    Protected body(decode_body(j.body));
    run.star = LOGICAL(part_of(body, JobPart::Star))[0];
    run.version = read_pages(part_of(body, JobPart::Pages), run.version);
    refuse_lost(part_of(body, JobPart::Args), Received::Arguments);
    if (has_part(body, JobPart::Variables)) refuse_lost(VECTOR_ELT(part_of(body, JobPart::Variables), 1), Received::Arguments);
    bool plain = !has_part(body, JobPart::Args) && !has_part(body, JobPart::Variables) &&
                 !has_part(body, JobPart::Packages) && !run.lent && !run.was_seeded;
    if (run.star && plain && !Rf_isObject(fun)) { // one call of a function: nothing to prepare
      SEXP enclosure = frame_enclosure(fun);
      Protected frame(codec::protect([&] {
        SEXP made = PROTECT(R_NewEnv(enclosure, 0, 0));
        Rf_defineVar(symbol("FUN"), fun, made);
        if (enclosure != R_BaseNamespace)
          Rf_defineVar(R_Bracket2Symbol, r::frame_variable(R_BaseEnv, R_Bracket2Symbol), made);
        UNPROTECT(1);
        return made;
      }));
      run.frame = Preserved(frame);
    } else {
      run.lent = has_part(body, JobPart::Variables);
      Protected call(Rf_lang4(symbol("worker_frame"), fun, body, Rf_ScalarLogical(run.was_seeded)));
      Protected frame(evaluate(call, package_namespace()));
      run.frame = Preserved(frame);
    }
    SEXP seed = part_of(body, JobPart::Seed);
    run.seeded = run.was_seeded = !Rf_isNull(seed);
    if (run.seeded) run.stream = Stream::from_r(seed);
  }
  run.loaded = serial;
}

void define(SEXP name, SEXP value) {
  codec::protect([&] {
    Rf_defineVar(name, value, run.frame);
    return R_NilValue;
  });
}

// What every element of the job needs could be read.
void note_read() {
  uint64_t serial = heap().serial_of(run.claim.job);
  if (run.noted != serial) run.worker->note_read(run.claim);
  run.noted = serial;
}

void begin() {
  run.worker->begin(run.claim, run.position);
  run.evaluating = true;
}

// The elements that come next, as X in the frame; and a chunk's own preparations. If a worker dies
// as it reads several, none of them is known to be the cause: from then on they are read one by one,
// each as a part of its own computation.
void load_slice() {
  JobShared& j = job_at(run.claim.job);
  run.slice_first = run.position;
  run.slice_end = run.claim.end;
  if (!j.function.page) {
    Protected call(call_to("begin_chunk", int(run.claim.chunk) + 1,
                           double(run.position - run.claim.origin)));
    evaluate(call, run.frame);
    note_read();
    return;
  }
  bool whole = false;
  decode_slice(j.input, run.position, 0, &whole);
  if (whole) { // elements that share environments travel in one piece, and are read in one
    Protected all(decode(span_at(j.input), j.input.bytes));
    Protected part(call_r("worker_slice", SEXP(all), double(run.position),
                          double(run.slice_end - run.position)));
    refuse_lost(part, run.star ? Received::Calls : Received::Elements);
    define(symbol("X"), part);
    note_read();
  } else {
    note_read();
    if (run.one_by_one || j.one_by_one.load(std::memory_order_relaxed)) // the claim has acquired it
      run.slice_end = run.position + 1;
    if (run.slice_end == run.position + 1) begin();
    else run.worker->read_slice();
    // no functions and environments, which would travel in one piece: nothing was lost
    try {
      Protected x(decode_slice(j.input, run.position, run.slice_end - run.position, &whole));
      define(symbol("X"), x);
    } catch (...) {
      if (cancelled()) throw;    // by a Ctrl-C of the owner's: that is the end of the job, not of an element
      if (run.evaluating) throw; // the error of this element
      run.one_by_one = true;     // one of several has failed: it is found, and fails alone
    }
    if (run.one_by_one && !run.evaluating) return load_slice();
  }
  if (run.seeded) run.stream.seek(run.position);
}

// A value of the job's type, in its slot: what marks it. 0: it does not fit.
uint8_t put_typed(SEXP value, uint8_t* slot) {
  const JobShared& j = *run.claim.shared;
  SEXPTYPE type = SEXPTYPE(j.slot_type);
  uint64_t width = j.slot_bytes / element_bytes(type);
  // The first element's several numbers come whole if they may have names for the rows.
  if (width != 1 && slot == run.claim.slots && r::has_attributes(value)) return 0;
  if (!fits(value, type, width)) return 0;
  put_in_slot(value, type, width, slot);
  run.sent += j.slot_bytes;
  return 1;
}

// The value went to the element's slot.
bool put_in_its_slot(SEXP value) {
  if (!run.claim.marks) return false;
  uint8_t* slot = run.worker->slot(run.claim, run.position);
  uint8_t mark = run.claim.shared->slot_type ? put_typed(value, slot) : put_small(value, slot);
  if (mark) run.worker->mark(run.claim, run.position, mark);
  return mark != 0;
}

void send_value(SEXP value, ResultStatus status) {
  uint64_t before = stored_bytes();
  GuardLimit guards = GuardLimit::none(); // it would not be done later; the owner can kill us
  alignas(8) uint8_t small[256];
  uint64_t n = codec::encode_small(value, small, sizeof small);
  if (n) {
    std::memcpy(run.worker->room(run.claim, run.position, n), small, n);
  } else {
    codec::Encoding e = codec::encode(value);
    std::vector<Reference> refs = references_of(e.handles());
    e.write(run.worker->room(run.claim, run.position, e.size(), uint32_t(refs.size())));
    if (!refs.empty()) run.worker->seal_result(refs);
  }
  run.worker->publish(run.claim, status);
  run.sent += stored_bytes() - before;
}

// The element is over.
void publish_value(SEXP value, ResultStatus status) {
  mark_output(); // what it printed is shown before its value is available
  if (status == ResultStatus::Error || !put_in_its_slot(value))
    send_value(value, status);
  ++run.position;
  run.evaluating = false;
}

void end_chunk() {
  if (run.position >= run.claim.end) run.worker->finish(run.claim);
  run.active = false; // from here on the handler takes no interrupt
  if (run.chunks_left > 0) --run.chunks_left;
}

// Outcome of publishing inside the evaluation, where nothing may be thrown.
std::exception_ptr publish_problem;
bool publish_quietly(SEXP value) {
  try {
    publish_value(value, ResultStatus::Value);
    return true;
  } catch (...) {
    publish_problem = std::current_exception();
    return false;
  }
}

constexpr uint64_t kLargeResult = 16 * 1024 * 1024;
constexpr R_xlen_t kLongResult = kLargeResult / sizeof(Rcomplex); // a large one has as many elements

// Is `value` a large vector with pages of its own, that nothing of R's refers to any more? R counts references from variables,
// lists, attributes, promises and preserved objects.
bool is_ours_alone(SEXP value) {
  if (Rf_xlength(value) < kLongResult) return false; // most results end here
  if (ALTREP(value) || MAYBE_REFERENCED(value) || !element_bytes(SEXPTYPE(TYPEOF(value)))) return false;
  uint64_t bytes = codec::bytes_in(value);
  return bytes >= kLargeResult && platform::has_own_pages(codec::data_of(value), bytes);
}

// A large result would exist twice, in shared memory and here, until R collects by itself; together with what its
// computation left. If it is ours alone, its pages are freed at once. May jump.
bool publish_result(SEXP value) {
  if (!is_ours_alone(value)) return publish_quietly(value);
  collect_dropped(); // what its computation left
  if (!publish_quietly(value)) return false;
  if (is_ours_alone(value)) platform::drop_pages(codec::data_of(value), codec::bytes_in(value));
  run.sent = 0;
  return true;
}

// Large results that are not ours alone are freed by a collection, if they are young.
void drop_sent() {
  if (run.sent < kLargeResult) return;
  run.sent = 0;
  collect_dropped();
}

// Evaluates the elements that were read. May longjmp: its frames own nothing.
SEXP evaluate_slice() {
  SEXP fun = symbol("FUN"), index_name = symbol("i"); // never collected
  SEXP each = PROTECT(Rf_eval(symbol("each_call"), package_namespace()));
  SEXP number; // one index for all elements, as lapply() has, unless other code has kept it
  PROTECT_INDEX at_number;
  PROTECT_WITH_INDEX(number = Rf_ScalarInteger(0), &at_number);
  // A function's parent.frame() is not ours: what it assigns there ends with the element.
  SEXP caller;
  PROTECT_INDEX at_caller;
  PROTECT_WITH_INDEX(caller = R_NewEnv(run.frame, 0, 0), &at_caller);
  bool inherited = !job_at(run.claim.job).function.page;
  SEXP x = PROTECT(run.star ? r::frame_variable(run.frame, symbol("X")) : R_NilValue);
  while (run.position < run.slice_end) {
    if (run.worker->cancelled(run.claim)) break;
    uint64_t k = run.position - run.slice_first;
    begin();
    if (run.seeded) run.stream.next_into_r();
    SEXP value;
    if (run.star) {
      SEXP args = PROTECT(VECTOR_ELT(x, R_xlen_t(k)));
      Rf_defineVar(symbol("args"), args, run.frame);
      SEXP call = PROTECT(star_call(args, fun));
      // Forced: the function may assign to `args` of its caller before it looks at an argument.
      value = PROTECT(R_forceAndCall(call, int(Rf_xlength(args)), caller));
      UNPROTECT(3);
    } else {
      int index = inherited ? int(run.position - run.claim.origin) + 1 : int(k) + 1;
      if (MAYBE_SHARED(number)) REPROTECT(number = Rf_ScalarInteger(0), at_number);
      INTEGER(number)[0] = index;
      Rf_defineVar(index_name, number, run.frame); // whatever the function made of it
      value = PROTECT(R_forceAndCall(each, 1, caller));
      UNPROTECT(1);
    }
    PROTECT(value);
    if (run.depth != fork_depth())
      platform::leave(0); // a fork that the function made came back here
    bool published = publish_result(value);
    if (Rf_xlength(caller) > 0 || R_EnvironmentIsLocked(caller))
      REPROTECT(caller = R_NewEnv(run.frame, 0, 0), at_caller);
    UNPROTECT(1);
    drop_sent();
    if (!published) break;
  }
  UNPROTECT(4);
  return R_NilValue;
}

} // namespace

// `version`: NULL in a fork, which has its own copy of the journal.
void begin_worker(SEXP pool, int index, int maxtasks, SEXP inherited, SEXP version) {
  entry([&] {
    run.worker = std::make_unique<Worker>(block_of(pool, BlockKind::Pool), uint32_t(index));
    run.chunks_left = maxtasks;
    run.version = Rf_isNull(version) ? journal().version() : uint64_t(Rf_asReal(version));
    run.depth = fork_depth();
    run.active = false;
    run.handles = handles_made();
    run.inherited = Preserved(inherited);
    platform::keep_freed_memory();
    interrupt_wanted = cancelled;
    at_shortage(give_up_functions);
  });
}

// TRUE when the pool has no more work for this worker; FALSE after a job that was cancelled. An R
// error comes out as it is.
bool run_worker() {
  return entry([&] {
    Wait idle;
    idle.frees = true;
    idle.tick = [](void*) {
      if (run.idle_ticks > 0) { // not between jobs that follow each other: the next one would wait
        recent.clear();
        collect_if_heavy();
      }
      collect_if_asked();
      show_output(); // of this worker's own children
      release_dropped();
      if (++run.idle_ticks == kTicksToTrim) platform::trim_allocator();
      return false;
    };
    for (;;) {
      if (!run.active) {
        if (run.chunks_left == 0) return true;
        if (run.worker->next(run.claim, idle) == Status::Ended) return true;
        run.active = true;
        run.one_by_one = false;
        run.idle_ticks = 0;
        run.position = run.slice_end = run.claim.first;
        load_job();
      }
      while (run.position < run.claim.end && !run.worker->cancelled(run.claim)) {
        if (run.position >= run.slice_end) load_slice();
        recent.end_input();
        codec::protect([] { return evaluate_slice(); });
        if (publish_problem) {
          std::exception_ptr problem;
          std::swap(problem, publish_problem);
          std::rethrow_exception(problem);
        }
      }
      end_chunk();
      if (run.worker->cancelled(run.claim)) return false;
    }
  });
}

bool element_cancelled() { return cancelled(); }

SEXP task_frame() { return run.frame; }

// The element that was being computed failed: its error is its result, and the loop continues after
// it.
void fail_element(SEXP failure) {
  entry([&] {
    if (!run.active) return;
    if (run.worker->cancelled(run.claim)) {
      run.active = false;
      return;
    }
    // Nothing was begun if reading failed: then every element of the chunk fails with it.
    if (!run.evaluating) run.worker->begin(run.claim, run.position);
    bool loaded = run.loaded == heap().serial_of(run.claim.job) && run.evaluating;
    publish_value(failure, ResultStatus::Error);
    while (!loaded && run.position < run.claim.end) {
      run.worker->begin(run.claim, run.position);
      publish_value(failure, ResultStatus::Error);
    }
    if (run.position >= run.claim.end) end_chunk();
  });
}

} // namespace mp::bind
