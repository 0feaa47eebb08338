// A vector that runs R code when it is serialized, and when it is unserialized: so a test decides what happens in these moments.
#include <Rinternals.h>
#include <R_ext/Altrep.h>

static R_altrep_class_t staged;

SEXP with_hooks(SEXP hooks) { return R_new_altrep(staged, hooks, R_NilValue); }

static void run(SEXP hooks, int which) {
  SEXP f = VECTOR_ELT(hooks, which);
  if (f == R_NilValue) return;
  SEXP call = PROTECT(Rf_lang1(f));
  Rf_eval(call, R_GlobalEnv);
  UNPROTECT(1);
}

static SEXP serialized(SEXP x) {
  SEXP hooks = R_altrep_data1(x);
  run(hooks, 0);
  return hooks;
}

static SEXP unserialized(SEXP class, SEXP hooks) {
  PROTECT(hooks);
  run(hooks, 1);
  SEXP x = with_hooks(hooks);
  UNPROTECT(1);
  return x;
}

static R_xlen_t length_of(SEXP x) { return 1; }
static int element(SEXP x, R_xlen_t i) { return 42; }
static const void* no_data(SEXP x) { return 0; }

void R_init_stages(DllInfo* dll) {
  staged = R_make_altinteger_class("staged", "stages", dll);
  R_set_altrep_Length_method(staged, length_of);
  R_set_altrep_Serialized_state_method(staged, serialized);
  R_set_altrep_Unserialize_method(staged, unserialized);
  R_set_altvec_Dataptr_or_null_method(staged, no_data);
  R_set_altinteger_Elt_method(staged, element);
}
