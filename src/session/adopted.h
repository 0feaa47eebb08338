// Ordinary vectors of R's whose pages are those of a block: no copy was made, and R reads them as fast as any other.
//
// R allocates a large vector by malloc(), which maps pages for it alone, unless it has enough that was freed. The pages behind the first, untouched so far,
// are replaced by a private, copy-on-write mapping of the block; the first one, which has the headers of malloc() and of R,
// gets a copy of what the block has there. That is why data begin kVectorLead bytes into their block. free() unmaps it all:
// so R's collector frees such a vector without telling us, and the list of this process's mappings says which are left.
#pragma once

#include "codec/codec.h"

namespace mp::bind {

// A vector, not filled, whose memory adopt_pages() can use wherever that is possible. May jump.
SEXP vector_to_adopt(SEXPTYPE type, R_xlen_t length);
// Makes the memory at `data`, a vector that R just allocated, show the block's bytes. False: it has no pages of its own,
// or there are too many mappings; nothing was changed. May jump.
bool adopt_pages(const codec::HandleId& id, void* data, uint64_t bytes);
// Of a vector that R has not freed since adopt_pages(). Unchanged: nothing was written into it.
bool is_adopted(const void* data);
bool is_unchanged(const void* data, uint64_t bytes);
// Does the vector at `data` show a whole block into which nothing was written?
bool adopted_block(const void* data, uint64_t bytes, codec::HandleId* id);
// Releases the blocks of vectors that R has freed: at every entry, does nothing if R has not collected since.
void release_adopted();
uint64_t adopted_count();
uint64_t adopted_bytes();
// In a fork that holds nothing: copies what it still shows.
void own_adopted();

} // namespace mp::bind
