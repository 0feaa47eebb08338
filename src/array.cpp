// Value and Array: cells of shared memory, written in place; and windows, R vectors that are such
// memory itself. A window shows what others write later. R never writes into it: it counts as
// shared from the beginning, so R copies it first.
#include "session/cell_types.h"
#include "session/handle.h"
#include "session/output.h"
#include "session/positions.h"
#include "session/session.h"
#include "session/waits.h"

#include "core/cells.h"
#include "core/lock.h"

#include <R_ext/Altrep.h>
#include <cstring>
#include <optional>

using namespace mp;
using namespace mp::bind;

namespace {

uint64_t cells_of(SEXP x) { return block_of(x, BlockKind::Cells); }
const CellType& type_of(uint64_t block) { return cell_type(cells_shared(block).type); }

// The lock of the cells for the length of a scope, unless this process holds it already.
class Locked {
public:
  explicit Locked(uint64_t block) : lock_(cells_lock(block)) {
    if (!lock_ || mp::lock_depth(lock_)) lock_ = 0;
    if (!lock_) return;
    Status s = acquire_lock(lock_, wait_for(R_NilValue));
    check(s);
    owner_died = s == Status::OwnerDied;
  }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
  ~Locked() {
    if (lock_) release_lock(lock_);
  }
  bool owner_died = false;

private:
  uint64_t lock_;
};

// With the lock held while `body` runs; R is called afterwards.
template <class F> void with_cells(uint64_t block, F body) {
  bool owner_died;
  {
    Locked locked(block);
    owner_died = locked.owner_died;
    body();
  }
  if (owner_died) call_r("warn_owner_died");
}

// --- windows -------------------------------------------------------------------------------------

R_altrep_class_t windows[RAWSXP + 1]; // their classes, by type

uint64_t window_block(SEXP x) {
  return static_cast<Handle*>(R_ExternalPtrAddr(R_altrep_data1(x)))->block;
}
R_xlen_t window_length(SEXP x) { return R_xlen_t(cells_shared(window_block(x)).length); }
void* window_pointer(SEXP x, Rboolean) { return cells_data(window_block(x)); }
const void* window_pointer_or_null(SEXP x) { return cells_data(window_block(x)); }
template <class T> T window_element(SEXP x, R_xlen_t i) {
  return reinterpret_cast<const T*>(cells_data(window_block(x)))[i];
}
template <class T> R_xlen_t window_region(SEXP x, R_xlen_t first, R_xlen_t n, T* to) {
  n = std::min(n, window_length(x) - first);
  if (n > 0)
    std::memcpy(to, reinterpret_cast<const T*>(cells_data(window_block(x))) + first,
                size_t(n) * sizeof(T));
  return n;
}

void window_methods(R_altrep_class_t c) {
  R_set_altrep_Length_method(c, window_length);
  R_set_altvec_Dataptr_method(c, window_pointer);
  R_set_altvec_Dataptr_or_null_method(c, window_pointer_or_null);
}

SEXP dim_of(const CellsShared& c) { // may jump
  SEXP dim = Rf_allocVector(INTSXP, R_xlen_t(c.dims));
  for (uint32_t k = 0; k < c.dims; ++k) INTEGER(dim)[k] = int(c.dim[k]);
  return dim;
}

void set_dim(SEXP x, const CellsShared& c) { // may jump
  if (!c.dims) return;
  SEXP dim = PROTECT(dim_of(c));
  Rf_setAttrib(x, R_DimSymbol, dim);
  UNPROTECT(1);
}

} // namespace

namespace mp::bind {

void register_windows(DllInfo* dll) {
  const char* package = "multiprocessing";
  window_methods(windows[LGLSXP] = R_make_altlogical_class("cells_logical", package, dll));
  R_set_altlogical_Elt_method(windows[LGLSXP], window_element<int>);
  R_set_altlogical_Get_region_method(windows[LGLSXP], window_region<int>);
  window_methods(windows[INTSXP] = R_make_altinteger_class("cells_integer", package, dll));
  R_set_altinteger_Elt_method(windows[INTSXP], window_element<int>);
  R_set_altinteger_Get_region_method(windows[INTSXP], window_region<int>);
  window_methods(windows[REALSXP] = R_make_altreal_class("cells_real", package, dll));
  R_set_altreal_Elt_method(windows[REALSXP], window_element<double>);
  R_set_altreal_Get_region_method(windows[REALSXP], window_region<double>);
  window_methods(windows[CPLXSXP] = R_make_altcomplex_class("cells_complex", package, dll));
  R_set_altcomplex_Elt_method(windows[CPLXSXP], window_element<Rcomplex>);
  R_set_altcomplex_Get_region_method(windows[CPLXSXP], window_region<Rcomplex>);
  window_methods(windows[RAWSXP] = R_make_altraw_class("cells_raw", package, dll));
  R_set_altraw_Elt_method(windows[RAWSXP], window_element<Rbyte>);
  R_set_altraw_Get_region_method(windows[RAWSXP], window_region<Rbyte>);
}

} // namespace mp::bind

// `initial`: NULL (zeros), or what the cells are to hold. `dim`: NULL, or integers. `lock`: NULL, or of a
// Lock.
// [[Rcpp::export(rng = false)]]
SEXP cells_create(std::string typecode, double length, SEXP initial, SEXP dim, SEXP lock,
                  bool single) {
  return entry([&] {
    CellsPlan plan{};
    plan.type = cell_type_of(typecode);
    const CellType& type = cell_type(plan.type);
    plan.bytes = type.bytes;
    plan.length = uint64_t(length);
    plan.single = single;
    for (int d : integers_of(dim)) plan.dim.push_back(uint32_t(d));
    plan.lock = Rf_isNull(lock) ? 0 : block_of(lock, BlockKind::Lock);
    std::optional<Cells> cells;
    if (!Rf_isNull(initial)) cells.emplace(type, initial);
    uint64_t block = create_cells(plan);
    if (cells && cells->size()) std::memcpy(cells_data(block), cells->data(), cells->size());
    return new_handle(block, BlockKind::Cells);
  });
}

// [[Rcpp::export(rng = false)]]
bool cells_are_single(SEXP array) {
  return entry([&] { return cells_shared(cells_of(array)).single != 0; });
}

// [[Rcpp::export(rng = false)]]
double cells_length(SEXP array) {
  return entry([&] { return double(cells_shared(cells_of(array)).length); });
}

// [[Rcpp::export(rng = false)]]
SEXP cells_dim(SEXP array) {
  return entry([&]() -> SEXP {
    const CellsShared& c = cells_shared(cells_of(array));
    return c.dims ? protect([&] { return dim_of(c); }) : R_NilValue;
  });
}

// [[Rcpp::export(rng = false)]]
std::string cells_type(SEXP array) {
  return entry([&] { return std::string(type_of(cells_of(array)).name); });
}

// A handle of its lock, or NULL.
// [[Rcpp::export(rng = false)]]
SEXP cells_lock_pointer(SEXP array) {
  return entry([&]() -> SEXP {
    uint64_t lock = cells_lock(cells_of(array));
    return lock ? another_handle(lock, BlockKind::Lock) : R_NilValue;
  });
}

// The cells at these positions, without dimensions.
// [[Rcpp::export(rng = false)]]
SEXP cells_get(SEXP array, SEXP index) {
  return entry([&] {
    uint64_t block = cells_of(array);
    const CellType& type = type_of(block);
    Positions at(index, cells_shared(block).length);
    R_xlen_t n = at.count();
    Protected values(protect([&] { return Rf_allocVector(type.r, n); }));
    const uint8_t* data = cells_data(block);
    uint64_t first = 0;
    bool run = at.are_run(&first);
    if (n == 1 && !cells_lock(block)) read_cells(type, data + first * type.bytes, values, 0, 1);
    else
      with_cells(block, [&] {
        if (run) return read_cells(type, data + first * type.bytes, values, 0, n);
        for (R_xlen_t i = 0; i < n; ++i)
          read_cells(type, data + at[i] * type.bytes, values, i, 1);
      });
    return SEXP(values);
  });
}

// Writes `values`, recycled if there are fewer of them. Either all are written, or there is an error and none is.
// [[Rcpp::export(rng = false)]]
void cells_set(SEXP array, SEXP index, SEXP values) {
  entry([&] {
    uint64_t block = cells_of(array);
    const CellType& type = type_of(block);
    Positions at(index, cells_shared(block).length);
    R_xlen_t n = at.count(), given = Rf_xlength(values);
    if (n == 0) return;
    if (given == 0 || n % given)
      throw Error{"ValueError", std::to_string(n) + " elements cannot be replaced by " +
                                    std::to_string(given) + ": not a multiple"};
    uint64_t first = 0;
    bool run = at.are_run(&first);
    if (!run) at.check(); // before anything is written
    Cells cells(type, values);
    uint8_t* data = cells_data(block);
    mark_output();
    with_cells(block, [&] {
      if (run && given == n) {
        std::memcpy(data + first * type.bytes, cells.data(), cells.size());
        return;
      }
      for (R_xlen_t i = 0; i < n; ++i)
        std::memcpy(data + at[i] * type.bytes, cells.data() + size_t(i % given) * type.bytes,
                    type.bytes);
    });
  });
}

// All cells: a window if R has the same layout, otherwise converted.
// [[Rcpp::export(rng = false)]]
SEXP cells_window(SEXP array) {
  return entry([&] {
    uint64_t block = cells_of(array);
    const CellsShared& c = cells_shared(block);
    const CellType& type = type_of(block);
    if (!type.same) {
      Protected values(protect([&] { return Rf_allocVector(type.r, R_xlen_t(c.length)); }));
      with_cells(block,
                 [&] { read_cells(type, cells_data(block), values, 0, R_xlen_t(c.length)); });
      protect([&] {
        set_dim(values, c);
        return R_NilValue;
      });
      return SEXP(values);
    }
    Protected kept(another_handle(block, BlockKind::Cells));
    return protect([&] {
      SEXP window = PROTECT(R_new_altrep(windows[type.r], kept, R_NilValue));
      set_dim(window, c);
      MARK_NOT_MUTABLE(window);
      UNPROTECT(1);
      return window;
    });
  });
}
