// What is done when R loads the library.
#include "codec/codec.h"
#include "threads/api.h"

namespace mp::bind {
void register_windows(DllInfo* dll); // array.cpp
}

// [[Rcpp::init]]
void prepare_library(DllInfo* dll) {
  R_forceSymbols(dll, TRUE);
  mp::codec::register_views(dll);
  mp::bind::register_windows(dll);
  mp::bind::register_thread_api();
#ifdef MULTIPROCESSING_RCPP
  SEXP name = PROTECT(Rf_mkString("Rcpp")); // whose run time the generated code uses
  SEXP load = PROTECT(Rf_lang2(Rf_install("loadNamespace"), name));
  Rf_eval(load, R_BaseEnv);
  UNPROTECT(2);
#endif
}
