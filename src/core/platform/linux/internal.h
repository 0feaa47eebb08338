// What the files of this folder share.
#pragma once

#include <cstdint>

namespace mp::platform {

struct FolderEntry { // linux_dirent64, as getdents64() writes it
  uint64_t inode;
  int64_t next;
  uint16_t bytes;
  uint8_t type;
  char name[1];
};

} // namespace mp::platform
