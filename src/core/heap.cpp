// Blocks: which participants hold them, what they belong and refer to, when they are freed. Where they come from
// is in heap_memory.cpp, their pages are in heap_runs.cpp.
#include "heap_internal.h"

#include <memory>
#include <new>

namespace mp {
namespace {

// By kind. Without initializers: it is all zero before the first KindActions is made.
void (*on_free_of[int(BlockKind::kCount)])(uint64_t);
void (*forget_of[int(BlockKind::kCount)])(uint64_t, Token);

} // namespace

KindActions::KindActions(BlockKind kind, void (*on_free)(uint64_t), void (*forget)(uint64_t, Token)) {
  on_free_of[int(kind)] = on_free;
  forget_of[int(kind)] = forget;
}

bool Heap::needed(const BlockRecord& r) const {
  if (r.parent || r.referrers) return true;
  for (uint64_t w : r.holders)
    if (w) return true;
  return false;
}

void Heap::link_child(uint64_t page, uint64_t parent) {
  BlockRecord& r = records_[page];
  r.parent = uint32_t(parent);
  r.previous_sibling = 0;
  r.next_sibling = records_[parent].first_child;
  if (r.next_sibling) records_[r.next_sibling].previous_sibling = uint32_t(page);
  records_[parent].first_child = uint32_t(page);
}

void Heap::unlink_child(uint64_t page) {
  BlockRecord& r = records_[page];
  if (!r.parent) return;
  if (r.previous_sibling) records_[r.previous_sibling].next_sibling = r.next_sibling;
  else records_[r.parent].first_child = r.next_sibling;
  if (r.next_sibling) records_[r.next_sibling].previous_sibling = r.previous_sibling;
  r.parent = r.next_sibling = r.previous_sibling = 0;
}

void Heap::release(uint64_t page) {
  if (needed(records_[page]) || records_[page].doomed) return;
  records_[page].doomed = true;
  records_[page].next_free = 0;
  uint64_t list = page; // blocks to free, linked through next_free
  while (list) {
    uint64_t p = list;
    BlockRecord& r = records_[p];
    list = r.next_free;
    // Not sealed: its maker died before it was filled, there is nothing in it to act upon.
    if (r.sealed && on_free_of[int(r.kind)]) on_free_of[int(r.kind)](p * kPageBytes);
    auto doom = [&](uint64_t q) {
      if (needed(records_[q]) || records_[q].doomed) return;
      records_[q].doomed = true;
      records_[q].next_free = uint32_t(list);
      list = q;
    };
    while (r.first_child) {
      uint64_t c = r.first_child;
      unlink_child(c);
      doom(c);
    }
    if (r.sealed) {
      const Reference* refs = at<Reference>(p * kPageBytes + r.references);
      for (uint32_t i = 0; i < r.reference_count; ++i) {
        uint64_t q = refs[i].page;
        if (run_kind(runs_[q]) != kUsed || records_[q].serial != refs[i].serial) continue;
        --records_[q].referrers;
        doom(q);
      }
    }
    uint64_t pages = run_value(runs_[p]);
    header().used_pages -= pages;
    put(runs_[p], run(kUnused, 0)); // the commit: from here on the block does not exist
    give_run(p, pages, r.backed, pages);
  }
}

void Heap::seal(uint64_t block, uint64_t offset, uint32_t count) {
  HeapSection section(*this);
  BlockRecord& r = records_[page_of(block)];
  const Reference* refs = at<Reference>(block + offset);
  for (uint32_t i = 0; i < count; ++i) ++records_[refs[i].page].referrers;
  r.references = offset;
  r.reference_count = count;
  std::atomic_signal_fence(std::memory_order_seq_cst); // a death leaves it whole, or unsealed
  r.sealed = true;
}

void Heap::hold(uint64_t block) { hold_for(block, self()); }

bool Heap::is_block(uint64_t block, uint64_t serial) {
  uint64_t page = page_of(block);
  return block % kPageBytes == 0 && page >= header().first_page && page < header().high_water &&
         run_kind(runs_[page]) == kUsed && records_[page].serial == serial;
}

uint64_t Heap::bytes_of(uint64_t block, uint64_t serial) {
  HeapSection section(*this);
  return is_block(block, serial) ? bytes_of(block) : 0;
}

bool Heap::hold(uint64_t block, uint64_t serial) {
  HeapSection section(*this);
  if (!is_block(block, serial)) return false;
  records_[page_of(block)].add_holder(slot_of(self()));
  return true;
}

void Heap::hold_for(uint64_t block, Token t) {
  HeapSection section(*this);
  records_[page_of(block)].add_holder(slot_of(t));
}

void Heap::drop(uint64_t block) noexcept {
  if (self() == 0) return; // a fork without a slot holds nothing
  uint64_t page = page_of(block);
  bool trim_now;
  {
    // One drop that has waited in vain is enough: later ones only try.
    bool again = postponed_.load(std::memory_order_relaxed) != nullptr;
    HeapSection section(*this, again ? kNoWait : 0);
    if (!section.held()) return postpone(page);
    if (run_kind(runs_[page]) != kUsed) return; // dropped twice: there is no block to free
    records_[page].remove_holder(slot_of(self()));
    release(page);
    trim_now = header().free_backed_pages > warm_pages();
  }
  if (trim_now) trim(warm_pages() / 2);
}

void Heap::postpone(uint64_t page) noexcept {
  auto* p = new (std::nothrow) Postponed{page, self(), postponed_.load(std::memory_order_relaxed)};
  if (!p) return; // it stays held as long as this process lives
  // release: pairs with the exchange in drop_postponed(), maybe in another thread
  while (!postponed_.compare_exchange_weak(p->next, p, std::memory_order_release)) {
  }
}

// First in every section, so that a hold that was taken meanwhile is not dropped.
void Heap::drop_postponed() {
  Postponed* list = postponed_.exchange(nullptr, std::memory_order_acquire);
  while (list) {
    std::unique_ptr<Postponed> p(list);
    list = p->next;
    if (run_kind(runs_[p->page]) != kUsed) continue; // dropped twice
    records_[p->page].remove_holder(slot_of(p->holder));
    release(p->page);
  }
}

void Heap::drop_later_ones() noexcept {
  if (self() == 0 || !postponed_.load(std::memory_order_relaxed)) return;
  HeapSection section(*this, kNoWait); // does it
}

void Heap::forget_postponed() {
  Postponed* list = postponed_.exchange(nullptr, std::memory_order_relaxed);
  while (list) {
    std::unique_ptr<Postponed> p(list);
    list = p->next;
  }
}

void Heap::set_parent(uint64_t child, uint64_t parent) {
  HeapSection section(*this);
  unlink_child(page_of(child));
  link_child(page_of(child), page_of(parent));
}

void Heap::clear_parent(uint64_t child) {
  HeapSection section(*this);
  unlink_child(page_of(child));
  release(page_of(child));
}

bool Heap::has_parent(uint64_t child, uint64_t parent) {
  HeapSection section(*this);
  return records_[page_of(child)].parent == page_of(parent);
}

int Heap::holders(uint64_t block, Token but, Token* out, int room) {
  HeapSection section(*this, 0);
  if (!section.held()) return 0;
  int n = 0;
  records_[page_of(block)].each_holder([&](uint32_t slot) {
    if ((but && slot == slot_of(but)) || n == room) return;
    out[n++] = make_token(slot, header().participants[slot].look().generation);
  });
  return n;
}

// --- participants ----------------------------------------------------------------------------

bool Heap::inherit(Token parent, Token child) noexcept {
  HeapSection section(*this, platform::kForever);
  if (!section.held()) return false;
  uint32_t from = slot_of(parent), to = slot_of(child);
  each_used([&](uint64_t page, uint64_t) {
    if (records_[page].has_holder(from)) records_[page].add_holder(to);
  });
  return true;
}

void Heap::keep_only(const std::function<bool(uint64_t)>& keep) {
  HeapSection section(*this, platform::kForever);
  if (!section.held()) return;
  uint32_t slot = slot_of(self());
  each_used([&](uint64_t page, uint64_t) {
    if (!records_[page].has_holder(slot) || keep(page * kPageBytes)) return;
    records_[page].remove_holder(slot);
    release(page);
  });
}

bool Heap::sweep(Token gone) noexcept {
  HeapSection section(*this, 0);
  if (!section.held()) return false;
  Participant& p = participant(gone);
  SlotState s = p.look();
  if (s.generation != generation_of(gone) || s.life != Life::Dead) return true; // another did it
  uint32_t slot = slot_of(gone);
  forget_waiter(header().guard.waiters, slot);
  each_used([&](uint64_t page, uint64_t) {
    BlockRecord& r = records_[page];
    if (forget_of[int(r.kind)]) forget_of[int(r.kind)](page * kPageBytes, gone);
    r.remove_holder(slot);
  });
  each_used([&](uint64_t page, uint64_t) { release(page); });
  p.parent.store(0, std::memory_order_relaxed); // not to be taken for the next one's
  // release: after this the slot may be taken; nothing of the old participant is left
  p.state.store(SlotState{0, s.generation, Life::Free}.pack(), std::memory_order_release);
  return true;
}

} // namespace mp
