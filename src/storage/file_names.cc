#include "storage/file_names.h"

#include <fmt/format.h>

#include <charconv>

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
                    name.starts_with(kTailPrefix) || name.starts_with(kManifestName);
  if (ours && name.ends_with(kTemporarySuffix)) return {.kind = FileKind::kTemporary};
  if (name.starts_with(kTailPrefix)) return {.kind = FileKind::kTail};
  return {};
}

}  // namespace flint::storage
