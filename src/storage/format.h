#pragma once

// Inlined, so that hashing a record of some 40 bytes costs a few nanoseconds and not a call through a dispatcher.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "base/coding.h"
#include "flint/status.h"
#include "storage/log_format.h"

/// Encodes and decodes file headers, records and checksums as log_format.h lays them out.
namespace flint::storage {

[[nodiscard]] inline std::uint64_t checksum(std::span<const std::byte> bytes, std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

/// The seed of a checksum: the random id of the file, mixed with the offset. Bytes copied to another place fail it.
[[nodiscard]] constexpr std::uint64_t checksum_seed(std::uint64_t file_id, std::uint64_t offset) noexcept {
  return file_id ^ (offset * 0x9E3779B97F4A7C15U);
}

/// The checksum of a snapshot's block or footer (which has no entries). It also covers the size, the count and the
/// place.
[[nodiscard]] inline std::uint64_t block_checksum(std::span<const std::byte> content, std::uint32_t entries,
                                                  std::uint64_t file_id, std::uint64_t offset) noexcept {
  const std::uint64_t shape = (static_cast<std::uint64_t>(entries) << 32) | content.size();
  return checksum(content, checksum_seed(file_id, offset) ^ (shape * 0xC2B2AE3D27D4EB4FU));
}

struct FileHeader {
  std::uint64_t file_id = 0;
  std::uint64_t number = 0;
  /// Segment: the sequence number of its first record. Snapshot: its position.
  Seq seq = 0;
  /// Segment: its size while it is written to.
  std::uint64_t bytes = 0;
  /// Segment: the number of the segment before it in the log, always a lower one; 0 if the log begins here. In version
  /// 1 it is always the number minus 1.
  std::uint64_t previous = 0;
  std::uint32_t version = kFormatVersion;

  friend bool operator==(const FileHeader&, const FileHeader&) = default;
};

/// Enough random bits that no two files share an id.
[[nodiscard]] std::uint64_t random_file_id();

[[nodiscard]] std::array<std::byte, file_header::kSize> encode_header(std::string_view magic, const FileHeader& header);

/// `number` is the number in the file's name. Fails with kCorruption or kUnsupportedFormat; the message says what is
/// wrong, without the file's name.
[[nodiscard]] Result<FileHeader> parse_header(std::span<const std::byte> bytes, std::string_view magic,
                                              std::uint64_t number);

struct ParsedRecord {
  /// Its payload refers to the parsed bytes.
  Record record;
  /// Everything up to here was durable when the record was written.
  Seq durable_seq = 0;
  /// Reserved for later versions.
  std::uint8_t flags = 0;
  /// The size, header and padding included.
  std::size_t bytes = 0;
};

/// Writes record_bytes(payload.size()) bytes to `at`, which is at `offset` in the segment with this id. `durable_seq`
/// is less than the record's `seq`, because a record is not durable while it is written.
inline void encode_record(std::byte* at, std::uint64_t offset, std::uint64_t segment_id, const Record& record,
                          Seq durable_seq) noexcept {
  namespace header = record_header;
  const std::size_t used = header::kSize + record.payload.size();
  const std::uint64_t lag = record.seq - durable_seq;
  base::store_fixed(at + header::kPayload, static_cast<std::uint16_t>(record.payload.size()));
  base::store_fixed(at + header::kKind, record.kind);
  base::store_fixed(at + header::kFlags, std::uint8_t{0});
  base::store_fixed(at + header::kSeq, record.seq);
  // More than 32 bits of lag say less than is known, never more.
  base::store_fixed(at + header::kLag, static_cast<std::uint32_t>(lag < UINT32_MAX ? lag : UINT32_MAX));
  if (!record.payload.empty()) std::memcpy(at + header::kSize, record.payload.data(), record.payload.size());
  std::memset(at + used, 0, record_bytes(record.payload.size()) - used);
  const std::uint64_t sum =
      checksum({at + header::kPayload, used - header::kPayload}, checksum_seed(segment_id, offset));
  base::store_fixed(at + header::kChecksum, static_cast<std::uint32_t>(sum));
}

/// The record at `offset`, where `bytes` begin, if it is valid.
[[nodiscard]] std::optional<ParsedRecord> parse_record(std::span<const std::byte> bytes, std::uint64_t offset,
                                                       std::uint64_t segment_id) noexcept;

/// A cheap test of a header: false for nearly everything that is not a record with a sequence number in [low, high].
[[nodiscard]] bool could_be_record(std::span<const std::byte> bytes, Seq low, Seq high) noexcept;

}  // namespace flint::storage
