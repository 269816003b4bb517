#include "storage/log_reader.h"
#include "testing/segment_bytes.h"

/// What the bytes of a segment prove, on segments made by hand.
namespace flint::storage {
namespace {

using testing::bytes_of;
using testing::kId;
using testing::kSegmentBytes;
using testing::SegmentBytes;
using testing::text_of;

struct Read {
  std::vector<Seq> seqs;
  Status status;
  SegmentRest rest;
  bool ends_clean = false;
};

Read read(const SegmentBytes& segment) {
  const testing::FaultyDisk disk = segment.disk();
  const auto directory = disk.directory();
  Read result;
  Result<SegmentReader> reader = SegmentReader::open(*directory, 3);
  result.status = reader.status();
  while (result.status.ok()) {
    const Result<std::optional<ParsedRecord>> parsed = reader->next();
    result.status = parsed.status();
    if (!parsed.ok() || !*parsed) break;
    result.seqs.push_back((*parsed)->record.seq);
  }
  if (!result.status.ok()) return result;
  result.ends_clean = reader->ends_clean();
  result.rest = *reader->examine_rest();
  return result;
}

using Seqs = std::vector<Seq>;

TEST(SegmentReader, ReadsRecordsUpToTheZeros) {
  SegmentBytes segment;
  segment.add(10, 9);
  segment.add(11, 9, std::string(1000, 'x'));
  segment.add(12, 11, "");
  const Read result = read(segment);
  EXPECT_EQ(result.seqs, (Seqs{10, 11, 12}));
  EXPECT_EQ(result.rest.nonzero_end, segment.end());
  EXPECT_FALSE(result.rest.proof);
  EXPECT_FALSE(result.ends_clean);
}

TEST(SegmentReader, AnEmptySegmentHasNoRest) {
  const Read result = read(SegmentBytes());
  EXPECT_TRUE(result.seqs.empty());
  EXPECT_EQ(result.rest.nonzero_end, file_header::kSize);
}

TEST(SegmentReader, AValidRecordBehindABadOneProvesNothingByItself) {
  SegmentBytes segment;
  segment.add(10, 9);
  const std::size_t bad = segment.add(11, 10);
  segment.add(12, 10);
  segment.add(13, 10);
  segment.damage(bad);
  const Read result = read(segment);
  EXPECT_EQ(result.seqs, Seqs{10});
  EXPECT_FALSE(result.rest.proof);
  EXPECT_EQ(result.rest.nonzero_end, segment.end());
}

TEST(SegmentReader, ARecordThatWasWrittenWhenTheBadOneWasDurableProvesDamage) {
  SegmentBytes segment;
  segment.add(10, 9);
  const std::size_t bad = segment.add(11, 10);
  segment.add(12, 10);
  const std::size_t proof = segment.add(13, 11);
  segment.damage(bad);
  const Read result = read(segment);
  EXPECT_EQ(result.seqs, Seqs{10});
  ASSERT_TRUE(result.rest.proof);
  EXPECT_EQ(result.rest.proof->offset, proof);
  EXPECT_EQ(result.rest.proof->seq, 13U);
  EXPECT_EQ(result.rest.proof->durable_seq, 11U);
}

TEST(SegmentReader, ASealProvesWhatIsBeforeIt) {
  SegmentBytes segment;
  const std::size_t first = segment.add(10, 9);
  const std::size_t second = segment.add(11, 9);
  segment.add(12, 11, "", static_cast<RecordKind>(StoreKind::kSeal));
  segment.damage(second);
  EXPECT_TRUE(read(segment).rest.proof);
  segment.wipe(first, segment.end() - first - kStoreRecordBytes);
  const Read result = read(segment);
  EXPECT_TRUE(result.seqs.empty());
  EXPECT_TRUE(result.rest.proof);
}

TEST(SegmentReader, AProofIsFoundWhereverItStands) {
  for (std::size_t size = 0; size < 40; ++size) {
    SegmentBytes segment;
    const std::size_t bad = segment.add(10, 9, std::string(size, '\0'));
    segment.add(11, 10, std::string(size, 'x'));
    segment.damage(bad);
    EXPECT_TRUE(read(segment).rest.proof) << size;
    segment.wipe(bad, record_bytes(size));
    EXPECT_TRUE(read(segment).rest.proof) << size;
  }
}

/// A payload can be anything, also bytes that look like a record.
TEST(SegmentReader, ARecordInsideAPayloadProvesNothing) {
  std::vector<std::byte> inner(record_bytes(0));
  encode_record(inner.data(), file_header::kSize + 24, kId + 1, {.kind = 1, .seq = 11, .payload = {}}, 10);
  SegmentBytes segment;
  const std::size_t bad = segment.add(10, 9, "1234" + text_of(inner));
  segment.damage(bad);
  EXPECT_FALSE(read(segment).rest.proof);
}

TEST(SegmentReader, ASequenceNumberThatCannotStandThereProvesNothing) {
  SegmentBytes segment;
  const std::size_t bad = segment.add(10, 9);
  segment.add(1'000'000, 999'999);
  segment.damage(bad);
  EXPECT_FALSE(read(segment).rest.proof);
}

TEST(SegmentReader, RepeatedAndMissingSequenceNumbersAreDamage) {
  for (const Seq second : {Seq{9}, Seq{10}, Seq{12}}) {
    SegmentBytes segment;
    segment.add(10, 8);
    segment.add(second, 8);
    const Status status = read(segment).status;
    EXPECT_EQ(status.code(), Code::kCorruption);
    EXPECT_NE(status.message().find("offset 96"), std::string::npos) << status.message();
  }
}

TEST(SegmentReader, RecordsOfANewerVersionAreRefusedByName) {
  SegmentBytes segment;
  segment.add(10, 9, "payload", 0x9a);
  const Status status = read(segment).status;
  EXPECT_EQ(status.code(), Code::kUnsupportedFormat);
  EXPECT_NE(status.message().find("0x9a"), std::string::npos) << status.message();
}

TEST(SegmentReader, ACleanCloseIsTheLastRecord) {
  SegmentBytes segment;
  segment.add(10, 9);
  segment.add(11, 10, "", static_cast<RecordKind>(StoreKind::kCleanClose));
  EXPECT_TRUE(read(segment).ends_clean);
  segment.add(12, 11);
  EXPECT_FALSE(read(segment).ends_clean);
}

/// A segment that somebody had made a terabyte long, without a block more, kept every open busy for minutes.
TEST(SegmentReader, WhatStandsBehindTheSizeInItsHeadIsNotRead) {
  SegmentBytes segment;
  segment.add(10, 9);
  const testing::FaultyDisk disk = segment.disk();
  testing::FaultyDisk longer;
  longer.put(segment_name(3), *disk.content(segment_name(3)) + std::string(5000, 'x'));
  Result<SegmentReader> reader = SegmentReader::open(*longer.directory(), 3);
  ASSERT_TRUE(reader.ok());
  EXPECT_TRUE(reader->next().value());
  EXPECT_FALSE(reader->next().value());
  EXPECT_EQ(reader->examine_rest()->nonzero_end, segment.end());
}

TEST(SegmentReader, ASequenceNumberThatNoLogReachesIsDamage) {
  for (const Seq seq : {kHighestSeq, kHighestSeq + 1, Seq{UINT64_MAX}}) {
    const auto head = encode_header(kSegmentMagic, {kId, 3, seq, kSegmentBytes});
    testing::FaultyDisk disk;
    disk.put(segment_name(3), text_of(head));
    EXPECT_EQ(SegmentReader::open(*disk.directory(), 3).ok(), seq == kHighestSeq) << seq;
  }
}

TEST(SegmentReader, AHeadWithNumbersThatNoStoreWritesIsDamage) {
  for (const FileHeader& head :
       {FileHeader{kId, 3, 0, kSegmentBytes}, FileHeader{kId, 3, 10, 0}, FileHeader{kId, 3, 10, file_header::kSize - 1},
        FileHeader{kId, 3, 10, UINT64_MAX}, FileHeader{kId, 3, 10, kMaxSegmentBytes + 1},
        FileHeader{kId, 0, 10, kSegmentBytes}, FileHeader{kId, 3, 10, kSegmentBytes, 3}}) {
    testing::FaultyDisk disk;
    disk.put(segment_name(head.number), text_of(encode_header(kSegmentMagic, head)) + std::string(1000, '\0'));
    EXPECT_EQ(SegmentReader::open(*disk.directory(), head.number).code(), Code::kCorruption)
        << head.number << " " << head.seq << " " << head.bytes;
  }
}

TEST(SegmentReader, ADamagedHeadIsDamageAndANewerVersionIsNot) {
  const std::string good = *SegmentBytes().disk().content(segment_name(3));
  for (std::size_t byte = 0; byte < file_header::kSize; ++byte) {
    testing::FaultyDisk disk;
    std::string bad = good;
    bad[byte] = static_cast<char>(bad[byte] ^ 4);
    disk.put(segment_name(3), bad);
    EXPECT_EQ(SegmentReader::open(*disk.directory(), 3).code(), Code::kCorruption) << byte;
    disk.put(segment_name(3), good.substr(0, byte));
    EXPECT_EQ(SegmentReader::open(*disk.directory(), 3).code(), Code::kCorruption) << byte;
  }
  std::string newer = good;
  newer[file_header::kVersion] = kFormatVersion + 1;
  base::store_fixed(reinterpret_cast<std::byte*>(newer.data()) + file_header::kChecksum,
                    checksum(bytes_of(newer).first(file_header::kChecksum), 0));
  testing::FaultyDisk disk;
  disk.put(segment_name(3), newer);
  EXPECT_EQ(SegmentReader::open(*disk.directory(), 3).code(), Code::kUnsupportedFormat);
  disk.put(segment_name(4), good);
  EXPECT_EQ(SegmentReader::open(*disk.directory(), 4).code(), Code::kCorruption) << "under another number";
}

}  // namespace
}  // namespace flint::storage
