// Where things are in a frame that may be damaged: what a mutation needs to know. Apart from the
// codec's reader on purpose, so that a mistake in one is not repeated in the other.
#pragma once

#include "target.h"

namespace fuzz {

// A number in a header, and how many bytes it takes.
struct Field {
  size_t at;
  size_t bytes;
};

struct Node {
  size_t start;      // its header
  size_t data;       // behind it
  size_t attributes; // behind the data
  size_t end;
  uint8_t type;
  bool complete; // it ends within the frame
};

// An attribute: its name's header and its node.
struct Attribute {
  size_t owner; // the owner's index in `nodes`
  size_t start;
  size_t end;
};

struct Element {
  size_t list; // index in `nodes`
  size_t index;
  size_t start;
  size_t end;
};

struct NodeMap {
  std::vector<Field> fields;
  std::vector<Node> nodes; // each before those within it
  std::vector<Attribute> attributes;
  std::vector<Element> elements;
};

void study(const Bytes& frame, NodeMap* found); // reuses the memory of `found`

// Writes the size of the frame into its header, and into the tables of lists where their elements
// are, as far as the frame can be followed.
void repair(Bytes& frame);

} // namespace fuzz
