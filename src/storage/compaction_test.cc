#include <algorithm>

#include "storage/files.h"
#include "storage/inspect.h"
#include "storage/manifest.h"
#include "testing/test_store.h"

/// Snapshots that are written while appends go on, and what is kept of the log.
namespace flint::storage {
namespace {

using testing::FaultyDisk;
using testing::History;
using testing::Records;
using testing::Survives;
using testing::TestOwner;
using testing::TestStore;
using testing::text_of;
using testing::tiny_options;

std::vector<std::string> files_of(const FaultyDisk& disk, FileKind kind) {
  std::vector<std::string> names = disk.names();
  std::erase_if(names, [kind](const std::string& name) { return classify(name).kind != kind; });
  return names;
}

class CompactionTest : public ::testing::Test {
 protected:
  TestStore& open(const StoreOptions& options = tiny_options()) {
    store_.reset();
    store_ = std::make_unique<TestStore>(disk_, options);
    const Status opened = store_->open();
    EXPECT_TRUE(opened.ok()) << opened.message();
    return *store_;
  }
  void append(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(store_->append(history_, "record " + std::to_string(history_.appended.size())).ok());
    }
  }

  FaultyDisk disk_;
  History history_;
  std::unique_ptr<TestStore> store_;
};

TEST_F(CompactionTest, TwoGenerationsAreKeptAndTheLogOfTheOlderOne) {
  TestStore& store = open();
  append(50);
  ASSERT_TRUE(store->compact().ok());
  EXPECT_EQ(files_of(disk_, FileKind::kSegment).front(), segment_name(1))
      << "what is before it is nothing and all of it";
  append(50);
  ASSERT_TRUE(store->compact().ok());
  const Manifest second = *read_manifest(*disk_.directory());
  EXPECT_EQ(files_of(disk_, FileKind::kSegment).front(), segment_name(second.first_segment));
  EXPECT_GT(second.first_segment, 1U);
  append(50);
  ASSERT_TRUE(store->compact().ok());
  EXPECT_EQ(files_of(disk_, FileKind::kSnapshot), (std::vector<std::string>{snapshot_name(2), snapshot_name(3)}));
  const Manifest third = *read_manifest(*disk_.directory());
  EXPECT_GT(third.first_segment, second.first_segment);
  EXPECT_EQ(third.snapshots, (std::vector<SnapshotRef>{third.snapshots[0], second.snapshots[0]}));
  append(5);
  EXPECT_EQ(open().owner.records, history_.appended);
}

// The newest snapshot was bad, and one record was missing between the snapshot before it and the log.
TEST_F(CompactionTest, TheLogOfTheOlderSnapshotIsKeptFromItsFirstRecordOn) {
  TestStore& store = open();
  append(5);
  ASSERT_TRUE(store->compact().ok());
  // One record fills what is left of a segment, so that the next segment begins with the second one.
  const std::string large(tiny_options().first_segment_bytes / 2, 'x');
  ASSERT_TRUE(store.append(history_, large).ok());
  ASSERT_TRUE(store.append(history_, large).ok());
  append(5);
  ASSERT_TRUE(store->compact().ok());
  ASSERT_TRUE(store->close().ok());
  ASSERT_TRUE(disk_.flip_bit(snapshot_name(2), 8 * 100).ok());
  EXPECT_EQ(open().owner.records, history_.appended);
}

/// With the older snapshot missing, `flint doctor` said "sound"; with a segment of its log missing, the directory was
/// refused, though neither is needed: the newest snapshot holds everything.
TEST_F(CompactionTest, WhateverIsMissingOfTheOlderSnapshotIsToldAndNothingIsRefused) {
  {
    TestStore& store = open();
    for (int generation = 1; generation <= 2; ++generation) {
      append(60);
      ASSERT_TRUE(store->compact().ok());
    }
    append(5);
    ASSERT_TRUE(store->close().ok());
    store_.reset();
  }
  const FaultyDisk whole = disk_;
  const std::vector<std::string> segments = files_of(whole, FileKind::kSegment);
  ASSERT_GT(segments.size(), 2U);
  std::vector<std::string> of_the_older(segments.begin(), segments.end() - 1);
  of_the_older.push_back(snapshot_name(1));
  for (const std::string& name : of_the_older) {
    for (const bool removed : {true, false}) {
      disk_ = whole.crash(1, {.survives = Survives::kEverything});
      if (removed) {
        ASSERT_TRUE(disk_.directory()->remove(name).ok());
      } else {
        ASSERT_TRUE(disk_.overwrite(name, 0, "no header").ok());
      }
      TestOwner scratch;
      const Result<DoctorReport> report = inspect(*disk_.directory(), scratch);
      ASSERT_TRUE(report.ok()) << name;
      EXPECT_FALSE(report->ok) << name << " was called sound";
      EXPECT_TRUE(report->degraded) << name;

      TestStore& store = open();
      EXPECT_EQ(store.owner.records, history_.appended) << name;
      ASSERT_FALSE(store->findings().empty()) << name;
      EXPECT_NE(store->findings()[0].message.find("needed only if the newest snapshot is lost"), std::string::npos)
          << store->findings()[0].message;
      EXPECT_TRUE(store->stats().degraded);
      ASSERT_TRUE(store->compact().ok());
      ASSERT_TRUE(store->compact().ok());
      ASSERT_TRUE(store->close().ok());
      EXPECT_TRUE(open()->findings().empty()) << name;
      ASSERT_TRUE((*store_)->close().ok());
      const Result<DoctorReport> after = inspect(*disk_.directory(), scratch);
      ASSERT_TRUE(after.ok());
      EXPECT_TRUE(after->ok) << name;
    }
    // Without the newest one, it is damage.
    disk_ = whole.crash(1, {.survives = Survives::kEverything});
    ASSERT_TRUE(disk_.directory()->remove(name).ok());
    ASSERT_TRUE(disk_.directory()->remove(snapshot_name(2)).ok());
    TestStore lost(disk_, tiny_options());
    EXPECT_EQ(lost.open().code(), Code::kCorruption) << name;
  }
}

TEST_F(CompactionTest, AppendsGoOnWhileASnapshotIsWritten) {
  TestStore& store = open();
  append(40);
  int during = 0;
  store.owner.between_pieces = [&] {
    if (++during <= 20) append(2);
  };
  ASSERT_TRUE(store->compact().ok());
  EXPECT_GT(during, 5);
  EXPECT_EQ(open().owner.records, history_.appended);
}

/// What the snapshot says of records behind its position must not be lost with them.
TEST_F(CompactionTest, EntriesNewerThanThePositionAreDurableBeforeTheSnapshotCounts) {
  TestStore& store = open();
  append(10);
  store.owner.between_pieces = [&] { append(1); };
  store.owner.piece = 1;
  int pieces = 0;
  store.owner.between_pieces = [&] {
    if (++pieces <= 5) append(1);
  };
  ASSERT_TRUE(store->compact().ok());
  const FaultyDisk crashed = disk_.crash(7, {.survives = Survives::kOnlySynced});
  TestStore after(crashed, tiny_options());
  ASSERT_TRUE(after.open().ok());
  EXPECT_EQ(after.owner.records, history_.appended);
}

// No compaction came to an end in 11 s in which three readers of history took turns: it waited for the readers.
TEST_F(CompactionTest, AReaderOfTheLogDoesNotHoldItUpAndForgetsWhatIsDropped) {
  TestStore& store = open();
  append(300);
  const Seq last = store->last_seq();
  Records seen;
  int forgotten = 0;
  const auto visit = [&](const Record& record) {
    // Compacts in the middle of a segment, in the reader's own thread: would wait for ever if it waited for readers.
    if (record.seq == 150) {
      EXPECT_TRUE(store->compact().ok() && store->compact().ok());
    }
    seen[record.seq] = text_of(record.payload);
    return true;
  };
  ASSERT_TRUE(store->read_log(visit, [&] { seen.clear(), ++forgotten; }).ok());
  EXPECT_GT(forgotten, 0);
  EXPECT_TRUE(seen.empty()) << "two compactions drop all that was there before the first";

  append(300);
  ASSERT_TRUE(store->compact().ok());
  append(300);
  const auto visit_again = [&](const Record& record) {
    if (record.seq == last + 50) {
      EXPECT_TRUE(store->compact().ok());
    }
    seen[record.seq] = text_of(record.payload);
    return true;
  };
  ASSERT_TRUE(store->read_log(visit_again, [&] { seen.clear(); }).ok());
  const Records retained(history_.appended.find(seen.begin()->first), history_.appended.end());
  EXPECT_EQ(seen, retained) << "a hole, or an end that came too early";
  EXPECT_LT(seen.size(), 600U);
  EXPECT_GE(seen.size(), 300U) << "the log after the older snapshot is retained";
}

TEST_F(CompactionTest, ABadNewestSnapshotFallsBackToTheOneBeforeAndIsReplaced) {
  TestStore& store = open();
  append(30);
  ASSERT_TRUE(store->compact().ok());
  append(30);
  ASSERT_TRUE(store->compact().ok());
  append(30);
  ASSERT_TRUE(store->close().ok());
  ASSERT_TRUE(disk_.flip_bit(snapshot_name(2), 8 * 100).ok());

  TestStore& degraded = open();
  EXPECT_EQ(degraded.owner.records, history_.appended);
  EXPECT_TRUE(degraded->stats().degraded);
  ASSERT_EQ(degraded->findings().size(), 1U);
  EXPECT_NE(degraded->findings()[0].message.find(snapshot_name(2)), std::string::npos);

  append(5);
  ASSERT_TRUE(degraded->compact().ok());
  EXPECT_FALSE(degraded->stats().degraded);
  EXPECT_EQ(files_of(disk_, FileKind::kSnapshot), (std::vector<std::string>{snapshot_name(1), snapshot_name(3)}))
      << "the bad one is nothing to fall back to";
  ASSERT_TRUE(disk_.flip_bit(snapshot_name(3), 8 * 100).ok());
  EXPECT_EQ(open().owner.records, history_.appended);
}

/// A bad sector in the head or the footer of the newest snapshot kept the store from opening, and a repair from
/// helping; one in the middle did not.
TEST_F(CompactionTest, ANewestSnapshotThatCannotBeReadAnywhereFallsBackToTheOneBefore) {
  TestStore& store = open();
  append(30);
  ASSERT_TRUE(store->compact().ok());
  append(30);
  ASSERT_TRUE(store->compact().ok());
  ASSERT_TRUE(store->close().ok());
  testing::FaultyOptions counting;
  counting.count_reads = true;
  const auto copy_to = [this](FaultyDisk& disk) {
    for (const std::string& name : disk_.names()) disk.put(name, *disk_.content(name));
  };
  FaultyDisk calm(counting);
  copy_to(calm);
  TestStore undisturbed(calm, tiny_options());
  ASSERT_TRUE(undisturbed.open().ok());
  const std::vector<testing::CallRecord> calls = calm.calls();
  int failed = 0;
  for (std::uint64_t number = 0; number < calls.size(); ++number) {
    if (calls[number].call != testing::Call::kRead || calls[number].name != snapshot_name(2)) continue;
    ++failed;
    FaultyDisk disk(counting);
    copy_to(disk);
    disk.fail_call(number, {.error = EIO, .partly = std::nullopt});
    TestStore degraded(disk, tiny_options());
    const Status opened = degraded.open();
    ASSERT_TRUE(opened.ok()) << opened.message();
    EXPECT_EQ(degraded.owner.records, history_.appended);
    EXPECT_TRUE(degraded->stats().degraded);
  }
  EXPECT_GE(failed, 3);
}

TEST_F(CompactionTest, BothSnapshotsBadIsRefused) {
  TestStore& store = open();
  for (int i = 0; i < 3; ++i) {
    append(30);
    ASSERT_TRUE(store->compact().ok());
  }
  ASSERT_TRUE(store->close().ok());
  ASSERT_TRUE(disk_.flip_bit(snapshot_name(3), 8 * 100).ok());
  ASSERT_TRUE(disk_.flip_bit(snapshot_name(2), 8 * 100).ok());
  TestStore again(disk_, tiny_options());
  const Status refused = again.open();
  EXPECT_EQ(refused.code(), Code::kCorruption);
  EXPECT_NE(refused.message().find(snapshot_name(3)), std::string::npos) << refused.message();
}

TEST_F(CompactionTest, TheOnlySnapshotBadMeansTheWholeLog) {
  TestStore& store = open();
  append(30);
  ASSERT_TRUE(store->compact().ok());
  append(3);
  ASSERT_TRUE(store->close().ok());
  ASSERT_TRUE(disk_.cut(snapshot_name(1), 50).ok());
  EXPECT_EQ(open().owner.records, history_.appended);
}

TEST_F(CompactionTest, RunsByItselfWhenTheLogHasGrown) {
  StoreOptions options = tiny_options();
  options.compact_after_bytes = 4000;
  TestStore& store = open(options);
  for (int round = 0; round < 50; ++round) {
    append(20);
    ASSERT_TRUE(store->tick().ok());
  }
  const std::uint64_t compactions = store->stats().compactions;
  EXPECT_GE(compactions, 2U);
  EXPECT_LE(compactions, 8U) << "the snapshots grow, and the log may grow to twice their size";
  EXPECT_EQ(open(options).owner.records, history_.appended);
}

TEST_F(CompactionTest, AFailureIsTriedAgainOnlyWhenTheLogHasGrownSomeMore) {
  StoreOptions options = tiny_options();
  options.compact_after_bytes = 4000;
  TestStore& store = open(options);
  append(150);
  disk_.fail_every(testing::Call::kCreate, {ENOSPC, std::nullopt});
  EXPECT_EQ(store->tick().code(), Code::kDiskFull);
  const std::uint64_t calls = disk_.call_count();
  EXPECT_FALSE(store->findings().empty());
  disk_.stop_failing();
  ASSERT_TRUE(store->tick().ok());
  EXPECT_EQ(store->stats().compactions, 0U) << "not yet; calls: " << disk_.call_count() - calls;
  append(60);
  ASSERT_TRUE(store->tick().ok());
  EXPECT_EQ(store->stats().compactions, 1U);
  EXPECT_TRUE(store->findings().empty());
}

TEST_F(CompactionTest, CompactingTwiceWithNothingInBetweenIsFine) {
  TestStore& store = open();
  append(5);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(store->compact().ok());
  EXPECT_EQ(open().owner.records, history_.appended);
  EXPECT_EQ(files_of(disk_, FileKind::kSnapshot), (std::vector<std::string>{snapshot_name(3), snapshot_name(4)}));
}

TEST_F(CompactionTest, AnEmptyStoreCanBeCompacted) {
  TestStore& store = open();
  ASSERT_TRUE(store->compact().ok());
  append(2);
  EXPECT_EQ(open().owner.records, history_.appended);
}

// Symptom: the store stopped taking changes because a cleaner of *.tmp files removed the snapshot that was being
// written.
TEST_F(CompactionTest, ATemporaryFileThatIsTidiedUpFailsTheCompactionOnly) {
  TestStore& store = open();
  append(9);
  const auto cleaner = disk_.directory();
  store.owner.between_pieces = [&] { static_cast<void>(cleaner->remove(temporary_name(snapshot_name(1)))); };
  const Status compacted = store->compact();
  EXPECT_EQ(compacted.code(), Code::kIoError) << compacted.message();
  EXPECT_TRUE(store->health().ok());
  append(1);
  ASSERT_TRUE(store.wait(history_).ok());
  TestStore after_power_loss(disk_.crash(0, {.survives = Survives::kOnlySynced}), tiny_options());
  ASSERT_TRUE(after_power_loss.open().ok());
  EXPECT_EQ(after_power_loss.owner.records, history_.appended);

  store.owner.between_pieces = nullptr;
  EXPECT_TRUE(store->compact().ok());
  EXPECT_EQ(files_of(disk_, FileKind::kSnapshot), std::vector<std::string>{snapshot_name(1)});
}

}  // namespace
}  // namespace flint::storage
