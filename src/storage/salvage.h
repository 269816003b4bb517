#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "io/file_system.h"

/// Reads what can still be read from a failing disk.
namespace flint::storage {

/// The problems met while reading through a salvaging directory.
struct Salvage {
  /// The blocks that could not be read, by file name.
  std::map<std::string, std::set<std::uint64_t>> unreadable;
  /// The first failure to open a file (too many are open, say) or to read its size. That is not damage to its
  /// contents.
  Status not_opened;
};

/// The text that replaces a block that cannot be read, repeated to fill it.
inline constexpr std::string_view kUnreadableMark = "<not readable>\n";

/// Forwards everything to `directory`, except that a block that cannot be read reads as kUnreadableMark, which is then
/// judged like any other damage. Both references must outlive it.
[[nodiscard]] std::unique_ptr<io::Directory> make_salvaging_directory(io::Directory& directory, Salvage& salvage);

/// "log-000000000001.flog (4096 bytes from offset 8192 on)", for each range.
[[nodiscard]] std::string describe(const Salvage& salvage);

}  // namespace flint::storage
