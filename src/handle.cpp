// Entry points from R for handles: R/handle.R.
#include "session/handle.h"

#include "session/session.h"

using namespace mp;
using namespace mp::bind;

// [[Rcpp::export(rng = false)]]
bool handle_is_open(SEXP pointer) {
  return is_open(pointer) && !static_cast<Handle*>(R_ExternalPtrAddr(pointer))->shut;
}

// [[Rcpp::export(rng = false)]]
void handle_close(SEXP pointer) {
  entry([&] { close_handle(pointer); });
}

// [[Rcpp::export(rng = false)]]
std::string handle_id(SEXP pointer) {
  if (!is_open(pointer)) return "closed";
  auto* h = static_cast<Handle*>(R_ExternalPtrAddr(pointer));
  return std::to_string(h->serial);
}
