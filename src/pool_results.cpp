// What workers published becomes R values in the lists of a job.
#include "bind_pool.h"
#include "places.h"

namespace mp::bind {

void PoolOwner::fail(PoolJob& job, uint64_t position, SEXP condition) {
  int e = job.element(position);
  SET_VECTOR_ELT(job.failures, e - 1, condition);
  ++job.failed;
  job.arrived.push_back(e);
}

void PoolOwner::collect(PoolJob& job) {
  Busy busy(busy_);
  job.owner.drain(
      [&](const ResultRecord& r) {
        const auto* bytes = reinterpret_cast<const uint8_t*>(&r + 1);
        int e = job.element(r.position);
        SEXP value = codec::decode_small(bytes, r.bytes);
        Protected v(value ? value : codec::decode(bytes, r.bytes));
        if (ResultStatus(r.status) == ResultStatus::Value && job.places) {
          if (e == 1) job.first = Kept(v);
          if (fits(v, job.type, job.width)) {
            uint64_t bytes = job.width * element_bytes(job.type);
            put_in_place(v, job.type, job.width, heap().at(job.places + uint64_t(e - 1) * bytes));
          } else {
            Protected condition(
                call_r("template_failure", e, SEXP(v), int(job.type), double(job.width)));
            SET_VECTOR_ELT(job.failures, e - 1, condition);
            ++job.failed;
          }
          return; // not awaited by itself: the first of several that do not fit is the one to name
        }
        if (ResultStatus(r.status) == ResultStatus::Value) {
          SET_VECTOR_ELT(job.values, e - 1, v);
        } else {
          Protected condition(call_r("task_failure", e, SEXP(v)));
          SET_VECTOR_ELT(job.failures, e - 1, condition);
          ++job.failed;
        }
        if (job.each) job.arrived.push_back(e);
      },
      [&](uint64_t first, uint64_t end) { take_small(job, first, end); });
}

void PoolOwner::take_small(PoolJob& job, uint64_t first, uint64_t end) {
  Busy busy(busy_);
  SEXP values = job.values;
  codec::protect([&] {
    job.owner.take_small(first, end, [&](uint64_t position, uint8_t mark, uint64_t value) {
      SET_VECTOR_ELT(values, job.element(position) - 1, from_small(mark, value));
    });
    return R_NilValue;
  });
}

} // namespace mp::bind
