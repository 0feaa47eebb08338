#include "session/handle.h"

#include "session/defer.h"
#include "r/compat.h"

#include <cstring>
#include <unordered_map>

namespace mp::bind {
namespace {

// How many R pointers and other owners a block has. Process-local; a fork copies it with them.
// Never destroyed: R's finalizers may run after the destructors of static objects.
std::unordered_map<uint64_t, int>& hold_counts = *new std::unordered_map<uint64_t, int>;

void let_go_later(void* data) {
  std::unique_ptr<Handle> h(static_cast<Handle*>(data));
  let_go(h->block);
}

void finalize_handle(SEXP pointer) {
  auto* h = static_cast<Handle*>(R_ExternalPtrAddr(pointer));
  if (!h) return;
  R_ClearExternalPtr(pointer);
  defer(let_go_later, h);
}

SEXP handle_tag() {
  static SEXP tag = nullptr;
  if (!tag) tag = Rf_install("multiprocessing_handle"); // no initializer: R may jump out of it
  return tag;
}

bool describe(SEXP x, codec::HandleId* out) {
  SEXP p = pointer_of(x);
  if (p == R_NilValue) return false;
  auto* h = static_cast<Handle*>(R_ExternalPtrAddr(p));
  if (!h) return false; // closed: travels as an ordinary object whose pointer is nil
  *out = {uint32_t(h->kind), h->block, h->serial};
  return true;
}

// May signal R errors, throws nothing.
SEXP revive(const codec::HandleId& id, bool external_pointer) {
  if (!or_jump([&] { return heap().hold(id.block, id.serial); })) return R_NilValue;
  return external_pointer ? make_handle(id.block, BlockKind(id.kind))
                          : handle_object(id.block, BlockKind(id.kind));
}

} // namespace

SEXP named_memory_tag() {
  static SEXP tag = nullptr;
  if (!tag) tag = Rf_install("multiprocessing_named_memory");
  return tag;
}

SEXP pointer_of(SEXP x) {
  static SEXP enclosure_name = nullptr, pointer_name = nullptr;
  if (TYPEOF(x) == EXTPTRSXP) return R_ExternalPtrTag(x) == handle_tag() ? x : R_NilValue;
  if (TYPEOF(x) != ENVSXP || !Rf_inherits(x, "multiprocessing_handle")) return R_NilValue;
  if (!pointer_name) { // no initializers: R may jump out of them
    enclosure_name = Rf_install(".__enclos_env__");
    pointer_name = Rf_install("ptr");
  }
  SEXP enclosure = r::frame_variable(x, enclosure_name);
  if (TYPEOF(enclosure) != ENVSXP) return R_NilValue;
  SEXP p = r::frame_variable(enclosure, pointer_name);
  return TYPEOF(p) == EXTPTRSXP && R_ExternalPtrTag(p) == handle_tag() ? p : R_NilValue;
}

SEXP handle_object(uint64_t block, BlockKind kind) {
  SEXP p = PROTECT(make_handle(block, kind));
  SEXP number = PROTECT(Rf_ScalarInteger(int(kind)));
  SEXP call = PROTECT(Rf_lang3(Rf_install("revive_handle"), number, p));
  SEXP r = Rf_eval(call, package_namespace());
  UNPROTECT(3);
  return r;
}

void prepare_handles(SEXP (*own_pointer)(uint64_t address)) { codec::set_hooks({describe, revive, own_pointer}); }

void keep_block(uint64_t block) { ++hold_counts[block]; }

bool keep_block(uint64_t block, uint64_t serial) {
  if (!heap().hold(block, serial)) return false;
  keep_block(block);
  return true;
}

void let_go(uint64_t block) {
  auto it = hold_counts.find(block);
  if (it == hold_counts.end() || --it->second > 0) return;
  hold_counts.erase(it);
  heap().drop(block);
}

void drop_uncounted(uint64_t block) {
  if (!hold_counts.count(block)) heap().drop(block);
}

void defer_drop(uint64_t block) {
  defer([](void* data) { drop_uncounted(reinterpret_cast<uint64_t>(data)); },
                reinterpret_cast<void*>(block));
}

void keep_held_blocks(uint64_t process) {
  heap().keep_only(
      [&](uint64_t block) { return block == process || hold_counts.count(block) > 0; });
}

SEXP new_pointer(SEXP tag, SEXP kept, R_CFinalizer_t finalize, Rboolean at_exit) {
  SEXP p = PROTECT(R_MakeExternalPtr(nullptr, tag, kept));
  R_RegisterCFinalizerEx(p, finalize, at_exit);
  UNPROTECT(1);
  return p;
}

static uint64_t made = 0; // process-local, only compared

uint64_t handles_made() { return made; }

SEXP make_handle(uint64_t block, BlockKind kind) {
  ++made;
  SEXP p = new_pointer(handle_tag(), R_NilValue, finalize_handle, FALSE);
  keep_block(block);
  R_SetExternalPtrAddr(p, new Handle{kind, block, heap().serial_of(block)});
  return p;
}

SEXP new_handle(uint64_t block, BlockKind kind) {
  NewBlock owned(block);
  SEXP p = protect([&] { return make_handle(block, kind); });
  owned.release();
  return p;
}

SEXP another_handle(uint64_t block, BlockKind kind) {
  heap().hold(block);
  return protect([&] { return make_handle(block, kind); });
}

bool is_open(SEXP pointer) {
  return TYPEOF(pointer) == EXTPTRSXP && R_ExternalPtrTag(pointer) == handle_tag() &&
         R_ExternalPtrAddr(pointer) != nullptr;
}

Handle& handle_of(SEXP pointer, BlockKind kind) {
  if (!is_open(pointer))
    throw Error{"ValueError",
                "this handle is closed or was restored from another session; handles cannot be saved"};
  auto* h = static_cast<Handle*>(R_ExternalPtrAddr(pointer));
  if (h->kind != kind) throw Error{"ValueError", "this handle is of another kind"};
  return *h;
}

void close_handle(SEXP pointer) {
  if (!is_open(pointer)) return;
  std::unique_ptr<Handle> h(static_cast<Handle*>(R_ExternalPtrAddr(pointer)));
  R_ClearExternalPtr(pointer);
  let_go(h->block);
}

std::vector<Reference> references_of(const std::vector<codec::HandleId>& handles) {
  std::vector<Reference> refs;
  for (const codec::HandleId& id : handles) refs.push_back({Heap::page_of(id.block), id.serial});
  return refs;
}

uint64_t store_value(SEXP value) { return store_encoded(codec::encode(value)); }

uint64_t store_encoded(const codec::Encoding& e) {
  std::vector<Reference> refs = references_of(e.handles());
  uint64_t bytes = e.size() + refs.size() * sizeof(Reference);
  NewBlock block(heap().allocate(bytes, BlockKind::Bytes, false));
  e.write(heap().at(block.get()));
  if (!refs.empty()) {
    std::memcpy(heap().at(block.get() + e.size()), refs.data(), refs.size() * sizeof(Reference));
    heap().seal(block.get(), e.size(), uint32_t(refs.size()));
  }
  return block.release();
}

} // namespace mp::bind
