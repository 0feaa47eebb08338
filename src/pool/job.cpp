// Jobs of a pool, from the owner's side: submitted, awaited, taken.
#include "pool/job.h"
#include "pool/job_body.h"
#include "session/handle.h"
#include "session/output.h"
#include "session/session.h"
#include "session/waits.h"
#include "pool/sent_functions.h"
#include "pool/slots.h"
#include "session/needs.h"

#include "core/platform/pages.h"

#include <algorithm>
#include <climits>
#include <cstring>

namespace mp::bind {
namespace {

SEXP new_list(uint64_t n) {
  return codec::protect([&] { return Rf_allocVector(VECSXP, R_xlen_t(n)); });
}

std::unique_ptr<PoolJob> make_job(PoolOwner& owner, uint64_t block, const JobPlan& plan, const ElementNames& names) {
  auto job = std::make_unique<PoolJob>();
  job->names = names;
  job->owner = JobOwner(owner.block(), block);
  job->each = plan.notify_each;
  job->overlaps = plan.notify_chunks;
  if (!plan.slot_block) job->values = Preserved(new_list(plan.count));
  job->failures = Preserved(new_list(plan.count));
  return job;
}

// `wanted`: a size, 0 for guided self-scheduling, or the first positions of each chunk and the end.
std::vector<uint64_t> chunk_starts(const std::vector<double>& wanted, uint64_t count,
                                   uint32_t workers) {
  if (wanted.size() != 1) return std::vector<uint64_t>(wanted.begin(), wanted.end());
  return wanted[0] > 0 ? equal_chunks(count, uint64_t(wanted[0])) : guided_chunks(count, workers);
}

// Does this process take results while workers compute? Yes if a core is left for it. Yes with many workers, too: it takes the core
// of one, and the others go on.
bool takes_meanwhile(size_t workers) {
  constexpr size_t kMany = 4;
  return workers < size_t(mapped.cores) || workers >= kMany;
}

// Is it worthwhile to have room for a number from each element? Such numbers become visible at the end of their
// chunk, and a chunk costs as much as a few results.
bool room_for_small_values(const JobPlan& plan) {
  return !plan.notify_each && plan.count >= 4 * (plan.starts.size() - 1);
}

// `kept`: what it refers to, but for the pages of the session and functions that are kept for other jobs anyway.
template <class T> bool is_heavy(const std::vector<T>& kept, uint64_t bytes) {
  constexpr uint64_t kHeavy = 64 * 1024;
  return !kept.empty() || bytes > kHeavy;
}

// The results that lie in slots of one block, as one vector.
SEXP values_in_slots(const PoolJob& j, uint64_t count) {
  uint64_t length = count * j.width, bytes = length * element_bytes(j.type);
  if (bytes >= codec::kBlockBytes) {
    codec::HandleId id{uint32_t(BlockKind::Bytes), j.slot_block, heap().serial_of(j.slot_block)};
    return codec::protect([&] { return codec::view_of(j.type, R_xlen_t(length), id); });
  }
  Protected x(codec::protect([&] { return Rf_allocVector(j.type, R_xlen_t(length)); }));
  if (bytes) std::memcpy(codec::data_of(x), heap().at(j.slot_block + platform::kVectorLead), bytes);
  return x;
}

// Errors about what cannot travel name it as its user knows it.
codec::Encoding encode_body(Exports::Job& exports, SEXP body) {
  try {
    return exports.encode(body);
  } catch (const codec::EncodeError& e) {
    const codec::Path& path = e.path;
    auto leads_into = [&](JobPart part) { return !path.empty() && path[0].index == R_xlen_t(part) + 1; };
    std::string part;
    if (leads_into(JobPart::Args)) part = "`" + codec::text_of(path, 1, "args") + "`";
    else if (leads_into(JobPart::Variables) && path.size() > 2) // they are named by the second column, see pages.cpp
      part = "`" + codec::text_of(path, 3, path[2].name) + "`, a variable that the function uses,";
    else throw;
    throw Error{e.kind(), e.message_about(part)};
  }
}

codec::Encoding encode_elements(SEXP elements, const ElementNames& names, const codec::PointersKept* kept = nullptr) {
  try {
    return codec::encode(elements, codec::kBlockBytes, nullptr, kept);
  } catch (const codec::EncodeError& e) {
    throw Error{e.kind(), e.message_about(names.place(e.path))};
  }
}

// A job whose caller waits for it: nothing else would cancel it.
class Awaited {
public:
  Awaited(PoolOwner& owner, int id) : owner_(owner), id_(id) {}
  Awaited(const Awaited&) = delete;
  Awaited& operator=(const Awaited&) = delete;
  ~Awaited() {
    try {
      owner_.jobs().cancel(id_); // nothing, if it was taken
    } catch (...) {       // the heap's guard was not acquired: the rest is freed with the pool
    }
  }

private:
  PoolOwner& owner_;
  int id_;
};

} // namespace

SEXP take_job(PoolOwner& owner, int id) {
  PoolJob& j = owner.job(id);
  uint64_t count = uint64_t(Rf_xlength(j.failures));
  Protected values(j.slot_block ? values_in_slots(j, count) : values_of(j));
  Protected r(with_names(list_of(SEXP(values), SEXP(j.failures), j.failed > 0, SEXP(j.first)),
                         {"values", "failures", "failed", "first"}));
  owner.jobs().forget(id);
  return r;
}

void await_job(PoolOwner& owner, int id) {
  owner.wait(wait_for(R_NilValue), [&] { return owner.job(id).done(); });
  show_output();
}

// The name of the variable with a live pointer whose value `fun` is, and which all workers (forks) of
// the pool have; else NULL.
SEXP inherited_name(SEXP pool, SEXP fun) {
  return entry([&]() -> SEXP {
    PoolOwner& owner = pool_of(pool);
    if (!journal().withheld()) return R_NilValue;
    for (const Variable& v : journal().variables())
      if (v.travels == Travels::Pointer && v.binding.value == fun && journal().version_of(v) <= owner.pages().base())
        return codec::protect([&] { return Rf_mkString(CHAR(PRINTNAME(v.symbol))); });
    return R_NilValue;
  });
}

// What a job needs of the session; called before it is submitted. `spawn`: the workers began as a new
// R. NULL, or list(variables, packages), see session_needs().
SEXP needs_in_pool(SEXP pool, SEXP fun, SEXP args, SEXP elements, bool spawn) {
  return entry([&]() -> SEXP {
    PoolOwner& owner = pool_of(pool);
    if (is_bare(elements) && Rf_xlength(args) == 0 && journal().quiet()) {
      SentFunction* sent = sent_function(fun, false);
      InUse in_use(sent);
      if (sent && needs_nothing(*sent)) {
        owner.pages().update(journal());
        return R_NilValue;
      }
    }
    journal().look();
    owner.pages().update(journal());
    bool classes = spawn || journal().loaded_since(owner.pages().base());
    if (!classes && !journal().withheld()) return R_NilValue;
    Protected values(list_of(fun, args, elements));
    return needs_of_values(values, classes, owner.pointers());
  });
}

// A job. `fun` NULL: the workers inherit it, see run_once(). `body`: see job_body.h. `iterable`: the
// elements. `chunks`: see chunk_starts(). `order`: which element each position is, from 1; empty:
// in order. `type`: NULL, or a vector of the type and length of all results, or a name: they may
// become one vector, of whatever type. `names`: of the elements, in errors. Returns its id.
int submit_map(PoolOwner& owner, SEXP fun, SEXP body, SEXP iterable, double count, SEXP chunks,
               SEXP order, int retries, double task_timeout, bool each, SEXP type, const ElementNames& names) {
  JobPlan plan;
  if (count > INT_MAX)
    throw Error{"ValueError", "a job has at most 2,147,483,647 elements: give each task a range "
                              "of them, or use several jobs"};
  plan.count = uint64_t(count);
  plan.starts = chunk_starts(doubles_of(chunks), plan.count, uint32_t(owner.workers().count()));
  plan.notify_each = each;
  plan.notify_chunks = takes_meanwhile(owner.workers().count());
  plan.timed = task_timeout > 0;
  plan.slots = room_for_small_values(plan);
  // a share for each worker: none draws from another's stream or sees what its share left behind
  plan.pinned = Rf_isNull(fun) && plan.starts.size() == owner.workers().count() + 1;
  NewBlock function; // until the job refers to it
  bool heavy = false;
  Exports::Job exports(owner.exports());
  SentFunction* sent = Rf_isNull(fun) ? nullptr : sent_function(fun, plan.count > 1);
  InUse in_use(sent);
  if (!Rf_isNull(fun)) {
    uint64_t block;
    if (sent) {
      block = sent->block;
    } else {
      Protected prepared(prepared_function(fun, plan.count > 1 && owner.workers().new_ones()));
      codec::Encoding e = exports.encode(prepared);
      heavy = is_heavy(e.handles(), e.size()); // it goes with the job
      function = NewBlock(store_encoded(e));
      block = function.get();
    }
    plan.function = {Heap::page_of(block), heap().serial_of(block)};
  }
  bool sees = !Rf_isNull(body) && part_of(body, JobPart::Pages) == R_NilValue; // the session as it is
  if (sees) {
    Protected pages(owner.pages().as_vector());
    SET_VECTOR_ELT(body, R_xlen_t(JobPart::Pages), pages);
  }
  codec::Encoding rest = encode_body(exports, body), input = encode_elements(iterable, names, owner.pointers());
  std::vector<Reference> refs = references_of(rest.handles()),
                         more = references_of(input.handles());
  refs.insert(refs.end(), more.begin(), more.end());
  plan.body_bytes = rest.size();
  plan.input_bytes = input.size();
  heavy = heavy || is_heavy(refs, plan.body_bytes + plan.input_bytes);
  if (sees) owner.pages().add_references(refs);
  std::vector<int> elements = integers_of(order);
  NewBlock values;
  if (SEXPTYPE t = TYPEOF(type); plan.count && element_bytes(t)) {
    plan.slots = true;
    plan.slot_type = t;
    plan.slot_bytes = uint64_t(Rf_xlength(type)) * element_bytes(t);
    uint64_t bytes = std::max<uint64_t>(1, plan.count * plan.slot_bytes);
    values = NewBlock(heap().allocate(platform::kVectorLead + bytes, BlockKind::Bytes, false));
    plan.slot_block = values.get();
    for (int e : elements) plan.elements.push_back(uint32_t(e - 1));
    refs.push_back({Heap::page_of(plan.slot_block), heap().serial_of(plan.slot_block)});
    heavy = true;
  }
  plan.references = refs.size();
  NewBlock unsent(create_job(owner.block(), plan));
  rest.write(heap().at(unsent.get() + job_at(unsent.get()).body.offset));
  input.write(heap().at(unsent.get() + job_at(unsent.get()).input.offset));
  seal_job(unsent.get(), refs);
  auto job = make_job(owner, unsent.get(), plan, names);
  job->inherited = Rf_isNull(fun);
  job->heavy = heavy;
  job->retries = retries;
  job->timeout_ns = int64_t(task_timeout * 1e9);
  job->elements = std::move(elements);
  if (plan.slot_block) {
    job->type = SEXPTYPE(plan.slot_type);
    job->width = uint64_t(Rf_xlength(type));
    job->slot_block = plan.slot_block;
  }
  if (TYPEOF(type) == SYMSXP) {
    job->vector = Preserved(new_list(1));
    job->in_vector.resize(plan.count);
  }
  int id = owner.submit(std::move(job));
  unsent.release(); // the pool's from here on
  values.release();
  return id;
}

int run_once(PoolOwner& owner, double count, SEXP chunks, SEXP order, int retries, bool each, SEXP type) {
  int id = submit_map(owner, R_NilValue, R_NilValue, R_NilValue, count, chunks, order, retries, 0, each, type, ElementNames());
  owner.close(); // no other job comes; workers that have a chunk to compute are started
  return id;
}

// One call of a function, submitted: its id. 0: it is not a simple one (options, variables or packages that have to be
// sent), take the long way.
int begin_call(PoolOwner& owner, SEXP fun, SEXP args, bool spawn) {
  if (!owner.simple() || !Rf_isFunction(fun) || TYPEOF(args) != VECSXP || Rf_isObject(args)) return 0;
  for (R_xlen_t i = 0; i < Rf_xlength(args); ++i)
    if (!is_bare(VECTOR_ELT(args, i)) && pointer_of(VECTOR_ELT(args, i)) == R_NilValue) return 0; // a handle needs nothing either
  SentFunction* sent = sent_function(fun, false);
  InUse in_use(sent);
  if (!sent) return 0;
  if (!needs_nothing(*sent) || !journal().quiet()) {
    uint64_t version = journal().look();
    bool classes = spawn || journal().loaded_since(owner.pages().base());
    if ((classes || journal().withheld()) && sent->needed_nothing != 2 * version + classes) {
      Needs needs(journal().withheld() > 0, classes);
      needs.visit(fun);
      if (needs.any()) return 0;
      sent->needed_nothing = 2 * version + classes;
    }
  }
  owner.pages().update(journal());
  const std::vector<uint8_t>& body = owner.pages().call_body();

  ElementNames names(ElementNames::Call);
  Protected elements(list_of(args));
  codec::Encoding input = encode_elements(elements, names);
  std::vector<Reference> refs = references_of(input.handles());
  JobPlan plan;
  plan.count = 1;
  plan.starts = {0, 1};
  plan.function = {Heap::page_of(sent->block), heap().serial_of(sent->block)};
  plan.body_bytes = body.size();
  plan.input_bytes = input.size();
  bool heavy = is_heavy(refs, plan.body_bytes + plan.input_bytes);
  owner.pages().add_references(refs);
  plan.references = refs.size();
  NewBlock unsent(create_job(owner.block(), plan));
  std::copy(body.begin(), body.end(), heap().at(unsent.get() + job_at(unsent.get()).body.offset));
  input.write(heap().at(unsent.get() + job_at(unsent.get()).input.offset));
  seal_job(unsent.get(), refs);
  auto job = make_job(owner, unsent.get(), plan, names);
  job->heavy = heavy;
  int id = owner.submit(std::move(job));
  unsent.release();
  return id;
}

SEXP call_outcome(PoolJob& j) {
  SEXP value = VECTOR_ELT(j.values, 0), failure = VECTOR_ELT(j.failures, 0);
  return failure == R_NilValue ? list_of(value) : list_of(value, failure);
}

// One call of a function, waited for: list(value) or list(NULL, failure). NULL: see begin_call().
SEXP call_in_pool(SEXP pool, SEXP fun, SEXP args, bool spawn) {
  return entry([&]() -> SEXP {
    PoolOwner& owner = pool_of(pool);
    int id = begin_call(owner, fun, args, spawn);
    if (!id) return R_NilValue;
    Awaited guard(owner, id);
    await_job(owner, id);
    Protected r(call_outcome(owner.job(id)));
    owner.jobs().forget(id);
    return SEXP(r);
  });
}

} // namespace mp::bind
