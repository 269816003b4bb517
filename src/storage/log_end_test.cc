#include "storage/recovery.h"
#include "testing/segment_bytes.h"

/// How a log may end, on segments made by hand: record 10 is their first.
namespace flint::storage {
namespace {

using testing::kSegmentBytes;
using testing::SegmentBytes;

/// `bytes`: the segment's file is cut there.
Result<LastSegment> judge(const SegmentBytes& segment, const ProvenDurable& proven, std::size_t bytes = kSegmentBytes) {
  testing::FaultyDisk disk = segment.disk();
  EXPECT_TRUE(disk.cut(segment_name(3), bytes).ok());
  const auto directory = disk.directory();
  Result<SegmentReader> reader = SegmentReader::open(*directory, 3);
  if (!reader.ok()) return reader.status();
  while (reader->next().value()) continue;
  return judge_log_end(*reader, proven);
}

const ProvenDurable kNothingMore{.seq = 9, .file = "manifest"};

SegmentBytes two_records() {
  SegmentBytes segment;
  segment.add(10, 9);
  segment.add(11, 9);
  return segment;
}

std::size_t add_clean_close(SegmentBytes& segment) {
  return segment.add(12, 11, "", static_cast<RecordKind>(StoreKind::kCleanClose));
}

TEST(LogEnd, ZerosBehindTheLastRecordAreAnEnd) {
  const SegmentBytes segment = two_records();
  const Result<LastSegment> last = judge(segment, kNothingMore);
  ASSERT_TRUE(last.ok()) << last.status().message();
  EXPECT_EQ(last->used, segment.end());
  EXPECT_EQ(last->nonzero_end, segment.end());
  EXPECT_FALSE(last->is_reusable()) << "it was not closed: a record of its old end could come back";
}

TEST(LogEnd, AnEmptySegmentAndAClosedOneMayBeAppendedTo) {
  EXPECT_TRUE(judge(SegmentBytes(), kNothingMore)->is_reusable());
  SegmentBytes closed = two_records();
  add_clean_close(closed);
  EXPECT_TRUE(judge(closed, kNothingMore, closed.end())->is_reusable());
  EXPECT_FALSE(judge(closed, kNothingMore)->is_reusable()) << "a later process had begun to append, and was killed";
}

TEST(LogEnd, ATornRecordThatNothingProvesIsNoPartOfTheLog) {
  SegmentBytes segment = two_records();
  const std::size_t torn = segment.add(12, 11);
  segment.damage(torn);
  const Result<LastSegment> last = judge(segment, {.seq = 11, .file = "manifest"});
  ASSERT_TRUE(last.ok()) << last.status().message();
  EXPECT_EQ(last->used, torn);
  EXPECT_EQ(last->nonzero_end, segment.end());
  EXPECT_FALSE(last->is_reusable());
}

TEST(LogEnd, BytesBehindACleanCloseAreNoCleanEnd) {
  SegmentBytes segment = two_records();
  add_clean_close(segment);
  segment.damage(segment.add(13, 12));
  EXPECT_FALSE(judge(segment, kNothingMore)->is_reusable());
}

TEST(LogEnd, ALaterRecordThatProvesTheBadOneIsDamage) {
  SegmentBytes segment = two_records();
  segment.damage(segment.add(12, 11));
  segment.add(13, 12);
  const Status status = judge(segment, kNothingMore).status();
  EXPECT_EQ(status.code(), Code::kCorruption);
  EXPECT_NE(status.message().find("no valid record 12"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("the record 13"), std::string::npos) << status.message();
}

TEST(LogEnd, ALogThatEndsBeforeWhatAnotherFileProvesIsDamage) {
  const ProvenDurable by_snapshot{.seq = 12, .file = "snapshot-000000000001.fsnap"};
  const Status status = judge(two_records(), by_snapshot).status();
  EXPECT_EQ(status.code(), Code::kCorruption);
  EXPECT_NE(status.message().find(by_snapshot.file), std::string::npos) << status.message();
  EXPECT_TRUE(judge(two_records(), {.seq = 11, .file = by_snapshot.file}).ok());
}

TEST(LogEnd, AShortFileIsAnEndOnlyWhereItWasClosed) {
  const SegmentBytes open = two_records();
  EXPECT_EQ(judge(open, kNothingMore, open.end()).code(), Code::kCorruption);
  EXPECT_EQ(judge(open, kNothingMore, kSegmentBytes - 1).code(), Code::kCorruption);
  SegmentBytes closed = two_records();
  add_clean_close(closed);
  EXPECT_TRUE(judge(closed, kNothingMore, closed.end()).ok());
  EXPECT_EQ(judge(closed, kNothingMore, closed.end() - 1).code(), Code::kCorruption);
}

}  // namespace
}  // namespace flint::storage
