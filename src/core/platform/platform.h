// The seam to the operating system. Everything above speaks in these words: clocks, bells, memory,
// processes; beside them lives (life.h), pages and sockets. The files in linux/ implement them;
// another system gets a folder of its own.
#pragma once

#include "system.h"

#include "bell.h"
#include "clock.h"
#include "memory.h"
#include "process.h"
