// Everything that is not plain goes through R's own serializer as one piece, so that environments
// which it shares stay shared. The hook on references turns handles into their ids.
#include "codec/internal.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

namespace mp::codec {

namespace {

constexpr int kSerializeVersion = 3;

// What it is, then the three numbers in hexadecimal.
constexpr size_t kHandleText = 1 + 8 + 16 + 16;
constexpr char kEnvironment = 'e', kExternalPointer = 'x';

// What R writes, as it grows.
struct Sink {
  uint8_t* bytes = nullptr;
  uint64_t used = 0;
  uint64_t room = 0;
  bool no_memory = false;
  std::vector<HandleId>* handles = nullptr;

  ~Sink() { std::free(bytes); }

  void add(const void* from, uint64_t n) {
    if (n > room - used && !grow(n)) return;
    std::memcpy(bytes + used, from, n);
    used += n;
  }

  bool grow(uint64_t n) {
    uint64_t wanted = room ? room * 2 : 4096;
    while (wanted - used < n) wanted *= 2;
    void* larger = no_memory ? nullptr : std::realloc(bytes, wanted);
    no_memory = larger == nullptr;
    if (!larger) return false; // R cannot be stopped here without a jump: what follows is dropped
    bytes = static_cast<uint8_t*>(larger);
    room = wanted;
    return true;
  }
};

void out_char(R_outpstream_t stream, int c) {
  uint8_t byte = static_cast<uint8_t>(c);
  static_cast<Sink*>(stream->data)->add(&byte, 1);
}

void out_bytes(R_outpstream_t stream, void* from, int n) {
  static_cast<Sink*>(stream->data)->add(from, static_cast<uint64_t>(n));
}

SEXP out_reference(SEXP x, SEXP sink_pointer) {
  HandleId id;
  if (!hooks.describe || !hooks.describe(x, &id)) return R_NilValue;
  auto* sink = static_cast<Sink*>(R_ExternalPtrAddr(sink_pointer));
  try { // no exception may pass through R's serializer
    add_handle(*sink->handles, id);
  } catch (...) {
    sink->no_memory = true;
  }
  return handle_text(id, TYPEOF(x) == EXTPTRSXP ? kExternalPointer : kEnvironment);
}

struct WriteCall {
  SEXP value;
  Sink* sink;
  char refusal[1024]; // R's message
  bool refused;
};

SEXP write_body(void* data) {
  auto* call = static_cast<WriteCall*>(data);
  SEXP value = PROTECT(without_source(call->value));
  SEXP pointer = PROTECT(R_MakeExternalPtr(call->sink, R_NilValue, R_NilValue));
  R_outpstream_st stream;
  R_InitOutPStream(&stream, call->sink, R_pstream_binary_format, kSerializeVersion, out_char,
                   out_bytes, out_reference, pointer);
  R_Serialize(value, &stream);
  UNPROTECT(2);
  return R_NilValue;
}

SEXP write_refused(SEXP condition, void* data) {
  auto* call = static_cast<WriteCall*>(data);
  call->refused = true;
  SEXP message = TYPEOF(condition) == VECSXP && Rf_xlength(condition) > 0 ? VECTOR_ELT(condition, 0)
                                                                          : R_NilValue;
  std::snprintf(call->refusal, sizeof call->refusal, "%s",
                TYPEOF(message) == STRSXP && Rf_xlength(message) > 0 ? CHAR(STRING_ELT(message, 0))
                                                                     : "R's serializer gave up");
  return R_NilValue;
}

struct Source {
  const uint8_t* at;
  const uint8_t* end;
  bool ended_early;
};

void in_bytes(R_inpstream_t stream, void* to, int n) {
  auto* source = static_cast<Source*>(stream->data);
  if (n < 0 || source->end - source->at < n) {
    source->ended_early = true;
    Rf_error("the serialized value ends too early");
  }
  std::memcpy(to, source->at, static_cast<size_t>(n));
  source->at += n;
}

int in_char(R_inpstream_t stream) {
  uint8_t byte;
  in_bytes(stream, &byte, 1);
  return byte;
}

SEXP in_reference(SEXP text, SEXP) {
  HandleId id;
  char kind;
  if (!hooks.revive || !parse_handle(text, &id, &kind))
    Rf_error("the serialized value refers to something unknown");
  return hooks.revive(id, kind == kExternalPointer);
}

} // namespace

SEXP handle_text(const HandleId& id, char kind) {
  char text[kHandleText + 1];
  std::snprintf(text, sizeof text, "%c%08" PRIx32 "%016" PRIx64 "%016" PRIx64, kind, id.kind,
                id.block, id.serial);
  return Rf_mkString(text);
}

bool parse_handle(SEXP text, HandleId* id, char* kind) {
  if (TYPEOF(text) != STRSXP || Rf_xlength(text) != 1) return false;
  const char* s = CHAR(STRING_ELT(text, 0));
  if (std::strlen(s) != kHandleText) return false;
  *kind = *s;
  return std::sscanf(s + 1, "%8" SCNx32 "%16" SCNx64 "%16" SCNx64, &id->kind, &id->block,
                     &id->serial) == 3;
}

void Serializer::encode(SEXP x, bool deep, bool refer, Encoding* out) {
  Sink sink;
  sink.handles = &out->handles_;
  WriteCall call = {x, &sink, "", false};
  SerializingViews views(refer ? sink.handles : nullptr);
  // What makes R's serializer fail is a value nested too deeply for the C stack.
  if (deep)
    run_protected([](void* data) { return R_tryCatchError(write_body, data, write_refused, data); },
                  &call);
  else run_protected(write_body, &call);
  if (call.refused) throw EncodeError("", call.refusal);
  if (sink.no_memory) throw std::bad_alloc();
  out->serialized_.reset(sink.bytes);
  out->serialized_bytes_ = sink.used;
  out->size_ = sizeof(FrameHeader) + sizeof(SerializedHeader) + round_up(sink.used);
  sink.bytes = nullptr;
}

SEXP Serializer::decode(const uint8_t* bytes, uint64_t n) {
  Source source = {bytes, bytes + n, false};
  try {
    return run_protected(
        [](void* data) -> SEXP {
          R_inpstream_st stream;
          R_InitInPStream(&stream, static_cast<R_pstream_data_t>(data), R_pstream_binary_format,
                          in_char, in_bytes, in_reference, R_NilValue);
          return R_Unserialize(&stream);
        },
        &source);
  } catch (const Unwind&) {
    if (source.ended_early) // the jump ends here
      throw DecodeError("the serialized value ends too early");
    throw;
  }
}

} // namespace mp::codec
