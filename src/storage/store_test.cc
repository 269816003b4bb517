#include <algorithm>

#include "storage/format.h"
#include "storage/manifest.h"
#include "testing/store_fixture.h"

/// What an open store promises while nothing goes wrong: appends, waits, ticks, the log as it is read, and figures.
namespace flint::storage {
namespace {

using testing::Call;
using testing::kinds_in;
using testing::kSeal;
using testing::log_syncs;
using testing::Records;
using testing::StoreTest;
using testing::TestStore;
using testing::text_of;
using testing::tiny_options;

TEST_F(StoreTest, RecordsComeBackAfterACloseAndAfterAKill) {
  TestStore& first = open();
  ASSERT_TRUE(first.append(history_, "one").ok());
  ASSERT_TRUE(first->close().ok());
  TestStore& second = open();
  EXPECT_EQ(second.owner.records, history_.appended);
  ASSERT_TRUE(second.append(history_, "two").ok());
  kill();
  EXPECT_EQ(open().owner.records, history_.appended);
}

TEST_F(StoreTest, TheLargestPayloadFitsInTheSmallestSegments) {
  TestStore& store = open();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(store.append(history_, std::string(kMaxPayloadBytes, 'x')).ok());
  ASSERT_TRUE(store.append(history_, "small").ok());
  kill();
  EXPECT_EQ(open().owner.records, history_.appended);
}

TEST_F(StoreTest, OneWaitCostsOneSync) {
  TestStore& store = open();
  ASSERT_TRUE(store.append(history_, "a record").ok());
  const std::uint64_t calls = disk_.call_count();
  ASSERT_TRUE(store.wait(history_).ok());
  EXPECT_EQ(disk_.call_count(), calls + 1);
  EXPECT_EQ(disk_.calls().back().call, Call::kSync);
  ASSERT_TRUE(store.wait(history_).ok());
  EXPECT_EQ(disk_.call_count(), calls + 1) << "it is durable already";
  EXPECT_EQ(store->durable_seq(), store->last_seq());
}

TEST_F(StoreTest, CallbacksAreServedByATick) {
  TestStore& store = open();
  ASSERT_TRUE(store.append(history_, "one").ok());
  std::vector<int> told;
  store->when_durable(store->last_seq(), [&told](const Status& status) { told.push_back(status.ok() ? 1 : -1); });
  ASSERT_TRUE(store.append(history_, "two").ok());
  store->when_durable(store->last_seq(), [&told](const Status& status) { told.push_back(status.ok() ? 2 : -2); });
  EXPECT_TRUE(told.empty());
  const std::size_t syncs = log_syncs(disk_);
  ASSERT_TRUE(store->tick().ok());
  EXPECT_EQ(told, (std::vector<int>{1, 2}));
  EXPECT_EQ(log_syncs(disk_), syncs + 1) << "both share one";
  store->when_durable(store->last_seq(), [&told](const Status&) { told.push_back(3); });
  EXPECT_EQ(told.back(), 3) << "at once: it is durable";
}

TEST_F(StoreTest, CloseAnswersThoseWhoStillWait) {
  TestStore& store = open();
  ASSERT_TRUE(store.append(history_, "one").ok());
  Status told(Code::kIoError, "nobody said anything");
  store->when_durable(store->last_seq(), [&told](const Status& status) { told = status; });
  ASSERT_TRUE(store->close().ok());
  EXPECT_TRUE(told.ok());
}

TEST_F(StoreTest, AStoreThatIsDestroyedAnswersThoseWhoStillWait) {
  TestStore& store = open();
  ASSERT_TRUE(store.append(history_, "one").ok());
  Status told;
  store->when_durable(store->last_seq(), [&told](const Status& status) { told = status; });
  kill();
  EXPECT_EQ(told.code(), Code::kClosed);
}

TEST_F(StoreTest, AfterACloseNothingIsAccepted) {
  TestStore& store = open();
  ASSERT_TRUE(store.append(history_, "one").ok());
  ASSERT_TRUE(store->close().ok());
  EXPECT_TRUE(store->close().ok()) << "again, as the first time";
  EXPECT_EQ(store.append(history_, "two").code(), Code::kClosed);
  EXPECT_EQ(store->flush().code(), Code::kClosed);
  EXPECT_EQ(store->compact().code(), Code::kClosed);
  EXPECT_EQ(store->health().code(), Code::kClosed);
  EXPECT_TRUE(store->wait(store->last_seq()).ok()) << "it was durable";
  TestStore other(disk_, tiny_options());
  EXPECT_TRUE(other.open().ok()) << "the lock is free";
}

TEST_F(StoreTest, FlushAndCloseTickFirst) {
  TestStore& store = open();
  store.owner.tick = [&] { return store.append_locked(history_, "denials"); };
  ASSERT_TRUE(store->flush().ok());
  EXPECT_EQ(store->durable_seq(), 1U);
  ASSERT_TRUE(store->close().ok());
  EXPECT_EQ(history_.appended.size(), 2U);
  EXPECT_EQ(open().owner.records, history_.appended);
}

TEST_F(StoreTest, ALogThatFellSilentIsSealedOnceAndThenIdles) {
  TestStore& store = open();
  ASSERT_TRUE(store.append(history_, "one").ok());
  ASSERT_TRUE(store.wait(history_).ok());
  ASSERT_TRUE(store->tick().ok());
  EXPECT_EQ(kinds_in(disk_, 1), (std::vector<RecordKind>{1})) << "the record is newer than a tick";
  const std::size_t syncs = log_syncs(disk_);
  ASSERT_TRUE(store->tick().ok());
  EXPECT_EQ(kinds_in(disk_, 1), (std::vector<RecordKind>{1, kSeal}));
  EXPECT_EQ(log_syncs(disk_), syncs + 1);
  EXPECT_EQ(read_manifest(*disk_.directory())->durable_seq, store->last_seq()) << "the proof is not in the log alone";
  const std::uint64_t calls = disk_.call_count();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(store->tick().ok());
  EXPECT_EQ(disk_.call_count(), calls) << "an idle store touches nothing";
}

TEST_F(StoreTest, DenialsAloneBuyNoSyncInAlways) {
  TestStore& store = open();
  ASSERT_TRUE(store->tick().ok());
  store.owner.tick = [&] { return store.append_locked(history_, "denials"); };
  const std::size_t syncs = log_syncs(disk_);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(store->tick().ok());
  EXPECT_EQ(log_syncs(disk_), syncs);
  store.owner.tick = nullptr;
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(store->tick().ok());
  EXPECT_EQ(store->durable_seq(), store->last_seq()) << "the seal covers them";
}

TEST_F(StoreTest, ATickFlushesInBatch) {
  StoreOptions options = tiny_options();
  options.sync = SyncMode::kBatch;
  TestStore& store = open(options);
  ASSERT_TRUE(store.append(history_, "one").ok());
  EXPECT_EQ(store->durable_seq(), 0U);
  ASSERT_TRUE(store->tick().ok());
  EXPECT_EQ(store->durable_seq(), 1U);
}

TEST_F(StoreTest, ReadLogShowsEveryRetainedRecordInOrder) {
  TestStore& store = open();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(store.append(history_, "record " + std::to_string(i)).ok());
    ASSERT_TRUE(i % 30 != 0 || store->tick().ok());
  }
  Records seen;
  ASSERT_TRUE(store
                  ->read_log(
                      [&](const Record& record) {
                        EXPECT_TRUE(seen.empty() || record.seq > seen.rbegin()->first);
                        seen[record.seq] = text_of(record.payload);
                        return true;
                      },
                      [] { FAIL() << "nothing was compacted"; })
                  .ok());
  EXPECT_EQ(seen, history_.appended);
  int visits = 0;
  ASSERT_TRUE(store->read_log([&](const Record&) { return ++visits < 5; }, [] {}).ok());
  EXPECT_EQ(visits, 5);
}

TEST_F(StoreTest, StatsCountWhatHappened) {
  TestStore& store = open();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(store.append(history_, std::string(20, 'x')).ok());
  ASSERT_TRUE(store.wait(history_).ok());
  Stats stats = store->stats();
  EXPECT_EQ(stats.last_seq, 10U);
  EXPECT_EQ(stats.durable_seq, 10U);
  EXPECT_EQ(stats.log_bytes, 400U);
  EXPECT_EQ(stats.sync_nanos.count(), 1U);
  EXPECT_EQ(stats.sync_records.sum, 10U);
  EXPECT_EQ(stats.snapshot_bytes, 0U);
  ASSERT_TRUE(store->compact().ok());
  stats = store->stats();
  EXPECT_EQ(stats.log_bytes, 0U);
  EXPECT_EQ(stats.compactions, 1U);
  EXPECT_GT(stats.snapshot_bytes, 0U);
  EXPECT_EQ(stats.snapshot_bytes, disk_.content(snapshot_name(1))->size());
}

// Symptom: flint_commit_records left out what the switch to a new segment made durable: in a busy log, whole segments.
TEST_F(StoreTest, StatsCountTheSyncsThatCompleteASegment) {
  TestStore& store = open();
  while (!disk_.content(segment_name(2)).ok()) ASSERT_TRUE(store.append(history_, std::string(20, 'x')).ok());
  Stats stats = store->stats();
  EXPECT_EQ(stats.durable_seq + 1, stats.last_seq);
  EXPECT_EQ(stats.sync_nanos.count(), 1U);
  EXPECT_EQ(stats.sync_records.sum, stats.durable_seq);
  ASSERT_TRUE(store.wait(history_).ok());
  stats = store->stats();
  EXPECT_EQ(stats.sync_nanos.count(), 2U);
  EXPECT_EQ(stats.sync_records.sum, stats.last_seq);
}

}  // namespace
}  // namespace flint::storage
