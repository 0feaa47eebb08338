// Everything that is not plain goes through R's own serializer as one piece, so that environments
// which it shares stay shared. The hook on references turns handles into their ids.
#include "codec/out_of_band.h"

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <new>

namespace mp::codec {

namespace {

constexpr int kSerializeVersion = 3;

constexpr char kEnvironment = 'e', kExternalPointer = 'x', kConnectionNumber = 'c', kOwnPointer = 'p';
// R gives each connection of a process a number of its own, as the address of a pointer: it tells a fork that has the
// same connection from a process that has another one at the same place.
constexpr char kConnection[] = "connection";

constexpr uint64_t kNodeBytes = 8; // of a pairlist, at least

struct WriteCall {
  SEXP value;
  OutOfBandWriter* writer;
  bool takes;
  std::vector<HandleId>* handles;
  const PointersKept* kept;
  bool no_memory;
  char refusal[1024]; // R's message
  bool refused;
};

void out_char(R_outpstream_t stream, int c) {
  uint8_t byte = static_cast<uint8_t>(c);
  static_cast<WriteCall*>(stream->data)->writer->write(&byte, 1);
}

void out_bytes(R_outpstream_t stream, void* from, int n) {
  static_cast<WriteCall*>(stream->data)->writer->write(from, static_cast<uint64_t>(n));
}

bool is_connection(SEXP x) {
  return TYPEOF(x) == EXTPTRSXP && R_ExternalPtrTag(x) == Rf_install(kConnection) && R_ExternalPtrAddr(x);
}

SEXP out_reference(SEXP x, SEXP call_pointer) {
  HandleId id;
  if (is_connection(x)) {
    id = {0, uint64_t(uintptr_t(R_ExternalPtrAddr(x))), 0};
    return handle_text(id, kConnectionNumber);
  }
  auto* call = static_cast<WriteCall*>(R_ExternalPtrAddr(call_pointer));
  if (is_kept(x, call->kept)) {
    id = {0, uint64_t(uintptr_t(x)), 0};
    return handle_text(id, kOwnPointer);
  }
  if (!hooks.describe || !hooks.describe(x, &id)) return R_NilValue;
  try { // no exception may pass through R's serializer
    add_handle(*call->handles, id);
  } catch (...) {
    call->no_memory = true;
  }
  return handle_text(id, TYPEOF(x) == EXTPTRSXP ? kExternalPointer : kEnvironment);
}

SEXP write_body(void* data) {
  auto* call = static_cast<WriteCall*>(data);
  SEXP value = PROTECT(without_source(call->value));
  if (call->takes) value = OutOfBandWriter::with_names(value);
  PROTECT(value);
  SEXP pointer = PROTECT(R_MakeExternalPtr(call, R_NilValue, R_NilValue));
  R_outpstream_st stream;
  R_InitOutPStream(&stream, static_cast<R_pstream_data_t>(data), R_pstream_binary_format,
                   kSerializeVersion, out_char, out_bytes, out_reference, pointer);
  R_Serialize(value, &stream);
  UNPROTECT(3);
  return R_NilValue;
}

void note_message(SEXP condition, char* text, size_t room) {
  SEXP message = TYPEOF(condition) == VECSXP && Rf_xlength(condition) > 0 ? VECTOR_ELT(condition, 0)
                                                                          : R_NilValue;
  std::snprintf(text, room, "%s",
                TYPEOF(message) == STRSXP && Rf_xlength(message) > 0 ? CHAR(STRING_ELT(message, 0))
                                                                     : "R's serializer gave up");
}

SEXP write_refused(SEXP condition, void* data) {
  auto* call = static_cast<WriteCall*>(data);
  call->refused = true;
  note_message(condition, call->refusal, sizeof call->refusal);
  return R_NilValue;
}

struct Source {
  const uint8_t* at;
  const uint8_t* end;
  bool ended_early;
  bool out_of_band;
  bool too_deep;
  bool refused;
  char refusal[256];
};

// R before 4.3 reads a pairlist by a call for each of its nodes, and looks at its stack in none of them: it would
// end this process. An error of R's here; see decode().
void check_stack(Source* source) {
  source->too_deep = true;
  R_CheckStack();
  source->too_deep = false;
}

void in_bytes(R_inpstream_t stream, void* to, int n) {
  auto* source = static_cast<Source*>(stream->data);
  if (n < 0 || source->end - source->at < n) {
    source->ended_early = true;
    Rf_error("the serialized value ends too early");
  }
  check_stack(source);
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
  bool parsed = parse_handle(text, &id, &kind);
  if (parsed && kind == kConnectionNumber)
    return R_MakeExternalPtr(reinterpret_cast<void*>(uintptr_t(id.block)), Rf_install(kConnection), R_NilValue);
  if (parsed && kind == kOwnPointer) {
    SEXP own = hooks.own_pointer ? hooks.own_pointer(id.block) : R_NilValue;
    return own != R_NilValue ? own : R_MakeExternalPtr(nullptr, R_NilValue, R_NilValue);
  }
  if (!hooks.revive || !parsed) Rf_error("the serialized value refers to something unknown");
  return hooks.revive(id, kind == kExternalPointer);
}

} // namespace

void write_handle(const HandleId& id, char kind, char (&text)[kHandleText + 1]) {
  std::snprintf(text, sizeof text, "%c%08" PRIx32 "%016" PRIx64 "%016" PRIx64, kind, id.kind,
                id.block, id.serial);
}

SEXP handle_text(const HandleId& id, char kind) {
  char text[kHandleText + 1];
  write_handle(id, kind, text);
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

// What no process could read is an error where it is sent, and with its name.
void Serializer::try_to_read(const Encoding& e) {
  try {
    decode(e.serialized_.get(), e.serialized_bytes_, e.out_of_band_);
  } catch (const DecodeError&) {
    throw EncodeError(e.long_at_, "a pairlist or call of so many elements cannot be read with the stack that R has "
                                  "here; make a list of it, by as.list()");
  }
}

void Serializer::encode(SEXP x, bool deep, bool refer, Encoding* out) {
  bool looks = refer && blocks.store, takes = false;
  for (;;) {
    Sink sink;
    OutOfBandWriter writer(sink, *out, looks, takes);
    WriteCall call = {x, &writer, takes, &out->handles_, out->kept_, false, "", false};
    SerializingViews views(refer ? &out->handles_ : nullptr);
    // What makes R's serializer fail is a value nested too deeply for the C stack.
    if (deep)
      run_protected(
          [](void* data) { return R_tryCatchError(write_body, data, write_refused, data); }, &call);
    else run_protected(write_body, &call);
    if (call.refused) throw EncodeError({}, call.refusal);
    if (writer.failure()) std::rethrow_exception(writer.failure());
    if (sink.no_memory || call.no_memory) throw std::bad_alloc();
    if (writer.confused() || (writer.found() && !takes)) {
      takes = !writer.confused();
      looks = takes;
      out->handles_.clear();
      continue;
    }
    out->out_of_band_ = takes;
    out->serialized_.reset(sink.bytes);
    out->serialized_bytes_ = sink.used;
    out->size_ = sizeof(FrameHeader) + sizeof(SerializedHeader) + round_up(sink.used);
    sink.bytes = nullptr;
    if (out->has_long_) try_to_read(*out);
    return;
  }
}

namespace {

SEXP read_body(void* data) {
  R_inpstream_st stream;
  R_InitInPStream(&stream, static_cast<R_pstream_data_t>(data), R_pstream_binary_format, in_char, in_bytes,
                  in_reference, R_NilValue);
  SEXP value = R_Unserialize(&stream);
  return static_cast<Source*>(data)->out_of_band ? OutOfBandWriter::without_names(value) : value;
}

SEXP note_overflow(SEXP, void* data) {
  static_cast<Source*>(data)->too_deep = true;
  return R_NilValue;
}

// R prints an error that no handler takes, so what can be too deep is read with one. It takes R's own errors of this
// kind, too: reading may evaluate code.
SEXP read_carefully(void* data) {
  SEXP kind = PROTECT(Rf_mkString("stackOverflowError"));
  SEXP value = R_tryCatch(read_body, data, kind, note_overflow, data, nullptr, nullptr);
  UNPROTECT(1);
  return value;
}

SEXP read_refused(SEXP condition, void* data) {
  auto* source = static_cast<Source*>(data);
  source->refused = true;
  note_message(condition, source->refusal, sizeof source->refusal);
  return R_NilValue;
}

SEXP read_or_refuse(void* data) { return R_tryCatchError(read_body, data, read_refused, data); }

} // namespace

SEXP Serializer::decode(const uint8_t* bytes, uint64_t n, bool out_of_band, bool refuse) {
  Source source = {bytes, bytes + n, false, out_of_band, false, false, ""};
  auto read = refuse ? read_or_refuse : n < kLongPairlist * kNodeBytes ? read_body : read_carefully;
  try {
    SEXP value = run_protected(read, &source);
    if (source.refused && !source.too_deep)
      throw DecodeError(source.ended_early ? "the serialized value ends too early" : source.refusal);
    if (!source.too_deep) return value;
  } catch (const Unwind&) { // the jump ends here
    if (source.ended_early) throw DecodeError("the serialized value ends too early");
    if (!source.too_deep) throw;
  }
  throw DecodeError("it is nested too deeply for R's stack, or has a pairlist or call with too many elements; make a "
                    "list of it, by as.list()");
}

} // namespace mp::codec
