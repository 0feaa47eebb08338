#include "deadlock.h"
#include "heap.h"

#include "platform/process.h"


namespace mp {
namespace {

constexpr int64_t kFirstLookNs = 200'000'000; // most waits end sooner, without a look
constexpr int64_t kBetweenNs = 100'000'000;

bool is_end(uint64_t what) { return what & 1; }

// The participant that must do something before the wait for `what` can end. 0: none, or it is not known.
Token waited_for(uint64_t what) {
  if (is_end(what)) return Token(what >> 1);
  if (heap().kind_of(what) != BlockKind::Lock) return 0;
  const LockShared& lock = *heap().at<LockShared>(what);
  if (lock.handed_over.load(std::memory_order_relaxed)) return 0;
  Token owner = lock.owner.load(std::memory_order_relaxed);
  return is_alive(owner) ? owner : 0;
}

std::string seconds_since(int64_t since) {
  int64_t tenths = (platform::now_ns() - since) / 100'000'000;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " seconds";
}

} // namespace

Blocked::Blocked(uint64_t what)
    : process_(self()), wait_{what, platform::now_ns()},
      around_{participant(process_).waits_for.load(std::memory_order_relaxed), // our own slot
              participant(process_).waits_since.load(std::memory_order_relaxed)},
      next_look_(wait_.since + kFirstLookNs) {
  note(process_, wait_);
}

Blocked::~Blocked() {
  if (self() == process_) note(process_, around_); // not a fork, which has a slot of its own
}

void Blocked::note(Token process, const Noted& wait) {
  Participant& p = participant(process);
  p.waits_for.store(0, std::memory_order_relaxed);
  // release: one that reads this sees the 0, and at its second load not the wait from before
  p.waits_since.store(wait.since, std::memory_order_release);
  p.waits_for.store(wait.what, std::memory_order_release); // pairs with circle()
}

// From us to us; empty if the chain ends, or turns elsewhere.
std::vector<Blocked::Link> Blocked::circle() const {
  std::vector<Link> links;
  Token process = self();
  while (links.size() < kSlots) {
    Participant& p = participant(process);
    uint64_t what = p.waits_for.load(std::memory_order_acquire);
    int64_t since = p.waits_since.load(std::memory_order_acquire); // pairs with note()
    if (what == 0 || p.waits_for.load(std::memory_order_acquire) != what) return {};
    links.push_back({process, what, since});
    process = waited_for(what);
    if (process == self()) return links;
    if (!is_alive(process)) return {};
    for (const Link& l : links)
      if (l.process == process) return {};
  }
  return {};
}

void Blocked::look() {
  int64_t now = platform::now_ns();
  if (now < next_look_) return;
  next_look_ = now + kBetweenNs;
  std::vector<Link> links = circle();
  // The same waits as at the last look: none has ended meanwhile, so all existed at the same time.
  bool confirmed = !links.empty() && links == seen_;
  seen_ = std::move(links);
  if (!confirmed) return;
  const Link* last = nullptr; // began to wait last, of those that can give up
  for (const Link& l : seen_) {
    bool later = !last || (l.since != last->since ? l.since > last->since : l.process > last->process);
    if (later && !platform::process_stopped(pid_of(l.process))) last = &l;
  }
  if (last && last->process == self()) throw Error{"DeadlockError", describe(seen_)};
}

std::string Blocked::describe(const std::vector<Link>& circle) {
  std::string text = "processes wait for each other: ";
  for (const Link& l : circle) {
    std::string other = std::to_string(pid_of(waited_for(l.what)));
    text += "process " + std::to_string(pid_of(l.process)) + " has waited for " +
            seconds_since(l.since) + " for ";
    if (is_end(l.what)) text += "the end of process " + other + "; ";
    else
      text += std::string(heap().at<LockShared>(l.what)->recursive ? "RLock #" : "Lock #") +
              std::to_string(heap().serial_of(l.what)) + ", which process " + other + " holds; ";
  }
  return text + "this call fails so that the others can continue. Let all processes acquire locks in "
                "the same order, or give a `timeout`";
}

} // namespace mp
