// Ctrl-C in a child. Its terminal sends Ctrl-C to the session alone, and the owner of a job decides
// that the job is to stop. So a SIGINT that comes here is for something else, and does nothing,
// unless the element that is being computed was cancelled.
#pragma once

namespace mp::bind {

void install_interrupt_handlers(); // in a child
// Whether the element that is being computed was cancelled; set by the worker's loop.
extern bool (*interrupt_wanted)();

} // namespace mp::bind
