// What children print, shown here as R's own output. Each child writes into files of its own, so
// that no child waits for a reader. Before a child does something that others can see (releases a
// lock, puts, sends, returns) it marks how much it has printed, with a number that grows over the
// session: what is marked is shown at once, and what was printed because of it is shown after it.
// What is not marked yet is shown line by line, so that children that print at the same time do not
// break each other's lines; a line that stays without an end (a progress bar) is shown once its process has slept
// or computed for a quarter of a second and has not printed the rest.
#pragma once

namespace mp::bind {

void show_output(); // of all children, causes first; forgets those that are over
void mark_output(); // before this process does what others can see

} // namespace mp::bind
