#include "pool/element_names.h"

#include "core/error.h"

namespace mp::bind {

ElementNames::Given ElementNames::given_of(const std::string& name) {
  if (name == "values") return Values;
  if (name == "calls") return Calls;
  if (name == "columns") return Columns;
  if (name == "call") return Call;
  throw Error{"ValueError", "elements cannot be given as " + name};
}

std::string ElementNames::name(int element) const {
  return given_ == Call ? "the call" : "element " + std::to_string(number(element));
}

std::string ElementNames::place(const codec::Path& path) const {
  size_t own = given_ == Values ? 1 : 2; // how many steps lead to what the user gave
  if (own == 2 && path.size() > 1 && path[1].index == 0) own = 1; // an attribute of the list of a call's arguments
  if (path.size() < own) return given_ == Call ? "an argument" : "an element";
  std::string element = name(int(path[0].index)), argument;
  if (own == 2) argument = "argument " + (path[1].name.empty() ? std::to_string(path[1].index) : "`" + path[1].name + "`");
  std::string place = own == 1            ? given_ == Call ? "the arguments" : element
                      : given_ == Calls   ? argument + " of " + element
                      : given_ == Columns ? element + " of " + argument
                                          : argument;
  return path.size() > own ? "`" + codec::text_of(path, own) + "` of " + place : place;
}

} // namespace mp::bind
