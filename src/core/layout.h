// The layout of shared memory, apart from the algorithms. The comment of every word names its writer and what a
// death leaves in it. Shared memory holds offsets, never pointers: each process maps it elsewhere.
//
//   page 0 ..            HeapHeader (with the participants)
//   runs_offset          uint64_t run[pages]      what each page is (see heap_runs.cpp)
//   records_offset       BlockRecord record[pages] one per block, at the index of its first page
//   first_page ..        the blocks
#pragma once

#include "platform/life.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <sys/types.h>

namespace mp {

constexpr uint64_t kPageBytes = 4096;
constexpr uint32_t kSlots = 1024; // participants at the same time
constexpr uint32_t kMaskWords = kSlots / 64;
constexpr uint64_t kHeapMagic = 0x6d70'6865'6170'3031; // "mpheap01"

static_assert(std::atomic<uint64_t>::is_always_lock_free, "shared words are lock-free or useless");
static_assert(std::atomic<uint32_t>::is_always_lock_free, "a futex is a lock-free 32-bit word");
static_assert(sizeof(std::atomic<uint64_t>) == 8 && sizeof(std::atomic<uint32_t>) == 4,
              "atomics have the size of their value in every process");

// A participant is named by a token: its slot and the generation of that slot. 0 is no participant.
using Token = uint32_t;
constexpr uint32_t kSlotBits = 10;
constexpr uint32_t slot_of(Token t) { return t & (kSlots - 1); }
constexpr uint32_t generation_of(Token t) { return t >> kSlotBits; }
constexpr Token make_token(uint32_t slot, uint32_t generation) {
  return (generation << kSlotBits) | slot;
}

enum class Life : uint32_t { Free = 0, Reserved = 1, Claiming = 2, Live = 3, Dead = 4 };

// A slot's state in one word: its process, and whether it lives.
struct SlotState {
  uint32_t pid;
  uint32_t generation;
  Life life;
  constexpr uint64_t pack() const { return uint64_t(pid) << 32 | generation << 3 | uint32_t(life); }
  static constexpr SlotState unpack(uint64_t v) {
    return {uint32_t(v >> 32), uint32_t(v) >> 3, Life(uint32_t(v) & 7)};
  }
};
static_assert(32 - kSlotBits + 3 <= 32, "a generation and a life fit the lower half");

// The bit of a slot in a mask: in word slot / 64.
constexpr uint64_t bit_of(uint32_t slot) { return uint64_t(1) << (slot % 64); }

// A set of participants that wait for something. Bits are set by their owner, cleared by the owner
// or by its waker. A death leaves a stale bit: wakers skip the dead, sweep() clears it.
struct WaiterMask {
  std::atomic<uint64_t> word[kMaskWords];
};

// Flags of Participant::programs.
constexpr uint32_t kEndsThem = 1;  // a child of ours: it ends what it has started when its parent ends
constexpr uint32_t kHasForked = 2; // so it may have started something

// One slot. `life` is held by its participant's main thread for its whole life.
struct alignas(128) Participant {
  std::atomic<uint64_t> state;    // SlotState; by CAS, see participant.cpp
  std::atomic<uint32_t> doorbell; // counter in steps of 2; bit 0: asleep (owner sets and clears it)
  // 1 + the shortages that it has answered, while it sleeps in a wait that answers them; else 0. By the participant. A killed
  // one leaves it, and is not waited for
  std::atomic<uint32_t> answers;
  platform::Life life;            // of its main thread; the system marks it at the death
  int64_t claimed_at;             // boot_ns(); by the participant before it is Live
  std::atomic<int64_t> noted_at;  // boot_ns(); by the writer of a pid in `state`, before it
  std::atomic<int64_t> reserved_at; // by the reserver; an abandoned reservation expires
  std::atomic<Token> parent;        // which participant reserved the slot, 0: not known; by that one
  std::atomic<uint32_t> cpu;   // 1 + where it ran when it last waited, a hint; by the participant
  std::atomic<uint32_t> rung_us; // low bits of now_ns() / 1000, when it was last rung asleep, a hint; by the ringer
  // It has left by itself and was not killed. Written by the participant, or by its pool before it ends it idle: end_idle()
  std::atomic<uint16_t> ended;
  std::atomic<uint16_t> programs; // what it has started, flags; by the participant
  std::atomic<uint64_t> waits_for;  // without a limit: block of a lock, or 2 * token + 1 of a
                                    // participant that is to end, 0: nothing; by the participant
  std::atomic<int64_t> waits_since; // by the participant, before `waits_for`

  SlotState look() const { // acquire: pairs with the CAS, or sweep()'s store, that published it
    return SlotState::unpack(state.load(std::memory_order_acquire));
  }
};
static_assert(sizeof(Participant) == 128,
              "two cache lines; one that waits does not disturb its neighbours");

// Guards a shared structure. The word is the owner's token. A death leaves it held; the next one
// takes it over and runs the structure's repair before it does anything else.
struct GuardWord {
  std::atomic<uint32_t> owner;
  WaiterMask waiters;
};

enum class BlockKind : uint8_t {
  None = 0,
  Bytes, // a segment of a queue, results, an encoded value
  Lock,
  Queue,
  Pipe,
  Connection, // one end of a pipe
  Pool,
  Job,
  Process,
  Barrier,
  Array,
  Semaphore,
  Event,
  Condition,
  Cells, // of a Value or an Array
  Dict,
  kCount
};

// All fields are written under the heap's guard; a death there leads to Heap::rebuild().
// A block lives while it has a holder, a referrer or a living parent.
struct alignas(64) BlockRecord {
  uint64_t holders[kMaskWords]; // bit per participant that holds the block
  uint64_t serial;              // never used twice; tells a block from a later one at its place
  uint64_t bytes;               // as asked for; of a free run: pages that may hold memory
  uint64_t references;          // offset in the block of the (page, serial) pairs it refers to
  uint32_t reference_count;     // counted by `referrers` of their targets once sealed
  uint32_t referrers;                // sealed blocks that refer to this one (derived, recounted)
  uint32_t parent;              // page of the block that it belongs to, 0: none
  uint32_t first_child;         // children: a list (derived, rebuilt)
  uint32_t next_sibling;
  uint32_t previous_sibling;
  uint32_t next_free; // free runs: list of the size class (derived); also freeing work list
  uint32_t previous_free;
  Token creator;
  BlockKind kind;
  bool sealed;
  bool backed; // its pages exist already (also of a free run)
  bool doomed; // on the work list of release()

  void add_holder(uint32_t slot) { holders[slot / 64] |= bit_of(slot); }
  void remove_holder(uint32_t slot) { holders[slot / 64] &= ~bit_of(slot); }
  bool has_holder(uint32_t slot) const { return holders[slot / 64] & bit_of(slot); }
  template <class F> void each_holder(F f) const { // f(slot)
    for (uint32_t w = 0; w < kMaskWords; ++w)
      for (uint64_t bits = holders[w]; bits; bits &= bits - 1)
        f(w * 64 + uint32_t(__builtin_ctzll(bits)));
  }
};
static_assert(sizeof(BlockRecord) == 192, "three cache lines; the table is sparse");

struct Reference { // how a block names another one
  uint64_t page;
  uint64_t serial;
};

constexpr uint64_t padded(uint64_t bytes) { return (bytes + 7) & ~uint64_t(7); }

constexpr uint32_t kSizeClasses = 40;

struct HeapHeader {
  uint64_t magic; // this and the sizes: written once by the creator before any other process maps it
  uint64_t nonce;
  uint64_t bytes;
  uint64_t pages;
  uint64_t runs_offset;
  uint64_t records_offset;
  uint64_t first_page;
  alignas(64) GuardWord guard; // the heap's guard; the fields below are written under it
  uint64_t high_water;         // pages from here on were never used
  uint64_t used_pages;         // derived
  uint64_t free_backed_pages;  // derived: free pages that may hold memory
  uint64_t next_serial;
  uint32_t free_head[kSizeClasses];      // derived
  // A hint, see Heap::fill(). By CAS from 0 or a dead one to the process itself, and back; a death leaves it to the next one.
  std::atomic<Token> filler;
  std::atomic<uint32_t> shortages;       // fetch_add by a process that found no room: others free what they can
  std::atomic<uint64_t> output_sequence; // fetch_add by a process that marks its output, see OutputMark
  std::atomic<uint32_t> top_slot;        // 1 + highest slot ever used; grows by CAS
  Participant participants[kSlots];
};

// --- what lies in blocks ------------------------------------------------------------------------

// Lock and RLock. `owner` is changed by CAS; `depth` is written by the owner alone. A death leaves
// the owner's token: the next acquirer takes it over and is told.
struct LockShared {
  std::atomic<uint32_t> owner;
  uint32_t recursive; // by the creator
  uint32_t depth;
  // A process has released it that had not acquired it: its owner need not be the one that will release it. By that process;
  // it stays
  std::atomic<uint32_t> handed_over;
  WaiterMask waiters;
};

// {round:32 | broken:1 | arrived:31}, by CAS. A death leaves a member: the sweep breaks the round.
constexpr uint32_t kResets = 64;
struct BarrierShared {
  uint32_t parties; // by the creator
  std::atomic<uint64_t> state;
  WaiterMask waiters;
  WaiterMask members;         // parties that arrived since the last reset; each sets its own bit
  std::atomic<uint32_t> lost; // pid of a member that was killed, 0: none; by the sweep
  std::atomic<uint64_t> by_reset[kResets]; // [round % kResets]: 1 + a round that a reset ended,
                                           // by the process that resets, before the CAS that ends it
  int64_t timeout_ns;                      // by the creator: of waits that give none
  Reference action; // by the creator: block with an encoded function, page 0: none
};

// The permits of a Semaphore in one word, by CAS. Owned permits, which come back when their owner
// dies, are also counted for the owner's slot in `held`. Both words change as one: the CAS names the
// slot and a turn; the first process that sees this enters it into the slot's count, once. A
// death leaves an entry that the next process makes, and a count that the sweep gives back.
struct SemaphoreWord {
  uint32_t permits;
  bool giving;   // the slot gives one back, or takes one
  uint32_t slot; // 1 + the slot whose count is to be changed, 0: none
  uint32_t turn; // of owned takings and givings
  static constexpr uint32_t kTurns = (1u << 21) - 1;
  static constexpr uint32_t kMost = (1u << 31) - 1;
  constexpr uint64_t pack() const {
    return uint64_t(permits) << 33 | uint64_t(giving) << 32 | slot << 21 | turn;
  }
  static constexpr SemaphoreWord unpack(uint64_t v) {
    return {uint32_t(v >> 33), bool(v >> 32 & 1), uint32_t(v) >> 21, uint32_t(v) & kTurns};
  }
};
static_assert(kSlots <= 1024, "1 + a slot fits 11 bits");
struct SemaphoreShared {
  uint32_t most;               // by the creator: of a BoundedSemaphore, otherwise kMost
  std::atomic<uint64_t> state; // SemaphoreWord
  WaiterMask waiters;
  std::atomic<uint64_t> held[kSlots]; // {turn:32 | owned permits:32}
};

// {times it was set:63 | it is set:1}, by CAS. A death leaves the old word or the new one.
struct EventShared {
  std::atomic<uint64_t> state;
  WaiterMask waiters;
};

// The waiters, a word per slot: {ticket:62 | NoticeState:2}. None -> Waiting by its participant,
// Waiting -> Notified by CAS of a notifier, to None by the participant: by CAS if it was not
// notified. A death leaves Waiting, which is never notified, or Notified, which the sweep passes on.
enum class NoticeState : uint64_t { None = 0, Waiting = 1, Notified = 2 };
struct ConditionShared {
  Reference lock;                // by the creator, sealed
  std::atomic<uint64_t> tickets; // fetch_add by a process that begins to wait
  std::atomic<uint64_t> notices[kSlots];
};

// Numbers of one type, which any process may write at any time: what a death leaves is what it
// wrote. With a lock they change as one for processes that acquire it.
constexpr uint32_t kMostDims = 8;
struct CellsShared { // all by the creator
  Reference lock;    // sealed; page 0: none
  uint64_t length;   // cells
  uint64_t data;     // offset in this block
  uint32_t type;     // the binding's
  uint32_t single;   // users see a Value
  uint32_t dims;
  uint32_t dim[kMostDims];
  uint32_t pad;
};

// Values by name. Everything but `items` and the guard is written under the guard. A death under it
// leaves `arriving`, `leaving` or `leaving_table`: blocks that are, or were, children of the dict;
// the next owner's repair finds out which of them the table leads to.
struct DictShared {
  GuardWord guard;
  uint64_t table;              // block of the table, 0: it is empty; its store commits a new one
  uint64_t arriving;           // a block that becomes a child
  uint64_t leaving;            // a value's block that is replaced or removed
  uint64_t leaving_table;      // a table that is replaced
  uint64_t changes;            // ever made: the next one's stamp
  std::atomic<uint64_t> items; // stored under the guard, read by any process as a hint
  Reference lock;              // by the creator, sealed
  uint64_t face;               // by the creator: the binding's, what users see
};
struct TableShared { // under the dict's guard
  uint64_t slots;    // by the creator: a power of two
  uint64_t capacity; // by the creator: bytes for records
  uint64_t used;     // of these; a death leaves some that nothing leads to
  uint64_t occupied; // words of the index that are not empty
  // uint64_t index[slots]: 0 empty, 1 removed, otherwise offset of a record; its store is the
  // commit records follow
};
struct RecordShared { // written before a word leads to it, never changed
  uint64_t hash;
  uint64_t order; // the stamp with which the key came
  uint64_t stamp; // of this value
  uint64_t value_bytes;
  uint64_t block; // of a large value, 0: it follows the key
  uint32_t key_bytes;
  uint32_t pad;
  // the key, padded, and the value
};
static_assert(sizeof(RecordShared) % 8 == 0, "encoded values are aligned to 8");

// A queue is a list of segments. Small messages lie one after the other in a common segment; a
// large one, or one that refers to other blocks, has a segment of its own, filled before it is visible to
// other processes.
struct MessageHeader {
  uint64_t bytes;
};
struct SegmentShared {
  std::atomic<uint64_t> window; // {write:32 | read:32} byte positions; under the queue's guard
  uint64_t next;                // block of the next segment, 0: none; under the queue's guard
  uint64_t capacity;            // of `data`; by the creator
  uint32_t single;              // one message that fills it; by the creator
  uint32_t pad;
  // data follows
};
constexpr uint64_t kSegmentHeaderBytes = 64;
static_assert(sizeof(SegmentShared) <= kSegmentHeaderBytes);

constexpr uint64_t kPlainQueue = 0, kSimpleQueue = 1, kJoinableQueue = 2;

// Everything but the counters and masks is written under the guard. A death under the guard leaves
// at most one step undone: `arriving` or `leaving` name its segment, repair_queue() finishes or
// forgets it.
struct QueueShared {
  GuardWord guard;
  uint64_t head;               // first segment, 0: none
  uint64_t tail;               // last segment
  uint64_t arriving;           // a segment being linked
  uint64_t leaving;            // a segment being unlinked
  uint64_t max_items;          // 0: unbounded; by the creator
  uint64_t simple;             // what users see: kPlainQueue ...; by the creator
  std::atomic<uint64_t> items; // stored under the guard, read by any process as a hint
  WaiterMask getters;
  WaiterMask putters;
};

// A queue, and which participants have taken messages that are not done. `taking` and what belongs to it are written
// under the queue's guard; a death leaves them, and repair_taking() finds out whether the message
// was taken. `taken` changes under the guard, and is set to 0 by the sweep.
struct JoinableShared {
  QueueShared queue;
  WaiterMask joiners;
  uint64_t taking;      // 1 + slot that takes a message just now, 0: none
  uint64_t taking_head; // the queue's head, its segment's window and the slot's count before
  uint64_t taking_window;
  uint64_t taking_count;
  std::atomic<uint64_t> lost; // {messages:32 | pid:32} that were not done when their taker ended;
                              // by the sweep, to 0 by the process that is told
  std::atomic<uint32_t> taken[kSlots];
};

// Two one-way queues. Each end is a Connection block that refers to the pipe; when it has no holder
// any more, the heap frees it and marks the end closed (under the heap's guard).
struct PipeShared {
  uint64_t queue[2];               // by the creator: blocks; queue[i] carries what end i sends
  std::atomic<uint32_t> closed[2]; // end i is closed for good
  uint64_t end[2];                 // by the creator: the Connection blocks, to find their holders
};
struct ConnectionShared { // by the creator
  Reference pipe;         // sealed: the pipe lives as long as an end
  uint32_t side;
  uint32_t can_read, can_write;
};

// --- the job board ------------------------------------------------------------------------------

// A chunk of a job, one word: which worker computes it and how far it is. Free -> Claimed by a worker's CAS;
// then stored by that worker alone (Running before an element, Done at the end); after its death by
// the owner of the pool alone. While it is Claimed the worker reads the job's function and
// elements.
enum class ChunkState : uint32_t { Free = 0, Claimed = 1, Running = 2, Done = 3 };
struct ClaimWord {
  Token worker;
  uint32_t cursor; // elements of the chunk that are over; Running: this one is being computed;
                   // Claimed: this one is the first of those that are being read
  ChunkState state;
  static constexpr uint32_t kMaxCursor = (1u << 30) - 1;
  constexpr uint64_t pack() const { return uint64_t(worker) << 32 | cursor << 2 | uint32_t(state); }
  static constexpr ClaimWord unpack(uint64_t v) {
    return {Token(v >> 32), uint32_t(v) >> 2, ChunkState(uint32_t(v) & 3)};
  }
};

// A published result. Written by the worker before the push that makes it visible.
struct ResultRecord {
  uint64_t next;     // offset of the record that was pushed before
  uint64_t position; // element of the job
  uint64_t bytes;    // of the encoded value that follows, or that `block` holds
  uint64_t block;    // 0: the value follows here
  uint32_t status;   // ResultStatus
  uint32_t count;    // InSlots: this many elements from `position` on have their values in their
                     // slots, with their marks, or were published before
};
enum class ResultStatus : uint32_t { Value = 0, Error = 1, InSlots = 2 };
static_assert(sizeof(ResultRecord) % 8 == 0, "encoded values are aligned to 8");

// What one worker has published of a job. Pushed by it (CAS), taken whole by the owner (exchange). A
// death leaves whole records.
struct alignas(64) ResultList {
  std::atomic<uint64_t> head; // offset of the newest ResultRecord, 0: none
};

struct Span { // of bytes in a block
  uint64_t offset;
  uint64_t bytes;
};

// Everything but the atomics is written by the owner before it submits the job.
struct JobShared {
  uint64_t count; // elements
  uint32_t chunks;
  uint32_t workers; // of the pool
  Token owner;
  uint32_t notify_each;   // ring the owner after every element
  uint32_t notify_chunks; // ring the owner after every chunk, not only after the last one
  uint32_t timed;         // workers note when an element, or the reading of a chunk, began
  uint32_t pinned;        // chunk c is the c-th worker's alone
  Reference function;     // block with the encoded function; page 0: the workers inherited it
  Span body;              // the encoded rest of the job, in this block
  Span input;             // the encoded elements, in this block
  uint64_t starts;        // offset in this block: uint64_t[chunks + 1], first position of each chunk
  uint64_t claims;        // std::atomic<uint64_t>[chunks]
  uint64_t results;       // ResultList[workers]
  uint64_t finished;      // with slots: ResultRecord[chunks], for the InSlots records
  Span arena;             // for results that are no slot's
  // Slots: room of one size for each element's value, here or in a block that becomes the whole result.
  uint64_t slots;      // where the first one is, in the heap
  uint64_t slot_bytes;
  uint32_t slot_type;  // the type of all values, the binding's; 0: each is a small one, whose type is its mark
  uint32_t pad;
  uint64_t elements; // 0, or offset in this block: uint32_t[count], which slot a position has
  uint64_t marks;    // 0: no slots; else offset in this block: std::atomic<uint8_t>[count], by position;
                     // 0: no value in the slot. By the claim's worker, once: the mark commits the
                     // value. A death leaves both, or a value that is never read
  std::atomic<uint64_t> arena_used;  // fetch_add by workers; a death wastes what it took
  std::atomic<uint32_t> next_chunk;  // the same, a hint: chunks before it were offered once
  std::atomic<uint32_t> reopened;    // by the owner: chunks may be free anywhere, look at all
  std::atomic<uint32_t> done_chunks; // fetch_add by all, for ringing; the claims are the truth
  std::atomic<uint32_t> cancelled;   // by the owner
  std::atomic<uint32_t> one_by_one;  // by the owner, when a worker died as it read several elements
  std::atomic<uint32_t> readers;     // fetch_add by each worker that could read the function
};

// Of one of a pool's workers; its replacement takes it over.
struct alignas(64) WorkerShared {
  std::atomic<Token> token;          // by the worker when it starts
  std::atomic<uint64_t> job;         // by the worker: the job block that it looks at, which stays
  std::atomic<int64_t> began_ns;     // when a timed job's element began, or the
                                     // reading of its chunk; by the worker
  std::atomic<uint64_t> chunks_done; // by the worker
  std::atomic<uint32_t> in_slice; // by the worker, with a Claimed chunk: 1 if it reads several of
                                  // its elements, 0 if it reads what they all need
};

constexpr uint32_t kRing = 16384; // submitted jobs that have not ended

// Where workers begin to look for a free chunk. The owner starts a new round when it puts a chunk
// back, so that a worker that looked before that cannot advance the word over it.
struct OpenWord {
  uint32_t round; // by the owner
  uint64_t index; // on the ring
  static constexpr uint64_t kIndexBits = 44;
  constexpr uint64_t pack() const { return uint64_t(round) << kIndexBits | index; }
  static constexpr OpenWord unpack(uint64_t v) {
    return {uint32_t(v >> kIndexBits), v & ((uint64_t(1) << kIndexBits) - 1)};
  }
};

struct PoolShared {
  Token owner; // by the creator
  uint32_t workers;
  std::atomic<uint32_t> closing;    // by the owner: workers leave when no job has a free chunk
  std::atomic<uint64_t> submitted;  // by the owner: jobs ever put on the ring
  std::atomic<uint64_t> first_open; // OpenWord: no job before it has a free chunk; CAS by all
  WaiterMask idle;
  uint64_t worker_offset; // WorkerShared[workers]
  uint64_t ring_offset; // std::atomic<uint64_t>[kRing]: job blocks, 0: over; by the owner
};

// --- processes ----------------------------------------------------------------------------------

// How much a process had printed when it did something that others can see: what they print
// afterwards is shown after it.
struct OutputMark {
  uint64_t sequence;
  uint64_t bytes[2];
};
// Older ones are overwritten: the parent looks often enough, or loses order only.
constexpr uint32_t kMarks = 64;

struct ProcessShared {
  std::atomic<int32_t> born;           // of a sibling's child: its pid, by the kernel; see Child
  std::atomic<uint32_t> left;          // by the process when it leaves by itself: 1 + exit code
  std::atomic<uint32_t> result_status; // by the process: ResultStatus, before `result`
  std::atomic<uint64_t> result;        // by the process, once: a child block with what it returned
  uint64_t payload;                    // by the parent before the start: a child block, what to run
  std::atomic<uint32_t> mark_count;    // by the process, after the mark itself
  OutputMark marks[kMarks];            // by the process: marks[count % kMarks]
};

} // namespace mp
