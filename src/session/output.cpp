#include "session/output.h"

#include "session/child.h"

#include "core/heap.h"
#include "core/participant.h"

#include <R_ext/Print.h>
#include <Rinternals.h>
#include <algorithm>
#include <sys/stat.h>
#include <vector>

namespace mp::bind {
namespace {

void print_out(void* text) { Rprintf("%s", static_cast<const char*>(text)); }
void print_err(void* text) { REprintf("%s", static_cast<const char*>(text)); }

// R's printing may jump (a sink's connection may fail); that must not pass through the core.
void emit(const std::string& text, int stream) {
  constexpr size_t piece = 4000;
  for (size_t at = 0; at < text.size(); at += piece) {
    std::string part = text.substr(at, piece);
    R_ToplevelExec(stream == 0 ? print_out : print_err, const_cast<char*>(part.c_str()));
  }
}

bool read_new(RChild& c, size_t most) {
  bool any = false;
  for (int stream = 0; stream < 2; ++stream)
    for (size_t got = 0; got < most;) {
      std::string text = read_output(c.child, stream, 1 << 16);
      if (text.empty()) break;
      any = true;
      got += text.size();
      c.unshown[stream] += text;
    }
  return any;
}

// Shows whole lines up to `bytes` of the stream.
void show_to(RChild& c, int stream, uint64_t bytes) {
  std::string& text = c.unshown[stream];
  if (bytes <= c.shown_to[stream] || text.empty()) return;
  size_t n = size_t(std::min<uint64_t>(bytes - c.shown_to[stream], text.size()));
  size_t end = text.rfind('\n', n - 1);
  if (end == std::string::npos) return;
  std::string lines = text.substr(0, end + 1);
  text.erase(0, end + 1);
  c.shown_to[stream] += end + 1;
  emit(lines, stream);
}

struct Piece {
  uint64_t sequence;
  ChildRef child;
  uint64_t bytes[2];
};

void add_pieces(const ChildRef& c, std::vector<Piece>& pieces) {
  ProcessShared& p = *heap().at<ProcessShared>(c->process);
  uint32_t count = p.mark_count.load(std::memory_order_acquire); // pairs with mark_output()
  for (uint32_t i = count > kMarks ? count - kMarks : 0; i < count; ++i) {
    OutputMark m = p.marks[i % kMarks];
    if (m.bytes[0] > c->shown_to[0] || m.bytes[1] > c->shown_to[1])
      pieces.push_back({m.sequence, c, {m.bytes[0], m.bytes[1]}});
  }
  pieces.push_back({UINT64_MAX, c, {UINT64_MAX, UINT64_MAX}}); // not marked yet
}

// Everything, of a child that is over.
void show_rest(RChild& c) {
  while (read_new(c, 1 << 20)) {
  }
  for (int stream = 0; stream < 2; ++stream) {
    show_to(c, stream, UINT64_MAX);
    std::string rest;
    rest.swap(c.unshown[stream]);
    if (!rest.empty()) emit(rest + "\n", stream);
  }
}

} // namespace

void show_output() {
  std::vector<ChildRef> now(children()); // printing may run R code that starts processes
  std::vector<Piece> pieces;
  // First the text, then the marks: whoever printed because of a marked line did so after the mark.
  std::vector<ChildRef> talked;
  for (const ChildRef& c : now) {
    if (c->shown) continue;
    if (read_new(*c, 1 << 20)) talked.push_back(c);
  }
  for (const ChildRef& c : talked) add_pieces(c, pieces);
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const Piece& a, const Piece& b) { return a.sequence < b.sequence; });
  for (const Piece& p : pieces)
    for (int stream = 0; stream < 2; ++stream) show_to(*p.child, stream, p.bytes[stream]);
  bool ended = false;
  for (const ChildRef& c : now) {
    if (c->shown || is_expected(c->child.token)) continue;
    bool over = poll_child(c->child);
    if (over || c->mute) show_rest(*c);
    if (!over) continue;
    c->shown = ended = true;
    close_child(c->child);
  }
  std::vector<ChildRef>& all = children();
  all.erase(std::remove_if(all.begin(), all.end(), [](const ChildRef& c) { return c->shown; }),
            all.end());
  if (ended) reap();
}

void mark_output() {
  if (!own_process()) return;
  static OutputMark last{};
  static Growth& out_growth = *new Growth;
  static Growth& err_growth = *new Growth;
  static uint32_t depth = 0;
  if (depth != fork_depth()) { // what we know is of the parent's files
    depth = fork_depth();
    last = {};
    out_growth.forget();
    err_growth.forget();
  }
  if (!out_growth.possible(1, last.bytes[0]) && !err_growth.possible(2, last.bytes[1])) return;
  struct stat out, err;
  if (fstat(1, &out) != 0 || fstat(2, &err) != 0) return;
  OutputMark m{0, {uint64_t(out.st_size), uint64_t(err.st_size)}};
  if (m.bytes[0] == last.bytes[0] && m.bytes[1] == last.bytes[1]) return;
  last = m;
  m.sequence = heap().header().output_sequence.fetch_add(1, std::memory_order_acq_rel);
  ProcessShared& p = *heap().at<ProcessShared>(own_process());
  uint32_t n = p.mark_count.load(std::memory_order_relaxed);
  p.marks[n % kMarks] = m;
  p.mark_count.store(n + 1, std::memory_order_release); // pairs with add_pieces()
}

} // namespace mp::bind
