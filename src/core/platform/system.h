// The operating systems that have a folder here. Included before everything else by the file that is compiled first.
#pragma once

#ifndef __linux__
#error "multiprocessing needs Linux: no other operating system is supported yet. On Windows use WSL 2, on macOS a Linux container or server."
#endif
