#include "r/call.h"

#include "core/error.h"

#include <cstring>
#include <new>

extern "C" void Rf_onintr(void);

namespace mp::bind {
namespace {

SEXP kept_values() { // the list's head
  static SEXP head = nullptr;
  if (!head) { // a finalizer may make the list while this allocates: then that list is used
    SEXP fresh = PROTECT(Rf_cons(R_NilValue, R_NilValue));
    R_PreserveObject(fresh);
    UNPROTECT(1);
    if (!head) head = fresh;
  }
  return head;
}

SEXP coerced(SEXP x, SEXPTYPE type) {
  return SEXPTYPE(TYPEOF(x)) == type ? x : protect([&] { return Rf_coerceVector(x, type); });
}

Failure abortion(const char* kind, const std::string& message) {
  try {
    return {Failure::Signal, call_to("abort", kind, message)};
  } catch (const Unwind& u) { // no memory for the call
    return {Failure::Jump, u.token};
  }
}

} // namespace

Preserved::Preserved(SEXP x) {
  Protected value(x);
  cell_ = protect([&]() -> SEXP {
    SEXP head = kept_values(), next = CDR(head);
    SEXP cell = PROTECT(Rf_cons(head, next));
    SET_TAG(cell, value);
    SETCDR(head, cell);
    if (next != R_NilValue) SETCAR(next, cell);
    UNPROTECT(1);
    return cell;
  });
}

Preserved::~Preserved() {
  if (!cell_) return;
  SEXP before = CAR(cell_), after = CDR(cell_);
  SETCDR(before, after);
  if (after != R_NilValue) SETCAR(after, before);
}

SEXP package_namespace() {
  static SEXP ns = nullptr;
  // No initializer of the static itself: a finalizer that R runs meanwhile may come here.
  if (!ns) ns = R_FindNamespace(Rf_ScalarString(Rf_mkChar("multiprocessing")));
  return ns;
}

SEXP as_argument(SEXP x) {
  switch (TYPEOF(x)) {
  case SYMSXP:
  case LANGSXP:
  case PROMSXP:
  case BCODESXP:
    return Rf_lang2(R_QuoteSymbol, x);
  default:
    return x;
  }
}

SEXP evaluate(SEXP call, SEXP env) {
  return protect([&] { return Rf_eval(call, env); });
}

SEXP to_r(const std::vector<int>& x) {
  SEXP r = Rf_allocVector(INTSXP, R_xlen_t(x.size()));
  if (!x.empty()) std::memcpy(INTEGER(r), x.data(), x.size() * sizeof(int));
  return r;
}

SEXP to_r(const std::vector<double>& x) {
  SEXP r = Rf_allocVector(REALSXP, R_xlen_t(x.size()));
  if (!x.empty()) std::memcpy(REAL(r), x.data(), x.size() * sizeof(double));
  return r;
}

SEXP to_r(const std::vector<bool>& x) {
  SEXP r = Rf_allocVector(LGLSXP, R_xlen_t(x.size()));
  for (size_t i = 0; i < x.size(); ++i) LOGICAL(r)[i] = x[i];
  return r;
}

SEXP to_r(const std::vector<std::string>& x) {
  SEXP r = PROTECT(Rf_allocVector(STRSXP, R_xlen_t(x.size())));
  for (size_t i = 0; i < x.size(); ++i) SET_STRING_ELT(r, R_xlen_t(i), Rf_mkCharCE(x[i].c_str(), CE_UTF8));
  UNPROTECT(1);
  return r;
}

SEXP to_r(const std::vector<uint8_t>& x) {
  SEXP r = Rf_allocVector(RAWSXP, R_xlen_t(x.size()));
  if (!x.empty()) std::memcpy(RAW(r), x.data(), x.size());
  return r;
}

SEXP strings_from(const std::vector<SEXP>& chars) {
  SEXP r = Rf_allocVector(STRSXP, R_xlen_t(chars.size()));
  for (size_t i = 0; i < chars.size(); ++i) SET_STRING_ELT(r, R_xlen_t(i), chars[i]);
  return r;
}

SEXP with_names(SEXP x, const std::vector<const char*>& names) {
  Protected value(x);
  protect([&]() -> SEXP {
    SEXP n = PROTECT(Rf_allocVector(STRSXP, R_xlen_t(names.size())));
    for (size_t i = 0; i < names.size(); ++i) SET_STRING_ELT(n, R_xlen_t(i), Rf_mkChar(names[i]));
    Rf_setAttrib(value, R_NamesSymbol, n);
    UNPROTECT(1);
    return R_NilValue;
  });
  return value;
}

void refuse(SEXP given, const std::string& must) {
  Protected what(call_r("describe_given", given));
  throw Error{"ValueError", must + ", not " + from_r<std::string>(what)};
}

std::vector<double> doubles_of(SEXP x) {
  Protected d(coerced(x, REALSXP));
  return std::vector<double>(REAL(d), REAL(d) + Rf_xlength(d));
}

std::vector<int> integers_of(SEXP x) {
  Protected i(coerced(x, INTSXP));
  return std::vector<int>(INTEGER(i), INTEGER(i) + Rf_xlength(i));
}

std::vector<std::string> strings_of(SEXP x) {
  std::vector<std::string> r;
  for (R_xlen_t i = 0; TYPEOF(x) == STRSXP && i < Rf_xlength(x); ++i)
    r.push_back(CHAR(STRING_ELT(x, i)));
  return r;
}

SEXP element(SEXP list, const char* name) {
  SEXP names = Rf_getAttrib(list, R_NamesSymbol);
  for (R_xlen_t i = 0; TYPEOF(names) == STRSXP && i < Rf_xlength(names); ++i)
    if (std::strcmp(CHAR(STRING_ELT(names, i)), name) == 0) return VECTOR_ELT(list, i);
  return R_NilValue;
}

Failure current_failure() {
  try {
    throw;
  } catch (const Interrupted&) {
    return {Failure::Interrupt, nullptr};
  } catch (const Unwind& u) {
    return {Failure::Jump, u.token};
  } catch (const Error& e) {
    return abortion(e.kind.c_str(), e.message);
  } catch (const ClassedError& e) {
    return abortion(e.kind(), e.message());
  } catch (const std::bad_alloc&) {
    return abortion("MemoryError", "this process has no memory left for this");
  } catch (const std::exception& e) {
    return abortion("ProcessError", e.what());
  }
}

void Failure::leave() const {
  if (how == Jump) continue_unwind();
  if (how == Interrupt) {
    Rf_onintr(); // returns from a handler that invokes "resume"
    Rf_error("the call was given up when Ctrl-C came: it cannot be resumed, but called again");
  }
  PROTECT(what);
  Rf_eval(what, package_namespace());
  Rf_error("the error handler came back"); // it never does
}

} // namespace mp::bind
