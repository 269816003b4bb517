#include <unistd.h>

#include <atomic>
#include <thread>

#include "storage/files.h"
#include "testing/test_store.h"

/// A directory that is opened while the disk has not a block free.
namespace flint::storage {
namespace {

using testing::CrashPolicy;
using testing::FaultyDisk;
using testing::History;
using testing::Records;
using testing::Survives;
using testing::test_effort;
using testing::test_seed;
using testing::TestStore;
using testing::text_of;
using testing::tiny_options;

constexpr std::uint64_t kPage = 4096;

StoreOptions waiting_options() {
  StoreOptions options = tiny_options();
  options.look_for_room_every = std::chrono::milliseconds(0);
  return options;
}

class WaitingStoreTest : public ::testing::TestWithParam<bool> {
 protected:
  WaitingStoreTest() : disk_(new_disk()) {}

  [[nodiscard]] static FaultyDisk new_disk() {
    testing::FaultyOptions options;
    options.can_map = GetParam();
    return FaultyDisk(options);
  }

  /// Leaves behind what a kill does: records that are acknowledged, some of them proven durable, and some that nobody
  /// waited for. Then the disk is full.
  static void kill_and_fill(FaultyDisk& disk, History& history) {
    TestStore store(disk, waiting_options());
    ASSERT_TRUE(store.open().ok());
    for (const std::size_t size : {20U, 300U, 900U, 7U}) {
      ASSERT_TRUE(store.append(history, std::string(size, 'a')).ok());
      ASSERT_TRUE(store.wait(history).ok());
    }
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(store->tick().ok());
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(store.append(history, std::string(100, 'b')).ok());
    ASSERT_TRUE(store.wait(history).ok());
    ASSERT_TRUE(store.append(history, "not waited for").ok());
    disk.set_capacity(disk.used_bytes());
  }

  TestStore& open_full(const StoreOptions& options = waiting_options()) {
    if (history_.appended.empty()) kill_and_fill(disk_, history_);
    store_.reset();
    store_ = std::make_unique<TestStore>(disk_, options);
    const Status opened = store_->open();
    EXPECT_TRUE(opened.ok()) << opened.message();
    EXPECT_TRUE((*store_)->stats().waits_for_room);
    return *store_;
  }

  void expect_everything_survives(const FaultyDisk& disk) const {
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      const Survives survives = seed == 0 ? Survives::kOnlySynced : Survives::kRandom;
      TestStore after(disk.crash(seed, {.survives = survives}), waiting_options());
      ASSERT_TRUE(after.open().ok());
      EXPECT_EQ(after.owner.records, history_.appended);
    }
  }

  [[nodiscard]] static Records logged(Store& store) {
    Records records;
    const auto visit = [&](const Record& record) {
      if (record.kind < kFirstStoreKind) records[record.seq] = text_of(record.payload);
      return true;
    };
    EXPECT_TRUE(store.read_log(visit, [&] { records.clear(); }).ok());
    return records;
  }

  FaultyDisk disk_;
  History history_;
  std::unique_ptr<TestStore> store_;
};

/// After a kill, with not a block free, the directory did not open: no status and no denial was answered, and the
/// server did not start.
TEST_P(WaitingStoreTest, ADirectoryOpensWithoutABlock) {
  TestStore& store = open_full();
  EXPECT_EQ(store.owner.records, history_.appended);
  EXPECT_EQ(logged(*store), history_.appended);
  EXPECT_TRUE(store->health().ok());
  const std::vector<Finding> findings = store->findings();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_NE(findings[0].message.find("No space left on device"), std::string::npos) << findings[0].message;

  TestStore second(disk_, waiting_options());
  const Status locked = second.open();
  EXPECT_EQ(locked.code(), Code::kDataDirLocked);
  EXPECT_NE(locked.message().find("process " + std::to_string(::getpid())), std::string::npos) << locked.message();

  const std::vector<std::string> names = disk_.names();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(store.append(history_, "more").code(), Code::kDiskFull);
  EXPECT_EQ(store->flush().code(), Code::kDiskFull);
  EXPECT_EQ(store->compact().code(), Code::kDiskFull);
  EXPECT_EQ(store->tick().code(), Code::kDiskFull);
  EXPECT_EQ(disk_.names(), names) << "an attempt left a file";
  EXPECT_EQ(store->last_seq(), history_.appended.rbegin()->first);
}

TEST_P(WaitingStoreTest, ItGoesOnWhenThereIsRoom) {
  TestStore& store = open_full();
  EXPECT_EQ(store.append(history_, "more").code(), Code::kDiskFull);
  disk_.set_capacity({});
  ASSERT_TRUE(store.append(history_, "more").ok());
  EXPECT_FALSE(store->stats().waits_for_room);
  EXPECT_TRUE(store->findings().empty());
  ASSERT_TRUE(store.wait(history_).ok());
  EXPECT_EQ(logged(*store), history_.appended);
  expect_everything_survives(disk_);
  ASSERT_TRUE(store->compact().ok());
  ASSERT_TRUE(store->close().ok());
  expect_everything_survives(disk_);
}

/// Two blocks are enough: one for the segment, one for the manifest.
TEST_P(WaitingStoreTest, ItGoesOnInTwoBlocks) {
  TestStore& store = open_full();
  disk_.set_capacity(disk_.used_bytes() + kPage);
  EXPECT_EQ(store->flush().code(), Code::kDiskFull);
  disk_.set_capacity(disk_.used_bytes() + 2 * kPage);
  EXPECT_TRUE(store->flush().ok());
}

/// Configuring a limit again with the same values waits for its record, which may be in the page cache alone.
TEST_P(WaitingStoreTest, NothingIsConfirmedThatIsNotKnownToBeDurable) {
  TestStore& store = open_full();
  const Seq last = store->last_seq();
  const Seq durable = store->durable_seq();
  ASSERT_LT(durable, last);
  EXPECT_TRUE(store->wait(durable).ok());
  EXPECT_EQ(store->wait(last).code(), Code::kDiskFull);
  Status told;
  store->when_durable(last, [&](const Status& status) { told = status; });
  EXPECT_EQ(told.code(), Code::kDiskFull);
  store->when_durable(durable, [&](const Status& status) { told = status; });
  EXPECT_TRUE(told.ok());

  disk_.set_capacity({});
  EXPECT_TRUE(store->wait(last).ok());
  EXPECT_EQ(store->durable_seq(), store->last_seq());
  expect_everything_survives(disk_);
}

/// A sync failed and the process was killed; the disk is full at the next start, and the machine stops then or later.
TEST_P(WaitingStoreTest, AfterAFailedSyncNothingIsBuiltOnThePageCache) {
  const std::uint64_t seed = test_seed();
  for (std::uint64_t i = 0; i < 20; ++i) {
    SCOPED_TRACE(::testing::Message() << "FLINT_TEST_SEED=" << seed << ", round " << i);
    FaultyDisk disk = new_disk();
    History history;
    {
      TestStore store(disk, waiting_options());
      ASSERT_TRUE(store.open().ok());
      ASSERT_TRUE(store.append(history, "acknowledged").ok());
      ASSERT_TRUE(store.wait(history).ok());
      ASSERT_TRUE(store.append(history, std::string(600, 'x')).ok());
      disk.fail_every(testing::Call::kSync, {.error = EIO, .partly = seed + i});
      ASSERT_EQ(store.wait(history).code(), Code::kStorageFailed);
    }
    disk.stop_failing();
    disk.set_capacity(disk.used_bytes());
    TestStore store(disk, waiting_options());
    ASSERT_TRUE(store.open().ok());
    ASSERT_TRUE(store->stats().waits_for_room);
    EXPECT_EQ(store.owner.records, history.appended) << "the page cache still shows it";
    EXPECT_EQ(store->wait(store->last_seq()).code(), Code::kDiskFull);
    TestStore crashed(disk.crash(seed + i, {.survives = Survives::kOnlySynced}), waiting_options());
    ASSERT_TRUE(crashed.open().ok());
    EXPECT_TRUE(history.explains(crashed.owner.records));

    disk.set_capacity({});
    ASSERT_TRUE(store.append(history, "on top").ok());
    ASSERT_TRUE(store.wait(history).ok());
    TestStore after(disk.crash(seed + i, {.survives = Survives::kOnlySynced}), waiting_options());
    ASSERT_TRUE(after.open().ok());
    EXPECT_EQ(after.owner.records, history.appended);
  }
}

/// What a process does from its open on a full disk to its close: it is refused, has too little room, and goes on.
void live(TestStore& store, FaultyDisk& disk, History& history) {
  if (!store.open().ok()) return;
  for (const std::uint64_t pages : {0U, 1U, 9U}) {
    disk.set_capacity(disk.used_bytes() + pages * kPage);
    static_cast<void>(store.append(history, "more"));
    static_cast<void>(store.wait(history));
  }
  if (store->close().ok()) history.acknowledged = store->durable_seq();
}

/// Whatever call of that life the machine stops at, nothing is lost that was promised before or meanwhile.
TEST_P(WaitingStoreTest, ACrashAtEveryCall) {
  const std::uint64_t seed = test_seed();
  for (std::uint64_t call = 0;; ++call) {
    SCOPED_TRACE(::testing::Message() << "FLINT_TEST_SEED=" << seed << ", call " << call);
    FaultyDisk disk = new_disk();
    History history;
    kill_and_fill(disk, history);
    const std::uint64_t before = disk.call_count();
    disk.write_back_by_itself(seed + call);
    disk.die_at(before + call, {.error = EIO, .partly = seed + call});
    {
      TestStore store(disk, waiting_options());
      live(store, disk, history);
    }
    if (!disk.died()) {
      EXPECT_GT(call, 10U);
      break;
    }
    for (std::uint64_t crash = 0; crash < 6 * test_effort(); ++crash) {
      const Survives survives[] = {Survives::kEverything, Survives::kOnlySynced, Survives::kRandom};
      TestStore after(disk.crash(seed + call + crash, {.survives = survives[std::min<std::uint64_t>(crash, 2)],
                                                       .whole_pages = crash % 2 == 0}),
                      waiting_options());
      const Status opened = after.open();
      ASSERT_TRUE(opened.ok()) << opened.message();
      ASSERT_TRUE(history.explains(after.owner.records)) << "crash " << crash;
    }
  }
}

/// Two faults in one life: the disk is full, and then any call fails. The store stops, or goes on when it is asked
/// again; either way the next open has what was promised.
TEST_P(WaitingStoreTest, AFailureOfAnyCallAfterAFullDisk) {
  const std::uint64_t seed = test_seed();
  std::size_t stopped = 0;
  for (std::uint64_t call = 0;; ++call) {
    SCOPED_TRACE(::testing::Message() << "FLINT_TEST_SEED=" << seed << ", call " << call);
    FaultyDisk disk = new_disk();
    History history;
    kill_and_fill(disk, history);
    TestStore store(disk, waiting_options());
    ASSERT_TRUE(store.open().ok());
    ASSERT_TRUE(store->stats().waits_for_room);
    disk.set_capacity({});
    const std::uint64_t number = disk.call_count() + call;
    disk.fail_call(number, {.error = EIO, .partly = seed + call});
    const Status appended = store.append(history, "more");
    static_cast<void>(store.wait(history));
    if (disk.call_count() <= number) break;
    if (store->stats().failed) {
      ++stopped;
      EXPECT_EQ(store->health().code(), Code::kStorageFailed);
      EXPECT_EQ(store.append(history, "never").code(), Code::kStorageFailed);
      EXPECT_EQ(store->close().code(), Code::kStorageFailed);
    } else if (!appended.ok()) {
      EXPECT_TRUE(store.append(history, "more").ok());
      EXPECT_TRUE(store.wait(history).ok());
    }
    for (const Survives survives : {Survives::kEverything, Survives::kOnlySynced, Survives::kRandom}) {
      TestStore after(disk.crash(seed + call, {.survives = survives}), waiting_options());
      const Status opened = after.open();
      ASSERT_TRUE(opened.ok()) << opened.message();
      ASSERT_TRUE(history.explains(after.owner.records));
    }
  }
  EXPECT_GT(stopped, 3U);
}

/// As long as the store waits, somebody may delete what it would build on: every answer was 200, and the next open was
/// refused.
TEST_P(WaitingStoreTest, ADirectoryThatIsTakenAwayMeanwhileStopsTheStore) {
  for (const std::string& name : {std::string(kLockName), segment_name(2)}) {
    disk_ = new_disk();
    history_ = {};
    TestStore& store = open_full();
    const std::vector<std::string> names = disk_.names();
    ASSERT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
    ASSERT_TRUE(disk_.directory()->remove(name).ok());
    disk_.set_capacity({});
    EXPECT_EQ(store.append(history_, "more").code(), Code::kStorageFailed);
    EXPECT_EQ(store->health().code(), Code::kStorageFailed);
    EXPECT_EQ(store->close().code(), Code::kStorageFailed);
  }
}

/// A close may call in order only what is known to be durable.
TEST_P(WaitingStoreTest, ACloseSaysWhetherAnythingIsMissing) {
  TestStore& store = open_full();
  const std::vector<std::string> names = disk_.names();
  EXPECT_EQ(store->close().code(), Code::kDiskFull) << "not all is known to be durable";
  EXPECT_EQ(store->close().code(), Code::kDiskFull) << "as the first time";
  EXPECT_EQ(store.append(history_, "more").code(), Code::kClosed);
  EXPECT_EQ(store->health().code(), Code::kClosed);
  EXPECT_EQ(disk_.names(), names);

  TestStore& again = open_full();
  disk_.set_capacity({});
  EXPECT_TRUE(again->close().ok()) << "there was room in time";
  expect_everything_survives(disk_);
}

TEST_P(WaitingStoreTest, ACloseWithDenialsThatCannotBeLoggedFails) {
  {
    TestStore store(disk_, waiting_options());
    ASSERT_TRUE(store.open().ok());
    ASSERT_TRUE(store.append(history_, "one").ok());
    ASSERT_TRUE(store.wait(history_).ok());
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(store->tick().ok());  // and the manifest proves it
    disk_ = disk_.crash(0, {.survives = Survives::kEverything});
    disk_.set_capacity(disk_.used_bytes());
  }
  EXPECT_TRUE(open_full()->close().ok()) << "all is durable, and nothing waits";
  for (const bool room : {false, true}) {
    TestStore& store = open_full();
    store.owner.tick = [&] { return store.append_locked(history_, "denials"); };
    if (room) disk_.set_capacity({});
    EXPECT_EQ(store->close().code(), room ? Code::kOk : Code::kDiskFull);
  }
  expect_everything_survives(disk_);
}

/// A flood of allowed checks on a full disk looked for room at each of them, in the critical section.
TEST_P(WaitingStoreTest, CallersLookForRoomInTurn) {
  StoreOptions options = waiting_options();
  options.look_for_room_every = std::chrono::hours(1);
  TestStore& store = open_full(options);
  const std::uint64_t before = disk_.call_count();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(store.append(history_, "more").code(), Code::kDiskFull);
  EXPECT_EQ(disk_.call_count(), before);
  disk_.set_capacity({});
  EXPECT_EQ(store.append(history_, "more").code(), Code::kDiskFull);
  EXPECT_TRUE(store->flush().ok()) << "an operator is not kept waiting";
  EXPECT_TRUE(store.append(history_, "more").ok());
}

/// The unfinished snapshot of a compaction that was killed held the room that the open lacked.
TEST_P(WaitingStoreTest, WhatACompactionLeftMakesRoom) {
  kill_and_fill(disk_, history_);
  disk_.put(temporary_name(snapshot_name(1)), std::string(2 * kPage, 's'));
  disk_.set_capacity(disk_.used_bytes());
  TestStore store(disk_, waiting_options());
  ASSERT_TRUE(store.open().ok());
  EXPECT_FALSE(store->stats().waits_for_room);
  EXPECT_TRUE(store.append(history_, "more").ok());
}

/// To settle removes the segments that it wrote again: a history that was being read failed.
TEST_P(WaitingStoreTest, AReaderGoesOnWhenTheStoreDoes) {
  TestStore& store = open_full();
  Records seen;
  bool first = true;
  const auto visit = [&](const Record& record) {
    if (record.kind < kFirstStoreKind) seen[record.seq] = text_of(record.payload);
    if (std::exchange(first, false)) {
      disk_.set_capacity({});
      EXPECT_TRUE(store.append(history_, "more").ok());
    }
    return true;
  };
  ASSERT_TRUE(store->read_log(visit, [&] { seen.clear(); }).ok());
  for (const auto& [seq, payload] : seen) EXPECT_EQ(history_.appended.at(seq), payload);
  EXPECT_GE(seen.size() + 1, history_.appended.size());
  EXPECT_EQ(logged(*store), history_.appended);
}

/// It waited until somebody checked: an idle server kept recovered events undurable, however much room there was.
TEST_P(WaitingStoreTest, ItGoesOnByItself) {
  StoreOptions options = waiting_options();
  options.background = true;
  TestStore& store = open_full(options);
  disk_.set_capacity({});
  while (store->stats().waits_for_room) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // on its own thread
  }
  EXPECT_GE(store->durable_seq(), history_.appended.rbegin()->first);
  expect_everything_survives(disk_);
  EXPECT_TRUE(store->close().ok());
}

/// All at once: checks, waits, readers, reports and flushes, while room comes.
TEST_P(WaitingStoreTest, ManyThreadsSeeItGoOn) {
  StoreOptions options = waiting_options();
  options.background = true;
  TestStore& store = open_full(options);
  std::atomic<bool> done = false;
  std::vector<std::thread> threads;
  std::atomic<int> refused = 0;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      int appended = 0;
      while (appended < 20) {
        base::MutexLock lock(store.owner.mutex);
        const bool ok = store.append_locked(history_, "more").ok();
        ok ? ++appended : ++refused;
      }
      EXPECT_TRUE(store->wait(store->last_seq()).ok());
    });
  }
  threads.emplace_back([&] {
    while (!done) {
      EXPECT_TRUE(store->health().ok());
      const Seq durable = store->durable_seq();  // first: both go on
      EXPECT_LE(durable, store->last_seq());
      static_cast<void>(store->stats());
      static_cast<void>(store->findings());
      static_cast<void>(logged(*store));
      static_cast<void>(store->flush());
    }
  });
  while (refused < 3) std::this_thread::yield();
  disk_.set_capacity({});
  for (std::size_t i = 0; i < 3; ++i) threads[i].join();
  done = true;
  threads.back().join();
  EXPECT_TRUE(store->close().ok());
  expect_everything_survives(disk_);
}

INSTANTIATE_TEST_SUITE_P(Paths, WaitingStoreTest, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "Mapped" : "Written"; });

/// There is nothing to show yet of a store that was never begun.
TEST(WaitingStore, ANewDirectoryDoesNotOpenWithoutABlock) {
  FaultyDisk disk;
  disk.set_capacity(0);
  TestStore store(disk, tiny_options());
  const Status opened = store.open();
  EXPECT_EQ(opened.code(), Code::kDiskFull) << opened.message();
  EXPECT_TRUE(disk.names().empty() || disk.names() == std::vector<std::string>{std::string(kLockName)});
}

}  // namespace
}  // namespace flint::storage
