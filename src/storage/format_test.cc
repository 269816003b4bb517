#include "storage/format.h"

#include <fmt/format.h>

#include <array>

#include "storage/files.h"
#include "storage/manifest.h"
#include "storage/snapshot.h"
#include "testing/test_store.h"

/// Golden bytes of format version 2, and of version 1 where it differs. If one of these tests fails, directories out
/// there can no longer be read: that needs a new version, not new bytes here.
namespace flint::storage {
namespace {

using testing::bytes_of;
using testing::text_of;

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return text;
}

std::string unhex(std::string_view digits) {
  std::string bytes;
  for (std::size_t at = 0; at < digits.size(); at += 2) {
    bytes += static_cast<char>(std::stoi(std::string(digits.substr(at, 2)), nullptr, 16));
  }
  return bytes;
}

constexpr FileHeader kSegmentHead{
    .file_id = 0x1122334455667788, .number = 7, .seq = 4711, .bytes = 1 << 20, .previous = 5};
constexpr FileHeader kSnapshotHead{.file_id = 0x1122334455667788, .number = 3, .seq = 4000};

TEST(Format, HeadOfASegment) {
  EXPECT_EQ(hex(encode_header(kSegmentMagic, kSegmentHead)),
            "464c494e544c4f47020000000000000088776655443322110700000000000000"
            "6712000000000000000010000000000005000000000000007ae1d9a7c1384d42");
}

TEST(Format, HeadOfASnapshot) {
  EXPECT_EQ(hex(encode_header(kSnapshotMagic, kSnapshotHead)),
            "464c494e54534e50020000000000000088776655443322110300000000000000"
            "a00f00000000000000000000000000000000000000000000d3480684e9679633");
}

/// A head of version 1 says nothing of the segment before: that is the one with the number before.
TEST(Format, HeadsOfVersion1AreRead) {
  std::string segment = unhex(
      "464c494e544c4f47010000000000000088776655443322110700000000000000"
      "671200000000000000001000000000000000000000000000f957b3691fae996c");
  FileHeader head = kSegmentHead;
  head.version = kFormatVersion1;
  head.previous = 6;
  EXPECT_EQ(*parse_header(bytes_of(segment), kSegmentMagic, 7), head);
  EXPECT_EQ(text_of(encode_header(kSegmentMagic, head)), segment);

  const std::string snapshot = unhex(
      "464c494e54534e50010000000000000088776655443322110300000000000000"
      "a00f000000000000000000000000000000000000000000003b408a9648c4fad3");
  head = kSnapshotHead;
  head.version = kFormatVersion1;
  EXPECT_EQ(*parse_header(bytes_of(snapshot), kSnapshotMagic, 3), head);
}

TEST(Format, ASegmentFollowsOnlyALowerOne) {
  FileHeader head = kSegmentHead;
  for (const std::uint64_t previous : {7U, 8U}) {
    head.previous = previous;
    EXPECT_EQ(parse_header(encode_header(kSegmentMagic, head), kSegmentMagic, 7).code(), Code::kCorruption);
  }
  head = kSnapshotHead;
  head.previous = 2;
  EXPECT_EQ(parse_header(encode_header(kSnapshotMagic, head), kSnapshotMagic, 3).code(), Code::kCorruption);
}

/// What a program of a later version may change, and what every version keeps, so that this one can say so.
TEST(Format, AHeadOfALaterVersionIsRefusedByItsVersion) {
  FileHeader head = kSegmentHead;
  head.version = kFormatVersion + 1;
  const Status refused = parse_header(encode_header(kSegmentMagic, head), kSegmentMagic, 7).status();
  EXPECT_EQ(refused.code(), Code::kUnsupportedFormat);
  EXPECT_NE(refused.message().find("format version 3"), std::string::npos) << refused.message();
}

// Records, blocks and footers are those of version 1.

TEST(Format, Record) {
  std::array<std::byte, 40> bytes{};
  bytes.fill(std::byte{0xff});
  encode_record(bytes.data(), 64, 0x1122334455667788, {.kind = 2, .seq = 4711, .payload = bytes_of("golden payload")},
                4708);
  EXPECT_EQ(hex(bytes),
            "5e6bd9fb0e000200671200000000000003000000676f6c64656e207061796c6f"
            "6164000000000000");
}

TEST(Format, SealAndCleanClose) {
  std::array<std::byte, kStoreRecordBytes> bytes{};
  encode_record(bytes.data(), 104, 0x1122334455667788,
                {.kind = static_cast<RecordKind>(StoreKind::kSeal), .seq = 4712, .payload = {}}, 4711);
  EXPECT_EQ(hex(bytes), "605fdc0c0000800068120000000000000100000000000000");
  encode_record(bytes.data(), 128, 0x1122334455667788,
                {.kind = static_cast<RecordKind>(StoreKind::kCleanClose), .seq = 4713, .payload = {}}, 4712);
  EXPECT_EQ(hex(bytes), "c311c3600000810069120000000000000100000000000000");
}

TEST(Format, Manifest) {
  Manifest manifest{.generation = 2,
                    .durable_seq = 4711,
                    .first_segment = 12,
                    .last_segment = 14,
                    .snapshots = {{2, 4000}, {1, 2000}}};
  EXPECT_EQ(encode_manifest(manifest),
            "flint manifest 2\n"
            "generation 2\n"
            "durable_seq 4711\n"
            "first_segment 12\n"
            "last_segment 14\n"
            "snapshot 2 4000\n"
            "snapshot 1 2000\n"
            "checksum b1855bef9d1ae7ce\n");
  manifest.version = kFormatVersion1;
  EXPECT_EQ(*parse_manifest("flint manifest 1\n"
                            "generation 2\n"
                            "durable_seq 4711\n"
                            "first_segment 12\n"
                            "last_segment 14\n"
                            "snapshot 2 4000\n"
                            "snapshot 1 2000\n"
                            "checksum d0aecbb030760178\n"),
            manifest);
}

/// The file id is random: it is put in place of the written one, and the checksums with it.
TEST(Format, BlockAndFooterOfASnapshot) {
  const std::uint64_t id = 0x1122334455667788;
  EXPECT_EQ(fmt::format("{:016x}", block_checksum(bytes_of("entries"), 2, id, 64)), "c2633db9f05d53d6");
  EXPECT_EQ(fmt::format("{:016x}", block_checksum(bytes_of("the footer's 32 bytes of numbers"), 0, id, 4096)),
            "2111afc610f08f56");
}

TEST(Format, Snapshot) {
  const testing::FaultyDisk disk;
  const auto directory = disk.directory();
  Result<SnapshotWriter> writer = SnapshotWriter::open(*directory, 3, 4000);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE(writer->add(bytes_of("one")).ok());
  ASSERT_TRUE(writer->add(bytes_of("")).ok());
  ASSERT_TRUE(writer->finish(4242).ok());
  ASSERT_TRUE(writer->publish().ok());
  std::string content = *disk.content(snapshot_name(3));
  ASSERT_EQ(content.size(), 64U + 16 + 11 + 48);
  // Where the checksums stand, which depend on the random id.
  for (const std::size_t at : {16U, 56U, 64U + 8, 91U + 8}) content.replace(at, 8, "........");
  EXPECT_EQ(hex(bytes_of(content)),
            "464c494e54534e5002000000000000002e2e2e2e2e2e2e2e0300000000000000"
            "a00f000000000000000000000000000000000000000000002e2e2e2e2e2e2e2e"
            "0b000000020000002e2e2e2e2e2e2e2e030000006f6e65000000000000000000"
            "0000002e2e2e2e2e2e2e2e020000000000000001000000000000009210000000"
            "0000008b00000000000000");
}

TEST(Format, Names) {
  EXPECT_EQ(segment_name(7), "log-000000000007.flog");
  EXPECT_EQ(segment_name(1'234'567'890'123), "log-1234567890123.flog");
  EXPECT_EQ(snapshot_name(3), "snapshot-000000000003.fsnap");
  EXPECT_EQ(tail_name(7, 4096), "tail-000000000007-4096");
  EXPECT_EQ(repair_copy_name(2, "manifest"), "repair-2-manifest");
  EXPECT_EQ(temporary_name("manifest"), "manifest.tmp");
}

TEST(Format, NamesAreReadAsTheyAreWritten) {
  EXPECT_EQ(classify("log-000000000007.flog").kind, FileKind::kSegment);
  EXPECT_EQ(classify("log-000000000007.flog").number, 7U);
  EXPECT_EQ(classify("log-1234567890123.flog").number, 1'234'567'890'123U);
  EXPECT_EQ(classify("snapshot-000000000003.fsnap").kind, FileKind::kSnapshot);
  EXPECT_EQ(classify("snapshot-000000000003.fsnap").number, 3U);
  EXPECT_EQ(classify("manifest").kind, FileKind::kManifest);
  EXPECT_EQ(classify("flint.lock").kind, FileKind::kLock);
  EXPECT_EQ(classify("tail-000000000007-4096").kind, FileKind::kTail);
  EXPECT_EQ(classify("repair-2-log-000000000007.flog").kind, FileKind::kRepairCopy);
  EXPECT_EQ(repair_number("repair-2-log-000000000007.flog"), 2U);
  for (const char* temporary : {"manifest.tmp", "log-000000000007.flog.tmp", "snapshot-000000000003.fsnap.tmp",
                                "log-next.tmp", "tail-000000000007-4096.tmp", "repair-2-manifest.tmp"}) {
    EXPECT_EQ(classify(temporary).kind, FileKind::kTemporary) << temporary;
  }
  // Nobody else's files, and no second name for the same number.
  for (const char* other : {"log-7.flog", "log-0000000000007.flog", "log-.flog", "log--00000000001.flog", "flint.sock",
                            "notes.tmp", "manifest.old", "log-00000000000x.flog", "LOG-000000000007.flog", "repair-x",
                            "log-4611686018427387905.flog", "snapshot-18446744073709551615.fsnap"}) {
    EXPECT_EQ(classify(other).kind, FileKind::kOther) << other;
  }
}

}  // namespace
}  // namespace flint::storage
