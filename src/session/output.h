// What children print, shown here as R's own output. Each child writes into files of its own, so
// that no line is broken and nobody waits for a reader. Before a child does something that others
// can see (releases a lock, puts, sends, returns) it marks how much it has printed, with a number
// that grows over the session: so a line that was printed because of another one is shown after it.
#pragma once

namespace mp::bind {

void show_output(); // of all children, whole lines, causes first; forgets those that are over
void mark_output(); // before this process does what others can see

} // namespace mp::bind
