#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "io/file_system.h"

/// The file names in a data directory, the kind of file behind each name, and files that appear completely or not at
/// all: they are written under a temporary name, synced, and renamed. A new name is durable after the directory's next
/// sync.
namespace flint::storage {

/// No store reaches this number, from which counting on cannot wrap around. A name with a higher number is not Flint's.
inline constexpr std::uint64_t kHighestNumber = std::uint64_t{1} << 62;
/// A store that claims more than this is not opened, so that no open store reaches the number above.
inline constexpr std::uint64_t kHighestNumberAtOpen = kHighestNumber / 2;

inline constexpr std::string_view kLockName = "flint.lock";
inline constexpr std::string_view kManifestName = "manifest";
inline constexpr std::string_view kImportMarkName = "import.unfinished";
inline constexpr std::string_view kBackupMarkName = "backup.unfinished";

enum class FileKind : std::uint8_t { kLock, kManifest, kSegment, kSnapshot, kTail, kTemporary, kRepairCopy, kOther };

struct FileName {
  FileKind kind = FileKind::kOther;
  /// Of a segment or a snapshot.
  std::uint64_t number = 0;
};

/// A name is a segment's or a snapshot's only if it is exactly as the functions below write it.
[[nodiscard]] FileName classify(std::string_view name);

[[nodiscard]] std::string segment_name(std::uint64_t number);
[[nodiscard]] std::string snapshot_name(std::uint64_t generation);
/// The copy of the bytes after the last good record of an old segment.
[[nodiscard]] std::string tail_name(std::uint64_t segment, std::uint64_t offset);
[[nodiscard]] std::string repair_copy_name(std::uint64_t repair, std::string_view name);
/// The name under which a file is written before it is renamed to `name`.
[[nodiscard]] std::string temporary_name(std::string_view name);
/// The number of the repair that made this copy; nothing for other names.
[[nodiscard]] std::optional<std::uint64_t> repair_number(std::string_view name);

/// Creates the temporary file for `name`, and replaces one that a crash left.
Result<std::unique_ptr<io::File>> create_temporary(io::Directory& directory, std::string_view name);

/// Creates the temporary file for `name` with `bytes`, and syncs it. A failure leaves no file; it is kStorageFailed if
/// the write or the sync failed for any reason but a full disk.
Status write_temporary(io::Directory& directory, std::string_view name, std::span<const std::byte> bytes);

/// Renames the temporary file to `name`, and replaces a file of that name.
Status rename_temporary(io::Directory& directory, std::string_view name);

/// Removes the temporary file of `name`, if it exists. If that fails, the next open removes it.
void remove_temporary(io::Directory& directory, std::string_view name);

/// Copies the bytes of `from` between `begin` and `end`, or the end of the file if that comes first, to the start of
/// `to`, a new file, and returns how many. Holes are not read, and zeros become holes: the time and the room that the
/// copy takes depend on what is stored, not on the length of the file. Fails with the file system's error.
Result<std::uint64_t> copy_bytes(const io::File& from, std::uint64_t begin, std::uint64_t end, io::File& to);

}  // namespace flint::storage
