// An R in this process: its start, the handles that the codec knows here, and the seeds.
#include "target.h"

#include "blocks.h"
#include "codec/codec.h"

#include <Rembedded.h>
#define CSTACK_DEFNS // R_CStackLimit
#define R_INTERFACE_PTRS
#include <Rinterface.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

using namespace mp::codec;

namespace fuzz {

bool error_asked_for = false;

namespace {

// Four environments and four external pointers stand for all handles.
constexpr int kHandles = 4;
SEXP handles; // a list of both

bool describe(SEXP x, HandleId* out) {
  for (int i = 0; i < 2 * kHandles; i++)
    if (VECTOR_ELT(handles, i) == x) {
      *out = {7, static_cast<uint64_t>(i % kHandles), static_cast<uint64_t>(i) << 40};
      return true;
    }
  return false;
}

// Fails in both ways in which a handle of the package can.
SEXP revive(const HandleId& id, bool external_pointer) {
  if (id.kind % 16 == 13) {
    error_asked_for = true;
    Rf_error("this handle cannot be revived");
  }
  if (id.kind % 16 == 14) return R_NilValue;
  return VECTOR_ELT(handles,
                    static_cast<R_xlen_t>(id.block % kHandles) + (external_pointer ? kHandles : 0));
}

void set_up_handles() {
  static char targets[kHandles];
  handles = Rf_allocVector(VECSXP, 2 * kHandles);
  R_PreserveObject(handles);
  for (int i = 0; i < kHandles; i++) {
    SET_VECTOR_ELT(handles, i, R_ParseEvalString("new.env()", R_BaseEnv));
    SET_VECTOR_ELT(handles, kHandles + i, R_MakeExternalPtr(targets + i, R_NilValue, R_NilValue));
  }
  Rf_defineVar(Rf_install("handles"), handles, R_GlobalEnv);
  set_hooks({describe, revive, nullptr});
}

} // namespace

void start_r() {
  setenv("R_DEFAULT_PACKAGES", "NULL", 1); // a small heap: collections are quick
  R_SignalHandlers = 0;                    // a crash is the sanitizer's, not R's
  const char* arguments[] = {"fuzz", "--vanilla", "--no-echo"};
  Rf_initialize_R(3, const_cast<char**>(arguments));
  R_CStackLimit = static_cast<uintptr_t>(-1); // frames are larger under a sanitizer
  R_Interactive = FALSE;
  setup_Rmainloop();
  set_up_handles();
  set_up_blocks();
}

std::vector<Bytes> seeds(const char* script) {
  std::ifstream file(script);
  std::stringstream text;
  text << file.rdbuf();
  SEXP values = PROTECT(R_ParseEvalString(text.str().c_str(), R_GlobalEnv));
  std::vector<Bytes> all;
  static std::vector<Encoding> kept; // their blocks
  for (R_xlen_t i = 0; i < Rf_xlength(values); i++) {
    for (uint64_t block_bytes : {kNoBlocks, uint64_t{24}}) {
      Encoding e = encode(VECTOR_ELT(values, i), block_bytes);
      if (e.size() > kMaxInput || (block_bytes != kNoBlocks && e.handles().empty())) continue;
      all.emplace_back(e.size());
      e.write(all.back().data());
      kept.push_back(std::move(e));
    }
  }
  UNPROTECT(1);
  // From now on errors are expected: those of revive().
  R_ParseEvalString("options(show.error.messages = FALSE, warn = -1)", R_BaseEnv);
  return all;
}

} // namespace fuzz
