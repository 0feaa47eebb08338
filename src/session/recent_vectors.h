// The latest large vectors that jobs brought to this worker: a job that refers to the same block as an earlier one gets the same
// vector, if nothing was written into it. An allocation of its size would make R collect.
//
// They are held, so R copies one before a task changes it. Compiled code that writes into one nevertheless is seen by its pages.
#pragma once

#include "codec/codec.h"
#include "r/call.h"

#include <vector>

namespace mp::bind {

class RecentVectors final : public codec::RecentVectors {
public:
  void begin_job(); // what the last job brought may be taken, each once
  void end_input(); // no more may: this job's arguments and first elements have been read
  SEXP take(const codec::HandleId& id, SEXPTYPE type, uint64_t length) override;
  void add(const codec::HandleId& id, SEXP x) override;
  void clear();

private:
  struct Vector {
    codec::HandleId id;
    Preserved value;
  };
  std::vector<Vector> last_, now_; // the last job's; this one's
};

} // namespace mp::bind
