#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "storage/record.h"

/// The format on disk: the offset of each field, and nothing else. Writers and readers include this file. The meaning
/// of the fields, and the rules for a valid file and a valid record, are in docs/log_format.md.
///
/// Every integer is little-endian. Every structure has its magic or its checksum at an offset that no later version
/// moves, so that a reader can always distinguish damage from a newer version.
namespace flint::storage {

inline constexpr std::uint32_t kFormatVersion = 2;
/// The version that 0.1.0 wrote. Flint still reads it, but never writes it.
inline constexpr std::uint32_t kFormatVersion1 = 1;

/// No log reaches this number: a higher one in a file is damage, and counting on from here cannot wrap around.
inline constexpr Seq kHighestSeq = Seq{1} << 63;
/// A log that claims more than this is not opened, so that no open log reaches the number above.
inline constexpr Seq kHighestSeqAtOpen = kHighestSeq / 2;
/// The largest size of a segment while it is written to. Doubling it does not wrap around.
inline constexpr std::uint64_t kMaxSegmentBytes = std::uint64_t{1} << 60;

/// The header of a segment or a snapshot: 64 bytes at offset 0.
namespace file_header {
inline constexpr std::size_t kMagic = 0;      // 8 bytes
inline constexpr std::size_t kVersion = 8;    // u32
inline constexpr std::size_t kFlags = 12;     // u32, 0
inline constexpr std::size_t kFileId = 16;    // u64, random
inline constexpr std::size_t kNumber = 24;    // u64, the number in the file's name
inline constexpr std::size_t kSeq = 32;       // u64, segment: seq of its first record; snapshot: its position
inline constexpr std::size_t kBytes = 40;     // u64, segment: size while it is written to; snapshot: 0
inline constexpr std::size_t kPrevious = 48;  // u64, segment: number of the one before it, 0: none; snapshot: 0
inline constexpr std::size_t kChecksum = 56;  // u64, XXH3 of bytes 0 to 55, seed 0
inline constexpr std::size_t kSize = 64;
static_assert(kChecksum + 8 == kSize);
}  // namespace file_header

inline constexpr std::string_view kSegmentMagic = "FLINTLOG";
inline constexpr std::string_view kSnapshotMagic = "FLINTSNP";
static_assert(kSegmentMagic.size() == 8 && kSnapshotMagic.size() == 8);

/// The header of a record in a segment. The payload follows, then zeros up to a multiple of kRecordAlignment.
namespace record_header {
inline constexpr std::size_t kChecksum = 0;  // u32, low half of XXH3 of what follows, payload included
inline constexpr std::size_t kPayload = 4;   // u16, bytes of payload
inline constexpr std::size_t kKind = 6;      // u8
inline constexpr std::size_t kFlags = 7;     // u8, 0
inline constexpr std::size_t kSeq = 8;       // u64
inline constexpr std::size_t kLag = 16;      // u32, seq less the highest seq known durable when this was written
inline constexpr std::size_t kSize = 20;
static_assert(kLag + 4 == kSize);
}  // namespace record_header

inline constexpr std::size_t kRecordAlignment = 8;
static_assert(file_header::kSize % kRecordAlignment == 0);

/// The number of bytes that a record takes in a segment.
[[nodiscard]] constexpr std::size_t record_bytes(std::size_t payload_bytes) noexcept {
  return (record_header::kSize + payload_bytes + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}

static_assert(record_bytes(20) == 40, "a check's record is to fit in 40 bytes");
static_assert(kMaxPayloadBytes <= UINT16_MAX, "the payload's size is stored in 16 bits");
inline constexpr std::size_t kMaxRecordBytes = record_bytes(kMaxPayloadBytes);

/// The store's own records. They have no payload; the header says everything.
enum class StoreKind : RecordKind {
  /// Written when the log becomes idle: proves that everything before it is durable.
  kSeal = 0x80,
  /// Written by close(): everything before it is durable, and nothing follows.
  kCleanClose = 0x81,
};
inline constexpr std::size_t kStoreRecordBytes = record_bytes(0);
/// The room at the end of a segment that is reserved for one seal and one clean-close mark.
inline constexpr std::size_t kSegmentReserve = 2 * kStoreRecordBytes;

/// A block of entries in a snapshot. Each entry is its length (u32) and its bytes.
namespace block_header {
inline constexpr std::size_t kBytes = 0;     // u32, bytes of entries that follow the header; 0 marks the footer
inline constexpr std::size_t kEntries = 4;   // u32
inline constexpr std::size_t kChecksum = 8;  // u64, XXH3 of the entries' bytes, seeded with place, size and count
inline constexpr std::size_t kSize = 16;
}  // namespace block_header

/// The last bytes of a snapshot.
namespace snapshot_footer {
inline constexpr std::size_t kZero = 0;        // u64, 0: where a block would have its size and its count
inline constexpr std::size_t kChecksum = 8;    // u64, XXH3 of what follows, seeded with the place
inline constexpr std::size_t kEntries = 16;    // u64, entries in all blocks
inline constexpr std::size_t kBlocks = 24;     // u64
inline constexpr std::size_t kMaxSeq = 32;     // u64, no entry is newer than this
inline constexpr std::size_t kFileBytes = 40;  // u64, size of the file, this footer included
inline constexpr std::size_t kSize = 48;
}  // namespace snapshot_footer

inline constexpr std::size_t kMaxEntryBytes = std::size_t{1} << 20;
/// A block is written once it contains this many bytes.
inline constexpr std::size_t kBlockTargetBytes = std::size_t{256} << 10;
inline constexpr std::size_t kMaxBlockBytes = kBlockTargetBytes + kMaxEntryBytes + 4;

}  // namespace flint::storage
