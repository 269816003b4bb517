#pragma once

#include <cstring>
#include <optional>
#include <span>

#include "base/coding.h"
#include "storage/checksum.h"
#include "storage/log_format.h"

/// Records as bytes in a segment.
namespace flint::storage {

struct ParsedRecord {
  /// The payload is a view of the bytes that were parsed.
  Record record;
  /// Everything up to here was durable when the record was written.
  Seq durable_seq = 0;
  /// Reserved for later versions.
  std::uint8_t flags = 0;
  /// With header and padding.
  std::size_t bytes = 0;
};

/// Writes record_bytes(payload.size()) bytes to `at`, which stands at `offset` of the segment with this id.
/// `durable_seq` < `seq`: a record is never durable while it is written.
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

/// The record that stands at `offset`, if `bytes`, which begin there, hold a valid one.
[[nodiscard]] std::optional<ParsedRecord> parse_record(std::span<const std::byte> bytes, std::uint64_t offset,
                                                       std::uint64_t segment_id) noexcept;

/// A cheap look at a header: false for nearly everything that is no record with a sequence number in [low, high].
[[nodiscard]] bool could_be_record(std::span<const std::byte> bytes, Seq low, Seq high) noexcept;

}  // namespace flint::storage
