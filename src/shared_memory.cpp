// Entry points from R for memory with a name: R/shared-memory.R. A pointer owns a descriptor; in a process that got
// it in a message it is nil, and R opens the name again.
#include "session/cell_types.h"
#include "session/handle.h"
#include "session/positions.h"
#include "session/session.h"

#include "core/platform/named_memory.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

using namespace mp;
using namespace mp::bind;

namespace {

struct NamedMemory {
  int fd = -1;
  uint64_t bytes = 0;
  ~NamedMemory() {
    if (fd >= 0) platform::close_named_memory(fd);
  }
};

// A fork has descriptors of its own.
void finalize_memory(SEXP pointer) {
  auto* m = static_cast<NamedMemory*>(R_ExternalPtrAddr(pointer));
  R_ClearExternalPtr(pointer);
  delete m;
}

NamedMemory& memory_of(SEXP pointer) {
  auto* m = TYPEOF(pointer) == EXTPTRSXP && R_ExternalPtrTag(pointer) == named_memory_tag()
                ? static_cast<NamedMemory*>(R_ExternalPtrAddr(pointer))
                : nullptr;
  if (!m) throw Error{"ValueError", "this shared memory is closed"};
  return *m;
}

[[noreturn]] void fail(const std::string& what, const std::string& name, int error) {
  const char* kind = "OSError";
  std::string why = std::strerror(error);
  switch (error) {
  case EEXIST:
    kind = "FileExistsError";
    why = "memory of this name exists already";
    break;
  case ENOENT:
    kind = "FileNotFoundError";
    why = "no memory has this name, or it was unlinked";
    break;
  case EPERM:
    kind = "PermissionError";
    why = "it belongs to another user";
    break;
  case EACCES: kind = "PermissionError"; break;
  case ENOSPC:
  case ENOMEM: why = "the system has no room for it"; break;
  case ENODATA: why = "another program has made it shorter"; break;
  default: break;
  }
  throw Error{kind, what + " the shared memory \"" + name + "\": " + why};
}

// `open(m)` fills it; the pointer exists before.
template <class F> SEXP new_memory(F open) {
  auto owned = std::make_unique<NamedMemory>();
  Protected p(protect([] { return new_pointer(named_memory_tag(), R_NilValue, finalize_memory, TRUE); }));
  open(*owned);
  R_SetExternalPtrAddr(p, owned.release());
  return p;
}

constexpr R_xlen_t kStep = 1 << 16; // bytes that are converted at a time

} // namespace

// [[Rcpp::export(rng = false)]]
SEXP named_memory_create(std::string name, double bytes) {
  return entry([&] {
    return new_memory([&](NamedMemory& m) {
      m.bytes = uint64_t(bytes);
      m.fd = platform::create_named_memory(name, m.bytes);
      if (m.fd < 0) fail("cannot create", name, errno);
    });
  });
}

// [[Rcpp::export(rng = false)]]
SEXP named_memory_open(std::string name, double least) {
  return entry([&] {
    return new_memory([&](NamedMemory& m) {
      m.fd = platform::open_named_memory(name, &m.bytes);
      if (m.fd < 0) fail("cannot open", name, errno);
      if (m.bytes == 0 || double(m.bytes) < least)
        throw Error{"ValueError", "the shared memory \"" + name + "\" has " + std::to_string(m.bytes) + " bytes" +
                                      (least > 0 ? ", fewer than `size`" : "")};
    });
  });
}

// [[Rcpp::export(rng = false)]]
double named_memory_size(SEXP memory) {
  return entry([&] { return double(memory_of(memory).bytes); });
}

// [[Rcpp::export(rng = false)]]
void named_memory_close(SEXP memory) {
  if (TYPEOF(memory) == EXTPTRSXP && R_ExternalPtrTag(memory) == named_memory_tag()) finalize_memory(memory);
}

// [[Rcpp::export(rng = false)]]
bool named_memory_is_open(SEXP memory) {
  return TYPEOF(memory) == EXTPTRSXP && R_ExternalPtrAddr(memory) != nullptr;
}

// [[Rcpp::export(rng = false)]]
void named_memory_unlink(std::string name) {
  entry([&] {
    if (!platform::remove_named_memory(name)) fail("cannot unlink", name, errno);
  });
}

// How many elements of a type it has.
// [[Rcpp::export(rng = false)]]
double named_memory_length(SEXP memory, std::string typecode) {
  return entry([&] { return double(memory_of(memory).bytes / cell_type(cell_type_of(typecode)).bytes); });
}

// The elements at these positions; NULL: all.
// [[Rcpp::export(rng = false)]]
SEXP named_memory_read(SEXP memory, std::string typecode, SEXP index) {
  return entry([&] {
    const NamedMemory& m = memory_of(memory);
    const CellType& type = cell_type(cell_type_of(typecode));
    Positions at(index, m.bytes / type.bytes);
    R_xlen_t n = at.count();
    Protected values(protect([&] { return Rf_allocVector(type.r, n); }));
    std::vector<uint8_t> cells;
    for (R_xlen_t i = 0, run; i < n; i += run) {
      run = at.run_from(i, type.same ? n - i : kStep / type.bytes);
      size_t bytes = size_t(run) * type.bytes;
      if (!type.same) cells.resize(bytes);
      uint8_t* to = type.same ? element_at(values, i) : cells.data();
      if (int error = platform::read_named_memory(m.fd, at[i] * type.bytes, to, bytes)) fail("cannot read", "", error);
      if (!type.same) read_cells(type, to, values, i, run);
    }
    return SEXP(values);
  });
}

// Writes `values`, recycled if there are fewer of them. What does not fit the type is refused before anything
// is written.
// [[Rcpp::export(rng = false)]]
void named_memory_write(SEXP memory, std::string typecode, SEXP index, SEXP values) {
  entry([&] {
    const NamedMemory& m = memory_of(memory);
    const CellType& type = cell_type(cell_type_of(typecode));
    Positions at(index, m.bytes / type.bytes);
    R_xlen_t n = at.count(), given = Rf_xlength(values);
    if (n == 0) return;
    if (given == 0 || n % given)
      throw Error{"ValueError", std::to_string(n) + " elements cannot be replaced by " + std::to_string(given) +
                                    ": not a multiple"};
    at.check(); // before anything is written
    Cells cells(type, values);
    for (R_xlen_t i = 0, run; i < n; i += run) {
      R_xlen_t from = i % given;
      run = at.run_from(i, given - from);
      if (int error = platform::write_named_memory(m.fd, at[i] * type.bytes, cells.data() + size_t(from) * type.bytes,
                                                   size_t(run) * type.bytes))
        fail("cannot write", "", error);
    }
  });
}
