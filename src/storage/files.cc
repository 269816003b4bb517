#include "storage/files.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "storage/errors.h"

namespace flint::storage {
namespace {

constexpr std::string_view kSegmentPrefix = "log-";
constexpr std::string_view kSegmentSuffix = ".flog";
constexpr std::string_view kSnapshotPrefix = "snapshot-";
constexpr std::string_view kSnapshotSuffix = ".fsnap";
constexpr std::string_view kTailPrefix = "tail-";
constexpr std::string_view kRepairPrefix = "repair-";
constexpr std::string_view kTemporarySuffix = ".tmp";

std::optional<std::uint64_t> parse_number(std::string_view digits) {
  std::uint64_t number = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  if (error != std::errc() || stop != end || number > kHighestNumber) return std::nullopt;
  return number;
}

std::optional<std::uint64_t> number_between(std::string_view name, std::string_view prefix, std::string_view suffix) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix) || name.size() < prefix.size() + suffix.size()) return {};
  return parse_number(name.substr(prefix.size(), name.size() - prefix.size() - suffix.size()));
}

}  // namespace

std::string segment_name(std::uint64_t number) {
  return fmt::format("{}{:012}{}", kSegmentPrefix, number, kSegmentSuffix);
}

std::string snapshot_name(std::uint64_t generation) {
  return fmt::format("{}{:012}{}", kSnapshotPrefix, generation, kSnapshotSuffix);
}

std::string tail_name(std::uint64_t segment, std::uint64_t offset) {
  return fmt::format("{}{:012}-{}", kTailPrefix, segment, offset);
}

std::string repair_copy_name(std::uint64_t repair, std::string_view name) {
  return fmt::format("{}{}-{}", kRepairPrefix, repair, name);
}

std::string temporary_name(std::string_view name) { return fmt::format("{}{}", name, kTemporarySuffix); }

std::optional<std::uint64_t> repair_number(std::string_view name) {
  if (!name.starts_with(kRepairPrefix)) return std::nullopt;
  name.remove_prefix(kRepairPrefix.size());
  return parse_number(name.substr(0, name.find('-')));
}

/// A name counts only in the exact form in which Flint writes it: log-1.flog or a name with an extra zero is a file of
/// somebody else, and is neither read nor removed. Temporaries are an exception, since a crash may leave any of them.
FileName classify(std::string_view name) {
  if (name == kLockName) return {.kind = FileKind::kLock};
  if (name == kManifestName) return {.kind = FileKind::kManifest};
  if (repair_number(name)) {
    return {.kind = name.ends_with(kTemporarySuffix) ? FileKind::kTemporary : FileKind::kRepairCopy};
  }
  if (const auto number = number_between(name, kSegmentPrefix, kSegmentSuffix);
      number && name == segment_name(*number)) {
    return {FileKind::kSegment, *number};
  }
  if (const auto number = number_between(name, kSnapshotPrefix, kSnapshotSuffix);
      number && name == snapshot_name(*number)) {
    return {FileKind::kSnapshot, *number};
  }
  const bool ours = name.starts_with(kSegmentPrefix) || name.starts_with(kSnapshotPrefix) ||
                    name.starts_with(kTailPrefix) || name.starts_with(kManifestName) ||
                    name.starts_with(kBackupMarkName);
  if (ours && name.ends_with(kTemporarySuffix)) return {.kind = FileKind::kTemporary};
  if (name.starts_with(kTailPrefix)) return {.kind = FileKind::kTail};
  return {};
}

Result<std::unique_ptr<io::File>> create_temporary(io::Directory& directory, std::string_view name) {
  remove_temporary(directory, name);
  Result<std::unique_ptr<io::File>> file = directory.open(temporary_name(name), io::OpenFile::kCreateNew);
  // Messages show the final name: by the time somebody reads one, the temporary name no longer exists.
  if (file.ok()) (*file)->show_as(name);
  return file;
}

/// The sync belongs to the write: a rename may reach the disk before the data does, and the final name would then be on
/// an empty file.
Status write_temporary(io::Directory& directory, std::string_view name, std::span<const std::byte> bytes) {
  Result<std::unique_ptr<io::File>> file = create_temporary(directory, name);
  if (!file.ok()) return file.status();
  Status status = (*file)->write_at(0, bytes);
  if (status.ok()) status = (*file)->sync();
  if (status.ok()) return status;
  remove_temporary(directory, name);
  return after_failed_write(status);
}

Status rename_temporary(io::Directory& directory, std::string_view name) {
  return directory.rename(temporary_name(name), name);
}

void remove_temporary(io::Directory& directory, std::string_view name) {
  static_cast<void>(directory.remove(temporary_name(name)));
}

namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

bool is_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
}

}  // namespace

/// Copies data, not length: holes and zeros stay holes. A preallocated segment of 64 MiB with a few records, or a
/// sparse file made by hand, would otherwise fill the disk that a repair runs on.
Result<std::uint64_t> copy_bytes(const io::File& from, std::uint64_t begin, std::uint64_t end, io::File& to) {
  Result<std::uint64_t> size = from.size();
  if (!size.ok()) return size;
  end = std::max(begin, std::min(end, *size));
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(kBufferBytes, end - begin)));
  std::uint64_t copied = 0;
  for (std::uint64_t at = begin; at < end;) {
    Result<std::uint64_t> data = from.next_data(at);
    if (!data.ok()) return data;
    at = *data;
    if (at >= end) break;
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - at));
    const Result<std::size_t> got = from.read_at(at, std::span(buffer).first(wanted));
    if (!got.ok()) return got.status();
    if (*got == 0) break;
    const std::span<const std::byte> bytes = std::span(buffer).first(*got);
    if (!is_zero(bytes)) {
      if (Status written = to.write_at(at - begin, bytes); !written.ok()) return written;
      copied = at - begin + *got;
    }
    at += *got;
  }
  if (copied < end - begin) {
    if (Status sized = to.truncate(end - begin); !sized.ok()) return sized;
  }
  return end - begin;
}

}  // namespace flint::storage
