#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// The names in a data directory, and which kind of file each one is.
namespace flint::storage {

/// No store comes this far, and beyond, counting on would wrap around. A name with a higher number is none of ours.
inline constexpr std::uint64_t kHighestNumber = std::uint64_t{1} << 62;
/// No store comes half as far either: one that says so is not opened, so that none which is open gets to the number
/// above, whose files would be none of ours.
inline constexpr std::uint64_t kHighestNumberAtOpen = kHighestNumber / 2;

inline constexpr std::string_view kLockName = "flint.lock";
inline constexpr std::string_view kManifestName = "manifest";
inline constexpr std::string_view kImportMarkName = "import.unfinished";

enum class FileKind : std::uint8_t { kLock, kManifest, kSegment, kSnapshot, kTail, kTemporary, kRepairCopy, kOther };

struct FileName {
  FileKind kind = FileKind::kOther;
  /// Of a segment or a snapshot.
  std::uint64_t number = 0;
};

/// Only names exactly as the functions below write them are segments and snapshots.
[[nodiscard]] FileName classify(std::string_view name);

[[nodiscard]] std::string segment_name(std::uint64_t number);
[[nodiscard]] std::string snapshot_name(std::uint64_t generation);
/// The copy of what stood behind the last good record of an old segment.
[[nodiscard]] std::string tail_name(std::uint64_t segment, std::uint64_t offset);
[[nodiscard]] std::string repair_copy_name(std::uint64_t repair, std::string_view name);
/// The name under which a file is written before it is renamed to `name`.
[[nodiscard]] std::string temporary_name(std::string_view name);
/// The number of a repair copy's repair; nothing for other names.
[[nodiscard]] std::optional<std::uint64_t> repair_number(std::string_view name);

}  // namespace flint::storage
