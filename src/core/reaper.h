// Finds dead participants and sweeps what they held.
#pragma once

namespace mp {

// Marks the dead as dead, rings every doorbell if there was one, and takes back what they held as soon
// as the system has removed their processes. Cheap without a death. Returns true if a dead participant
// was found.
bool reap();

} // namespace mp
