// What workers published becomes R values in the lists of a job.
#include "pool/job_table.h"
#include "pool/slots.h"

#include "codec/codec.h"

#include "core/platform/pages.h"

#include <algorithm>
#include <cstring>

namespace mp::bind {

namespace {

// May jump. False: it is of another type than those before it.
bool put_in_vector(PoolJob& job, R_xlen_t e, uint8_t mark, const uint8_t* slot) {
  SEXPTYPE type = small_type(mark);
  if (type == NILSXP) return false;
  if (VECTOR_ELT(job.vector, 0) == R_NilValue)
    SET_VECTOR_ELT(job.vector, 0, Rf_allocVector(type, R_xlen_t(job.in_vector.size())));
  SEXP vector = VECTOR_ELT(job.vector, 0);
  if (SEXPTYPE(TYPEOF(vector)) != type) return false;
  if (type == REALSXP) std::memcpy(REAL(vector) + e, slot, sizeof(double));
  else std::memcpy((type == INTSXP ? INTEGER(vector) : LOGICAL(vector)) + e, slot, sizeof(int));
  job.in_vector[size_t(e)] = 1;
  return true;
}

} // namespace

SEXP values_of(PoolJob& job) {
  SEXP vector = Rf_isNull(job.vector) ? R_NilValue : VECTOR_ELT(job.vector, 0);
  auto& in = job.in_vector;
  if (vector == R_NilValue) return job.values;
  if (std::find(in.begin(), in.end(), 0) == in.end()) return vector;
  codec::protect([&] {
    for (size_t e = 0; e < in.size(); ++e) {
      if (!in[e]) continue;
      SEXP one = TYPEOF(vector) == REALSXP  ? Rf_ScalarReal(REAL(vector)[e])
                 : TYPEOF(vector) == INTSXP ? Rf_ScalarInteger(INTEGER(vector)[e])
                                            : Rf_ScalarLogical(LOGICAL(vector)[e]);
      SET_VECTOR_ELT(job.values, R_xlen_t(e), one);
      in[e] = 0;
    }
    return R_NilValue;
  });
  return job.values;
}

void JobTable::fail(PoolJob& job, int element, SEXP condition) {
  SET_VECTOR_ELT(job.failures, element - 1, condition);
  ++job.failed;
}

// R may be interrupted, or out of memory, here: what has no failure yet gets one the next time.
void JobTable::mourn(PoolJob& job) {
  if (job.died.empty() && job.lost == 0) return;
  NoReentry busy(busy_);
  while (!job.died.empty()) {
    auto [position, d] = *job.died.begin();
    int e = job.element(position);
    if (!job.owner.has(position)) {
      Protected condition(call_r("death_of_worker", job.names.name(e), job.names.number(e), d.pid, d.status, d.limit, d.peak,
                                 d.tries, d.reading));
      job.owner.settle(position);
      ++job.without_result;
      fail(job, e, condition);
      if (job.each) job.arrived.push_back(e);
    }
    job.died.erase(position);
  }
  if (job.lost == 0) return;
  std::vector<uint64_t> positions;
  std::vector<int> elements, numbers;
  std::vector<std::string> names;
  for (uint64_t p = job.lost_first; p < job.lost_first + job.lost; ++p)
    if (!job.owner.has(p)) {
      positions.push_back(p);
      elements.push_back(job.element(p));
      numbers.push_back(job.names.number(elements.back()));
      names.push_back(job.names.name(elements.back()));
    }
  const Death& d = job.lost_with;
  Protected conditions(call_r("deaths_of_readers", names, numbers, d.pid, d.status, d.limit, d.peak, job.unread));
  for (size_t i = 0; i < positions.size(); ++i) {
    job.owner.settle(positions[i]);
    ++job.without_result;
    fail(job, elements[i], VECTOR_ELT(conditions, R_xlen_t(i)));
    if (job.each) job.arrived.push_back(elements[i]);
  }
  job.lost = 0;
}

void JobTable::collect(PoolJob& job) {
  NoReentry busy(busy_);
  job.owner.drain(
      [&](const ResultRecord& r) {
        const auto* bytes = reinterpret_cast<const uint8_t*>(&r + 1);
        int e = job.element(r.position);
        SEXP value = codec::decode_small(bytes, r.bytes);
        try {
          if (!value) value = codec::decode_or_refuse(bytes, r.bytes);
        } catch (const codec::DecodeError& problem) { // this result alone is lost
          Protected condition(call_r("unreadable_result", job.names.name(e), job.names.number(e), std::string(problem.what())));
          fail(job, e, condition);
          if (job.each) job.arrived.push_back(e);
          return;
        }
        Protected v(value);
        if (ResultStatus(r.status) == ResultStatus::Value && job.slot_block) {
          if (e == 1) job.first = Preserved(v);
          if (fits(v, job.type, job.width)) {
            uint64_t bytes = job.width * element_bytes(job.type);
            put_in_slot(v, job.type, job.width, heap().at(job.slot_block + platform::kVectorLead + uint64_t(e - 1) * bytes));
          } else {
            Protected condition(
                call_r("template_failure", job.names.number(e), SEXP(v), int(job.type), double(job.width)));
            fail(job, e, condition);
          }
          return; // not awaited by itself: the first of several that do not fit is the one to name
        }
        if (ResultStatus(r.status) == ResultStatus::Value) {
          SET_VECTOR_ELT(job.values, e - 1, v);
        } else {
          Protected condition(call_r("task_failure", job.names.name(e), job.names.number(e), SEXP(v)));
          fail(job, e, condition);
        }
        if (job.each) job.arrived.push_back(e);
      },
      [&](uint64_t first, uint64_t end) { take_slots(job, first, end); });
}

void JobTable::take_slots(PoolJob& job, uint64_t first, uint64_t end) {
  NoReentry busy(busy_);
  // The values are already in the vector that becomes the result.
  if (job.slot_block) return job.owner.take_slots(first, end, [](uint64_t, uint8_t, const uint8_t*) {});
  SEXP values = job.values;
  codec::protect([&] {
    job.owner.take_slots(first, end, [&](uint64_t position, uint8_t mark, const uint8_t* slot) {
      R_xlen_t e = job.element(position) - 1;
      if (!Rf_isNull(job.vector) && put_in_vector(job, e, mark, slot)) return;
      SET_VECTOR_ELT(values, e, from_small(mark, slot));
    });
    return R_NilValue;
  });
}

} // namespace mp::bind
