#pragma once

#include <array>
#include <span>
#include <string_view>

#include "flint/status.h"
#include "storage/log_format.h"

/// The head of segments and snapshots.
namespace flint::storage {

struct FileHeader {
  std::uint64_t file_id = 0;
  std::uint64_t number = 0;
  /// Segment: the sequence number of its first record. Snapshot: its position.
  Seq seq = 0;
  /// Segment: its size as long as it is written to.
  std::uint64_t bytes = 0;
  /// Segment: the number of the one that the log comes from, always a lower one. 0: the log begins here. In version 1
  /// it is the number before.
  std::uint64_t previous = 0;
  std::uint32_t version = kFormatVersion;

  friend bool operator==(const FileHeader&, const FileHeader&) = default;
};

/// As many random bits as two files need to be told apart for good.
[[nodiscard]] std::uint64_t random_file_id();

[[nodiscard]] std::array<std::byte, file_header::kSize> encode_header(std::string_view magic, const FileHeader& header);

/// `number` is the one in the file's name. kCorruption or kUnsupportedFormat with what is wrong, without the file's
/// name.
[[nodiscard]] Result<FileHeader> parse_header(std::span<const std::byte> bytes, std::string_view magic,
                                              std::uint64_t number);

}  // namespace flint::storage
