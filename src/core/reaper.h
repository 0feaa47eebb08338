// What becomes of the dead.
#pragma once

namespace mp {

// Marks the dead as dead, rings everybody if there was one, and takes back what they held as soon
// as their processes are really gone. Cheap when nobody died. Returns true if somebody was found
// dead.
bool reap();

} // namespace mp
