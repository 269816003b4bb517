#include "storage/files.h"
#include "storage/format.h"
#include "storage/inspect.h"
#include "storage/manifest.h"
#include "storage/repair.h"
#include "testing/test_store.h"

/// Directories that somebody made by hand, with checksums that match and numbers that no store reaches: refused with a
/// sentence, and repaired into a store that works.
namespace flint::storage {
namespace {

using testing::bytes_of;
using testing::FaultyDisk;
using testing::History;
using testing::TestOwner;
using testing::TestStore;
using testing::text_of;
using testing::tiny_options;

class HostileNumbersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    TestStore store(disk_, tiny_options());
    ASSERT_TRUE(store.open().ok());
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(store.append(history_, "record").ok());
      ASSERT_TRUE(store.wait(history_).ok());
      ASSERT_TRUE(i == 2 || store->compact().ok());
    }
    ASSERT_TRUE(store->close().ok());
    manifest_ = *read_manifest(*disk_.directory());
  }

  void put(const Manifest& manifest) { disk_.put(kManifestName, encode_manifest(manifest)); }
  /// A segment after the last one, with one record.
  void put_segment(std::uint64_t number, Seq seq) {
    const FileHeader head{.file_id = 42, .number = number, .seq = seq, .bytes = 1024, .previous = newest()};
    std::vector<std::byte> bytes(head.bytes);
    const auto encoded = encode_header(kSegmentMagic, head);
    std::copy(encoded.begin(), encoded.end(), bytes.begin());
    encode_record(&bytes[file_header::kSize], file_header::kSize, head.file_id,
                  {.kind = 1, .seq = seq, .payload = bytes_of("hostile")}, seq - 1);
    disk_.put(segment_name(number), text_of(bytes));
  }
  [[nodiscard]] std::uint64_t newest() const { return manifest_.last_segment; }

  /// Refused by a sentence that has these words in it, by the doctor too.
  void expect_refused(const std::string& words) {
    const std::vector<std::string> before = disk_.names();
    TestStore store(disk_, tiny_options());
    const Status refused = store.open();
    EXPECT_EQ(refused.code(), Code::kCorruption) << refused.message();
    EXPECT_NE(refused.message().find(words), std::string::npos) << refused.message();
    EXPECT_EQ(disk_.names(), before);
    TestOwner scratch;
    const Result<DoctorReport> report = inspect(*disk_.directory(), scratch);
    ASSERT_TRUE(report.ok()) << report.status().message();
    EXPECT_FALSE(report->ok);
  }
  /// After a repair everything that was ever appended is there, and the store goes on: more records, compactions, and
  /// further lives.
  void expect_repaired() {
    TestOwner scratch;
    const Result<DoctorReport> report = repair(*disk_.directory(), scratch);
    ASSERT_TRUE(report.ok()) << report.status().message();
    for (int life = 0; life < 3; ++life) {
      TestStore store(disk_, tiny_options());
      const Status opened = store.open();
      ASSERT_TRUE(opened.ok()) << opened.message();
      EXPECT_EQ(store.owner.records, history_.appended);
      ASSERT_TRUE(store.append(history_, "after").ok());
      ASSERT_TRUE(store->compact().ok());
      ASSERT_TRUE(store->close().ok());
    }
  }

  FaultyDisk disk_;
  History history_;
  Manifest manifest_;
};

// The next compaction stopped the process by an assertion: its generation wrapped around.
TEST_F(HostileNumbersTest, AGenerationNearTheEndOfItsRange) {
  manifest_.generation = UINT64_MAX - 1;
  manifest_.snapshots.front().generation = UINT64_MAX - 1;
  put(manifest_);
  expect_refused("hold numbers that no store reaches");
  expect_repaired();
}

TEST_F(HostileNumbersTest, AManifestThatProvesMoreThanCanExist) {
  manifest_.durable_seq = UINT64_MAX;
  put(manifest_);
  expect_refused("hold numbers that no store reaches");
  expect_repaired();
}

TEST_F(HostileNumbersTest, AManifestThatProvesMoreThanThereIs) {
  manifest_.durable_seq = kHighestSeqAtOpen;
  put(manifest_);
  expect_refused("manifest was written when everything up to");
  expect_repaired();
}

// The segment after it would have had a name that no open looks for: what was in it was lost.
TEST_F(HostileNumbersTest, ASegmentWithANumberNearTheEndOfItsRange) {
  for (const std::uint64_t number : {kHighestNumberAtOpen + 1, kHighestNumber}) {
    put_segment(number, history_.acknowledged + 2);
    expect_refused("no store has as many segments");
    expect_repaired();
    manifest_ = *read_manifest(*disk_.directory());
  }
}

// What was appended got numbers that the next open refused.
TEST_F(HostileNumbersTest, ARecordWithANumberNearTheEndOfItsRange) {
  for (const Seq seq : {kHighestSeqAtOpen, kHighestSeq}) {
    put_segment(newest() + 1, seq);
    // Without a log before it, it leads on from a snapshot that says the same.
    manifest_.first_segment = manifest_.last_segment = newest() + 1;
    expect_refused("is damaged");
    disk_ = disk_.crash(1);
  }
  expect_repaired();
}

TEST_F(HostileNumbersTest, ASegmentBeforeTheFirstRecord) {
  put_segment(newest() + 1, 0);
  expect_refused("its first record would have the number 0");
  expect_repaired();
}

// The copies of the second repair were written over those of the first.
TEST_F(HostileNumbersTest, ARepairNeverWritesOverTheCopiesOfAnother) {
  const std::string name = repair_copy_name(kHighestNumber, kManifestName);
  disk_.put(name, "a copy");
  for (int i = 0; i < 2; ++i) {
    const std::vector<std::string> before = disk_.names();
    std::map<std::string, std::string> copies;
    for (const std::string& copy : before) {
      if (classify(copy).kind == FileKind::kRepairCopy) copies[copy] = *disk_.content(copy);
    }
    ASSERT_TRUE(disk_.flip_bit(kManifestName, 8).ok());
    TestOwner scratch;
    ASSERT_TRUE(repair(*disk_.directory(), scratch).ok());
    for (const auto& [copy, content] : copies) EXPECT_EQ(*disk_.content(copy), content) << copy;
  }
}

}  // namespace
}  // namespace flint::storage
