#include "session/output.h"

#include "session/child.h"

#include "core/heap.h"
#include "core/participant.h"
#include "core/platform/process.h"
#include "core/reaper.h"

#include <R_ext/Print.h>
#include <Rinternals.h>

#include <R_ext/GraphicsEngine.h> // its headers declare the flags of R's interrupts
#include <algorithm>
#include <utility>
#include <vector>

namespace mp::bind {
namespace {

void print_out(void* text) { Rprintf("%s", static_cast<const char*>(text)); }
void print_err(void* text) { REprintf("%s", static_cast<const char*>(text)); }

// R's printing may jump (a sink's connection may fail); that must not pass through the core. Now and then it looks for a
// Ctrl-C: held back meanwhile, one stays pending for the wait that shows this. The jump would end here, and it would be lost.
void emit(const std::string& text, int stream) {
  struct HoldInterrupts {
    Rboolean before = std::exchange(R_interrupts_suspended, TRUE);
    ~HoldInterrupts() { R_interrupts_suspended = before; }
  } hold;
  constexpr size_t piece = 4000;
  for (size_t at = 0; at < text.size(); at += piece) {
    std::string part = text.substr(at, piece);
    R_ToplevelExec(stream == 0 ? print_out : print_err, const_cast<char*>(part.c_str()));
  }
}

constexpr int64_t kLineNs = 250'000'000;   // so long a line may wait for its end, if its process could print it
constexpr int64_t kOpenNs = 1'000'000'000; // and others' lines for the end of one that is shown

// By stream: which child has shown a line without its end, and since when.
struct OpenLine {
  std::weak_ptr<RChild> child;
  int64_t since = 0;
};
OpenLine open_line[2];

// All output so far: what it prints meanwhile is for the next time.
bool read_new(RChild& c) {
  bool any = false;
  for (int stream = 0; stream < 2; ++stream)
    for (uint64_t end = printed(c.child, stream); c.child.read[stream] < end;) {
      std::string text = read_output(c.child, stream, 1 << 20);
      if (text.empty()) break;
      any = true;
      c.unshown[stream] += text;
    }
  return any;
}

void show_bytes(const ChildRef& c, int stream, size_t n) {
  std::string& text = c->unshown[stream];
  if (n == 0) return;
  std::string part = text.substr(0, n);
  text.erase(0, n);
  c->shown_to[stream] += n;
  c->line_since[stream] = 0;
  OpenLine& open = open_line[stream];
  if (part.back() == '\n') open = {};
  else if (open.child.lock() != c) open = {c, platform::now_ns()};
  emit(part, stream);
}

// Shows what it has marked, up to `bytes` of the stream.
void show_marked(const ChildRef& c, int stream, uint64_t bytes) {
  if (bytes > c->shown_to[stream])
    show_bytes(c, stream,
               size_t(std::min<uint64_t>(bytes - c->shown_to[stream], c->unshown[stream].size())));
}

// It has had no core, or is stopped: it may be about to print the end of the line.
bool is_held_up(RChild& c, int stream) {
  int64_t used = platform::process_cpu_ns(c.child.pid);
  return used && used - c.line_cpu[stream] < kLineNs && !platform::process_sleeps(c.child.pid);
}

// Shows what it has not marked. False: a part of that waits.
bool show_lines(const ChildRef& c, int stream) {
  const std::string& text = c->unshown[stream];
  if (text.empty()) return true;
  int64_t now = platform::now_ns();
  ChildRef other = open_line[stream].child.lock();
  if (other && other != c && is_expected(other->child.token) &&
      now - open_line[stream].since < kOpenNs)
    return false;
  size_t end = text.rfind('\n');
  if (end != std::string::npos) show_bytes(c, stream, end + 1);
  if (text.empty()) return true;
  int64_t& since = c->line_since[stream];
  if (since == 0) {
    since = now;
    c->line_cpu[stream] = platform::process_cpu_ns(c->child.pid);
  }
  if (now - since < kLineNs || is_held_up(*c, stream)) return false;
  show_bytes(c, stream, text.size());
  return true;
}

struct Piece {
  uint64_t sequence;
  ChildRef child;
  uint64_t bytes[2];
};

void add_pieces(const ChildRef& c, std::vector<Piece>& pieces) {
  ProcessShared& p = *heap().at<ProcessShared>(c->child.process);
  uint32_t count = p.mark_count.load(std::memory_order_acquire); // pairs with mark_output()
  for (uint32_t i = count > kMarks ? count - kMarks : 0; i < count; ++i) {
    OutputMark m = p.marks[i % kMarks];
    if (m.bytes[0] > c->shown_to[0] || m.bytes[1] > c->shown_to[1])
      pieces.push_back({m.sequence, c, {m.bytes[0], m.bytes[1]}});
  }
}

// Shows all output of a child that has ended.
void show_rest(const ChildRef& c) {
  read_new(*c);
  for (int stream = 0; stream < 2; ++stream) show_bytes(c, stream, c->unshown[stream].size());
}

} // namespace

void show_output() {
  std::vector<ChildRef> now(children()); // printing may run R code that starts processes
  std::vector<Piece> pieces;
  // First the text, then the marks: a child that printed because of a marked line did so after the mark.
  std::vector<ChildRef> talked;
  for (const ChildRef& c : now) {
    if (c->shown) continue;
    if (read_new(*c) || c->waits) talked.push_back(c);
  }
  for (const ChildRef& c : talked) add_pieces(c, pieces);
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const Piece& a, const Piece& b) { return a.sequence < b.sequence; });
  for (const Piece& p : pieces)
    for (int stream = 0; stream < 2; ++stream) show_marked(p.child, stream, p.bytes[stream]);
  for (const ChildRef& c : talked) {
    bool all[] = {show_lines(c, 0), show_lines(c, 1)};
    c->waits = !all[0] || !all[1];
  }
  bool ended = false;
  for (const ChildRef& c : now) {
    if (c->shown || state_of(c->child) < ChildState::Ended) continue;
    bool over = poll_child(c->child);
    if (over || c->output_is_final) show_rest(c);
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
  static OutputTail& out_tail = *new OutputTail;
  static OutputTail& err_tail = *new OutputTail;
  static uint32_t depth = 0;
  if (depth != fork_depth()) { // what we know is of the parent's files
    depth = fork_depth();
    last = {};
    out_tail.forget();
    err_tail.forget();
  }
  if (!out_tail.may_have_grown(1, last.bytes[0]) && !err_tail.may_have_grown(2, last.bytes[1])) return;
  OutputMark m{0, {platform::file_bytes(1), platform::file_bytes(2)}};
  if (m.bytes[0] < last.bytes[0] || m.bytes[1] < last.bytes[1]) return; // it has closed them
  if (m.bytes[0] == last.bytes[0] && m.bytes[1] == last.bytes[1]) return;
  last = m;
  m.sequence = heap().header().output_sequence.fetch_add(1, std::memory_order_acq_rel);
  ProcessShared& p = *heap().at<ProcessShared>(own_process());
  uint32_t n = p.mark_count.load(std::memory_order_relaxed);
  p.marks[n % kMarks] = m;
  p.mark_count.store(n + 1, std::memory_order_release); // pairs with add_pieces()
}

} // namespace mp::bind
