#pragma once

#include <memory>
#include <string_view>

#include "io/file_system.h"

/// Files of the operating system (Linux).
namespace flint::io {

enum class OpenDirectory : std::uint8_t {
  kMustExist,  ///< Creates nothing.
  kCreate,     ///< Creates the directory (0700, one level), and makes its name durable before it returns.
};

enum class MapFiles : std::uint8_t {
  kWhereSafe,  ///< File::can_map() says what is known of the file system.
  kNever,
};

/// Opens a directory by handle: it stays the same one when its path is renamed or replaced later. `path` itself may be
/// a symbolic link; names inside are never followed. The mode and owner of a directory that exists are left alone; what
/// is created is 0700 (directories) and 0600 (files), whatever the umask.
[[nodiscard]] Result<std::unique_ptr<Directory>> open_posix_directory(std::string_view path, OpenDirectory how,
                                                                      MapFiles map = MapFiles::kWhereSafe);

}  // namespace flint::io
