#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "io/file_system.h"

/// Reads what a failing disk still gives.
namespace flint::storage {

/// What reading through a salvaging directory met.
struct Salvage {
  /// The blocks that could not be read, by the file's name.
  std::map<std::string, std::set<std::uint64_t>> unreadable;
  /// The first file that could not be opened (too many are open, say) or whose size could not be read: that is no
  /// damage of what it holds.
  Status not_opened;
};

/// What is read instead of a block that cannot be read, again and again.
inline constexpr std::string_view kUnreadableMark = "<not readable>\n";

/// Passes everything on to `directory`, but a block that cannot be read reads as kUnreadableMark: damage like any
/// other, and judged like it. Both references outlive it.
[[nodiscard]] std::unique_ptr<io::Directory> make_salvaging_directory(io::Directory& directory, Salvage& salvage);

/// "log-000000000001.flog (4096 bytes from offset 8192 on)", for each stretch.
[[nodiscard]] std::string describe(const Salvage& salvage);

}  // namespace flint::storage
