#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "io/file_system.h"

/// The names in a data directory, and which kind of file each one is.
///
/// Files that appear whole or not at all: written under a temporary name, synced, then renamed. Names are durable after
/// the directory's next sync.
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

/// Creates the temporary file for `name`; one that was left behind is replaced.
Result<std::unique_ptr<io::File>> create_temporary(io::Directory& directory, std::string_view name);

/// Creates the temporary file for `name` with `bytes`, and syncs it. On failure there is none; kStorageFailed when a
/// write or the sync failed for another reason than a full disk.
Status write_temporary(io::Directory& directory, std::string_view name, std::span<const std::byte> bytes);

/// Renames the temporary file to `name`, replacing what was there.
Status rename_temporary(io::Directory& directory, std::string_view name);

/// Removes the temporary file of `name`, if it is there. A failure leaves it for the next open to remove.
void remove_temporary(io::Directory& directory, std::string_view name);

/// Copies the bytes from `begin` up to `end` of `from`, or to the end of that file when it comes first, to the begin of
/// `to`, a new file. Returns how many. Holes are not read, and zeros become holes: the copy takes the time and the room
/// that is really stored, however long the file is. What the file system says of a failure.
Result<std::uint64_t> copy_bytes(const io::File& from, std::uint64_t begin, std::uint64_t end, io::File& to);

}  // namespace flint::storage
