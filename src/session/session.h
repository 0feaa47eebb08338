// The session of this process: it is opened at the first entry from R.
#pragma once

namespace mp::bind {

// Every entry from R starts here: makes the session on first use, refuses to run in a fork that
// found no place in it, and releases what R's collector has found dead.
void enter();
void install_hooks(); // once; before the session is opened or joined
// An entry's body. What is thrown in it becomes a classed condition, see Routine.
template <class F> auto entry(F body) -> decltype(body()) {
  enter();
  return body();
}

} // namespace mp::bind
