#pragma once

#include <optional>

#include "io/file_system.h"

/// What statfs(2) says about where a directory is. Private to the POSIX implementation.
namespace flint::io {

struct MountedFileSystem {
  FileSystemKind kind;
  /// Blocks reserved with fallocate(2) take stores through a map without fail, and no other file can share them: what
  /// File::can_map() promises. False where that is not known.
  bool reserves_blocks = false;
};

/// Errno is set when there is no value.
[[nodiscard]] std::optional<MountedFileSystem> file_system_of(int fd);

/// The same as far as the magic number of statfs(2) tells; a number that is not known is named in hexadecimal.
[[nodiscard]] MountedFileSystem file_system_of_magic(std::uint32_t magic);

}  // namespace flint::io
