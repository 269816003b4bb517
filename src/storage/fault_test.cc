#include <cerrno>

#include "storage/files.h"
#include "storage/inspect.h"
#include "storage/repair.h"
#include "testing/store_workload.h"

/// Every call that can fail, fails: with an I/O error and with a full disk, doing nothing or a part of what was asked.
namespace flint::storage {
namespace {

using testing::Call;
using testing::CallRecord;
using testing::FaultyDisk;
using testing::History;
using testing::run_workload;
using testing::Survives;
using testing::TestOwner;
using testing::TestStore;
using testing::tiny_options;
using testing::WorkloadResult;

FaultyDisk new_disk(bool can_map) {
  testing::FaultyOptions options;
  options.can_map = can_map;
  return FaultyDisk(options);
}

testing::Fault error(int number) { return {number, std::nullopt}; }

/// What the failure of one call must lead to.
enum class Promise {
  kGoesOn,  ///< The operation may fail, with nothing lost; the store goes on.
  kStops,   ///< What is on disk is unknown: the store accepts nothing more.
};

bool is_manifest(const CallRecord& call) { return call.name == temporary_name(kManifestName); }

/// A sync of a file that does not count yet: its rename comes next, or (a snapshot that grows) its next write.
bool is_sync_of_unpublished(const std::vector<CallRecord>& calls, std::uint64_t number) {
  const CallRecord& call = calls[number];
  return call.call == Call::kSync && number + 1 < calls.size() && calls[number + 1].call == Call::kRename &&
         calls[number + 1].name == call.name;
}

Promise promise(const std::vector<CallRecord>& calls, std::uint64_t number, int error) {
  const CallRecord& call = calls[number];
  switch (call.call) {
    case Call::kCreate:
    case Call::kTruncate:
    case Call::kMap:
    case Call::kRemove:
    case Call::kDescribeHolder:
      return Promise::kGoesOn;
    case Call::kWrite:
    case Call::kAllocate:
      return error == ENOSPC ? Promise::kGoesOn : Promise::kStops;
    case Call::kSync:
      return error == ENOSPC && is_sync_of_unpublished(calls, number) ? Promise::kGoesOn : Promise::kStops;
    case Call::kRename:
      return error == ENOSPC && !is_manifest(call) ? Promise::kGoesOn : Promise::kStops;
    default:
      return Promise::kStops;
  }
}

class FaultTest : public ::testing::TestWithParam<bool> {
 protected:
  /// After the fault: whatever happens to the machine, everything acknowledged is there.
  static void check_what_is_left(FaultyDisk& disk, const History& history) {
    disk.stop_failing();
    for (const Survives survives : {Survives::kEverything, Survives::kOnlySynced, Survives::kRandom}) {
      const FaultyDisk crashed = disk.crash(history.acknowledged, {.survives = survives});
      TestStore store(crashed, tiny_options());
      const Status opened = store.open();
      ASSERT_TRUE(opened.ok()) << opened.message();
      ASSERT_TRUE(history.explains(store.owner.records));
    }
  }

  void fail_every_call(int number_of_error, std::optional<std::uint64_t> partly);
};

void FaultTest::fail_every_call(int number_of_error, std::optional<std::uint64_t> partly) {
  const FaultyDisk counting = new_disk(GetParam());
  ASSERT_EQ(run_workload(counting, {}).first_failure, Status());
  const std::vector<CallRecord> calls = counting.calls();
  for (std::uint64_t number = 0; number < calls.size(); ++number) {
    SCOPED_TRACE(::testing::Message() << "call " << number << ", " << testing::call_name(calls[number].call) << " "
                                      << calls[number].name);
    FaultyDisk disk = new_disk(GetParam());
    disk.fail_call(number, {.error = number_of_error, .partly = partly});
    const WorkloadResult lived = run_workload(disk, {});
    const bool failed_to_open = lived.stopped && !lived.failed;
    if (failed_to_open) {
      EXPECT_TRUE(lived.first_failure.code() == (number_of_error == ENOSPC ? Code::kDiskFull : Code::kIoError) ||
                  lived.first_failure.code() == Code::kIoError)
          << lived.first_failure.message();
    } else if (promise(calls, number, number_of_error) == Promise::kStops) {
      EXPECT_TRUE(lived.failed);
      EXPECT_EQ(lived.first_failure.code(), Code::kStorageFailed) << lived.first_failure.message();
    } else {
      EXPECT_FALSE(lived.failed) << lived.first_failure.message();
      EXPECT_TRUE(lived.first_failure.ok() || number_of_error == EIO || lived.first_failure.code() == Code::kDiskFull)
          << lived.first_failure.message();
      EXPECT_TRUE(lived.history.appended.empty() ||
                  lived.history.acknowledged >= lived.history.appended.rbegin()->first)
          << "it went on, but did not acknowledge the last record";
    }
    check_what_is_left(disk, lived.history);
    if (HasFailure()) return;
  }
}

TEST_P(FaultTest, IoError) { fail_every_call(EIO, std::nullopt); }
TEST_P(FaultTest, IoErrorAfterAPart) { fail_every_call(EIO, 7); }
TEST_P(FaultTest, FullDisk) { fail_every_call(ENOSPC, std::nullopt); }
TEST_P(FaultTest, FullDiskAfterAPart) { fail_every_call(ENOSPC, 7); }

/// A store that was killed while it wrote, so that the next open has all of its steps to do.
FaultyDisk killed_with_a_tail(bool can_map) {
  const FaultyDisk disk = new_disk(can_map);
  History history;
  TestStore store(disk, tiny_options());
  EXPECT_TRUE(store.open().ok());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(store.append(history, "a record").ok());
  EXPECT_TRUE(store.wait(history).ok());
  FaultyDisk killed = disk.crash(0, {.survives = Survives::kEverything});
  // Half a record behind the last one.
  const std::string segment = segment_name(1);
  const std::string content = *killed.content(segment);
  const std::size_t end = content.find_last_not_of('\0') / 8 * 8 + 8;
  EXPECT_TRUE(killed.overwrite(segment, end, "half a record").ok());
  return killed;
}

std::map<std::string, std::string> files_of(const FaultyDisk& disk) {
  std::map<std::string, std::string> files;
  for (const std::string& name : disk.names()) {
    if (name != kLockName) files[name] = *disk.content(name);
  }
  return files;
}

TEST_P(FaultTest, AnOpenThatFailsLeavesTheDirectoryAsItWas) {
  const FaultyDisk killed = killed_with_a_tail(GetParam());
  const FaultyDisk counting = killed.crash(0, {.survives = Survives::kEverything});
  TestStore whole(counting, tiny_options());
  ASSERT_TRUE(whole.open().ok());
  const std::vector<CallRecord> calls = counting.calls();
  ASSERT_GT(calls.size(), 10U);
  for (std::uint64_t number = 0; number < calls.size(); ++number) {
    FaultyDisk disk = killed.crash(0, {.survives = Survives::kEverything});
    SCOPED_TRACE(::testing::Message() << "call " << number << ", " << testing::call_name(calls[number].call) << " "
                                      << calls[number].name);
    disk.fail_call(number, error(ENOSPC));
    TestStore store(disk, tiny_options());
    const Status opened = store.open();
    EXPECT_TRUE(opened.ok() || opened.code() == Code::kDiskFull || opened.code() == Code::kIoError);
    if (opened.code() == Code::kDiskFull) {
      EXPECT_EQ(files_of(disk), files_of(killed));
    }
  }
}

TEST_P(FaultTest, ReadErrorsChangeNothing) {
  testing::FaultyOptions options;
  options.can_map = GetParam();
  options.count_reads = true;
  FaultyDisk counting(options);
  const WorkloadResult calm = run_workload(counting, {});
  ASSERT_EQ(calm.first_failure, Status());
  const std::vector<CallRecord> calls = counting.calls();
  for (std::uint64_t number = 0; number < calls.size(); ++number) {
    const Call call = calls[number].call;
    if (call != Call::kOpen && call != Call::kRead && call != Call::kList) continue;
    SCOPED_TRACE(::testing::Message() << "call " << number << ", " << testing::call_name(call) << " "
                                      << calls[number].name);
    FaultyDisk disk(options);
    disk.fail_call(number, error(EIO));
    const WorkloadResult lived = run_workload(disk, {});
    EXPECT_FALSE(lived.failed) << lived.first_failure.message();
    EXPECT_TRUE(lived.first_failure.ok() || lived.first_failure.code() == Code::kIoError)
        << lived.first_failure.message();
    check_what_is_left(disk, lived.history);
    if (HasFailure()) return;
  }
}

TEST_P(FaultTest, AfterAFailureNothingIsAcceptedUntilTheNextOpen) {
  FaultyDisk disk = new_disk(GetParam());
  History history;
  TestStore store(disk, tiny_options());
  ASSERT_TRUE(store.open().ok());
  ASSERT_TRUE(store.append(history, "before").ok());
  ASSERT_TRUE(store.wait(history).ok());
  ASSERT_TRUE(store.append(history, "lost").ok());
  disk.fail_every(Call::kSync, error(EIO));
  EXPECT_EQ(store.wait(history).code(), Code::kStorageFailed);
  disk.stop_failing();
  const std::uint64_t calls = disk.call_count();

  // The disk is well again, but what is on it is unknown: a second sync would succeed over lost data.
  EXPECT_EQ(store.wait(history).code(), Code::kStorageFailed);
  History rejected;
  EXPECT_EQ(store.append(rejected, "after").code(), Code::kStorageFailed);
  EXPECT_EQ(store->flush().code(), Code::kStorageFailed);
  EXPECT_EQ(store->compact().code(), Code::kStorageFailed);
  EXPECT_EQ(store->tick().code(), Code::kStorageFailed);
  EXPECT_EQ(store->health().code(), Code::kStorageFailed);
  Status told;
  store->when_durable(store->last_seq(), [&told](const Status& status) { told = status; });
  EXPECT_EQ(told.code(), Code::kStorageFailed);
  EXPECT_EQ(store->close().code(), Code::kStorageFailed);
  EXPECT_EQ(disk.call_count(), calls) << "nothing may be written or synced again";
  EXPECT_TRUE(store->stats().failed);
  check_what_is_left(disk, history);
}

TEST_P(FaultTest, AFailureInTheBackgroundStopsTheStoreAndReachesThoseWhoWait) {
  FaultyDisk disk = new_disk(GetParam());
  History history;
  TestStore store(disk, tiny_options());
  ASSERT_TRUE(store.open().ok());
  ASSERT_TRUE(store.append(history, "a record").ok());
  Status told;
  store->when_durable(store->last_seq(), [&told](const Status& status) { told = status; });
  disk.fail_every(Call::kSync, error(EIO));
  EXPECT_EQ(store->tick().code(), Code::kStorageFailed);
  EXPECT_EQ(told.code(), Code::kStorageFailed);
  EXPECT_EQ(store->flush().code(), Code::kStorageFailed) << "an explicit flush must not hide it";
}

TEST_P(FaultTest, AFullDiskLosesNothingAndWritingGoesOnWhenThereIsRoom) {
  FaultyDisk disk = new_disk(GetParam());
  History history;
  TestStore store(disk, tiny_options());
  ASSERT_TRUE(store.open().ok());
  disk.set_capacity(disk.used_bytes() + 4096);
  Status full;
  for (int i = 0; i < 1000 && full.ok(); ++i) full = store.append(history, std::string(100, 'x'));
  ASSERT_EQ(full.code(), Code::kDiskFull);
  EXPECT_TRUE(store->health().ok());
  EXPECT_TRUE(store.wait(history).ok());
  EXPECT_EQ(store->compact().code(), Code::kDiskFull);
  EXPECT_EQ(store.append(history, std::string(100, 'x')).code(), Code::kDiskFull);
  for (const std::string& name : disk.names()) EXPECT_NE(classify(name).kind, FileKind::kTemporary) << name;

  disk.set_capacity(std::nullopt);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(store.append(history, std::string(100, 'y')).ok());
  EXPECT_TRUE(store.wait(history).ok());
  EXPECT_TRUE(store->compact().ok());
  EXPECT_TRUE(store->health().ok());
  check_what_is_left(disk, history);
}

/// Of a record that ends in zeros, the part that fitted can be all of it.
TEST_P(FaultTest, ARecordThatDidNotFitIsNotThereAfterACrash) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    FaultyDisk disk = new_disk(GetParam());
    History history;
    TestStore store(disk, tiny_options());
    ASSERT_TRUE(store.open().ok());
    ASSERT_TRUE(store.append(history, "fits").ok());
    disk.fail_call(disk.call_count(), {.error = ENOSPC, .partly = seed});
    const Status full = store.append(history, "x" + std::string(200, '\0'));
    // Through a map nothing is called, and so nothing can fail.
    ASSERT_EQ(full.code(), GetParam() ? Code::kOk : Code::kDiskFull);
    check_what_is_left(disk, history);
    if (HasFailure()) return;
  }
}

/// Where every write needs room of its own (btrfs, ZFS), a full disk stopped the store for good: the write that was to
/// wipe out the record's head, of which nothing was there, found no room either.
TEST_P(FaultTest, ADiskThatTakesNoWriteAtAllIsFullAndNoMore) {
  FaultyDisk disk = new_disk(GetParam());
  History history;
  TestStore store(disk, tiny_options());
  ASSERT_TRUE(store.open().ok());
  ASSERT_TRUE(store.append(history, "fits").ok());
  disk.fail_every(Call::kWrite, error(ENOSPC));
  ASSERT_EQ(store.append(history, "does not fit").code(), GetParam() ? Code::kOk : Code::kDiskFull);
  EXPECT_TRUE(store->health().ok()) << store->health().message();
  EXPECT_TRUE(store.wait(history).ok());
  disk.stop_failing();
  ASSERT_TRUE(store.append(history, "fits again").ok());
  EXPECT_TRUE(store.wait(history).ok());
  check_what_is_left(disk, history);
}

TEST_P(FaultTest, ACompactionWithoutDescriptorsFailsCleanlyAndAppendsGoOn) {
  FaultyDisk disk = new_disk(GetParam());
  History history;
  TestStore store(disk, tiny_options());
  ASSERT_TRUE(store.open().ok());
  ASSERT_TRUE(store.append(history, "a record").ok());
  ASSERT_TRUE(store->tick().ok());
  disk.fail_every(Call::kCreate, error(EMFILE));
  // One new segment can be had: its file was opened ahead of time.
  const std::uint64_t segment_bytes = tiny_options().first_segment_bytes;
  for (std::uint64_t bytes = 0; bytes < segment_bytes; bytes += 100) {
    ASSERT_TRUE(store.append(history, std::string(100, 'x')).ok());
  }
  EXPECT_EQ(store->compact().code(), Code::kIoError);
  EXPECT_TRUE(store->health().ok());
  EXPECT_FALSE(store->findings().empty());
  EXPECT_TRUE(store.wait(history).ok());
  disk.stop_failing();
  EXPECT_TRUE(store->compact().ok());
  EXPECT_TRUE(store->findings().empty());
  check_what_is_left(disk, history);
}

TEST_P(FaultTest, ALockFileThatWasDeletedStopsTheStoreAtTheNextCommit) {
  FaultyDisk disk = new_disk(GetParam());
  History history;
  TestStore store(disk, tiny_options());
  ASSERT_TRUE(store.open().ok());
  ASSERT_TRUE(disk.directory()->remove(kLockName).ok());
  ASSERT_TRUE(store.append(history, "a record").ok());
  EXPECT_EQ(store.wait(history).code(), Code::kStorageFailed);
  EXPECT_EQ(store->health().code(), Code::kStorageFailed);
}

void make_read_only(FaultyDisk& disk) {
  for (const Call call : {Call::kCreate, Call::kWrite, Call::kAllocate, Call::kTruncate, Call::kMap, Call::kRename,
                          Call::kRemove, Call::kDescribeHolder}) {
    disk.fail_every(call, error(EROFS));
  }
}

TEST_P(FaultTest, ReadOnlyStorageIsReadAndOpensForNothingElse) {
  FaultyDisk disk = killed_with_a_tail(GetParam());
  const auto before = files_of(disk);
  make_read_only(disk);
  TestStore writer(disk, tiny_options());
  EXPECT_EQ(writer.open().code(), Code::kPermission);
  StoreOptions options = tiny_options();
  options.read_only = true;
  {
    TestStore reader(disk, options);
    ASSERT_TRUE(reader.open().ok());
    EXPECT_EQ(reader.owner.records.size(), 5U);
  }
  TestOwner scratch;
  const std::unique_ptr<io::Directory> directory = disk.directory();
  EXPECT_TRUE(inspect(*directory, scratch)->ok);
  EXPECT_TRUE(files_of(disk) == before);

  FaultyDisk damaged = disk.crash(0, {.survives = Survives::kEverything});
  ASSERT_TRUE(damaged.overwrite(kManifestName, 0, "x").ok());
  const auto damage = files_of(damaged);
  make_read_only(damaged);
  EXPECT_EQ(repair(*damaged.directory(), scratch).code(), Code::kPermission);
  EXPECT_TRUE(files_of(damaged) == damage);
}

/// As a kernel does to a file system that it found an error in.
TEST_P(FaultTest, StorageThatBecomesReadOnlyLosesNothingAndSaysWhy) {
  FaultyDisk disk = new_disk(GetParam());
  History history;
  TestStore store(disk, tiny_options());
  ASSERT_TRUE(store.open().ok());
  ASSERT_TRUE(store.append(history, "before").ok());
  ASSERT_TRUE(store.wait(history).ok());
  make_read_only(disk);
  Status refused;
  for (int i = 0; i < 100 && refused.ok(); ++i) refused = store.append(history, std::string(100, 'x'));
  EXPECT_FALSE(refused.ok());
  EXPECT_NE(refused.message().find("read-only"), std::string::npos) << refused.message();
  EXPECT_FALSE(store->compact().ok());
  EXPECT_FALSE(store->close().ok());
  check_what_is_left(disk, history);
}

/// A compaction with nothing to commit did not look at the lock: it named its snapshot in the manifest of a directory
/// that another process owned by then, and removed segments there.
TEST_P(FaultTest, WithoutItsLockACompactionChangesNothing) {
  FaultyDisk disk = new_disk(GetParam());
  History history;
  TestStore store(disk, tiny_options());
  ASSERT_TRUE(store.open().ok());
  ASSERT_TRUE(store.append(history, "a record").ok());
  ASSERT_TRUE(store->compact().ok());
  ASSERT_TRUE(store->tick().ok());
  ASSERT_TRUE(disk.directory()->remove(kLockName).ok());
  TestStore other(disk, tiny_options());
  ASSERT_TRUE(other.open().ok());
  const auto before = files_of(disk);
  EXPECT_EQ(store->compact().code(), Code::kStorageFailed);
  EXPECT_TRUE(files_of(disk) == before);
  EXPECT_EQ(store->health().code(), Code::kStorageFailed);
}

INSTANTIATE_TEST_SUITE_P(Paths, FaultTest, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "Mapped" : "Written"; });

/// 500 grants were acknowledged in a segment that had been deleted or replaced under the store, and were gone after a
/// kill.
TEST(SegmentUnderItsWriter, ThatIsGoneStopsTheNextCommit) {
  for (const bool replaced : {false, true}) {
    for (const bool rotates : {false, true}) {
      SCOPED_TRACE(::testing::Message() << "replaced: " << replaced << ", a segment is completed first: " << rotates);
      FaultyDisk disk;
      History history;
      TestStore store(disk, tiny_options());
      ASSERT_TRUE(store.open().ok());
      ASSERT_TRUE(store.append(history, "before").ok());
      ASSERT_TRUE(store.wait(history).ok());
      const std::string content = *disk.content(segment_name(1));
      ASSERT_TRUE(disk.directory()->remove(segment_name(1)).ok());
      if (replaced) disk.put(segment_name(1), content);
      Status stopped;
      if (rotates) {
        stopped = store->compact();
      } else {
        ASSERT_TRUE(store.append(history, "after").ok());
        stopped = store.wait(history);
      }
      EXPECT_EQ(stopped.code(), Code::kStorageFailed);
      EXPECT_NE(stopped.message().find("log-000000000001.flog was deleted or replaced"), std::string::npos);
      EXPECT_EQ(store->health().code(), Code::kStorageFailed);
      EXPECT_EQ(store.append(history, "refused").code(), Code::kStorageFailed);
    }
  }
}

}  // namespace
}  // namespace flint::storage
