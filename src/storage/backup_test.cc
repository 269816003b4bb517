#include "storage/backup.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>

#include "storage/inspect.h"
#include "storage/manifest.h"
#include "storage/recovery.h"
#include "testing/store_fixture.h"

/// Copies of a store: whole, or never taken for whole.
namespace flint::storage {
namespace {

using testing::Call;
using testing::CrashPolicy;
using testing::FaultyDisk;
using testing::Records;
using testing::Survives;
using testing::TestOwner;
using testing::TestStore;
using testing::tiny_options;

class Backup : public testing::StoreTest {
 protected:
  void append(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(store_->append(history_, "record " + std::to_string(history_.appended.size())).ok());
    }
  }
  /// A store with snapshots and segments, that is written to.
  void fill() {
    open();
    for (int round = 0; round < 3; ++round) {
      append(40);
      ASSERT_TRUE((*store_)->compact().ok());
    }
    append(30);
  }
  Result<BackupResult> copy(const FaultyDisk& to) {
    TestOwner scratch;
    const auto source = disk_.directory();
    const auto target = to.directory();
    Result<BackupResult> done = back_up(*source, *target, scratch);
    if (done.ok()) {
      EXPECT_EQ(scratch.records, history_.appended);
    }
    return done;
  }
  static void expect_sound(const FaultyDisk& disk) {
    TestOwner owner;
    const Result<DoctorReport> report = inspect(*disk.directory(), owner);
    ASSERT_TRUE(report.ok());
    EXPECT_TRUE(report->ok) << (report->findings.empty() ? "" : report->findings.front().message);
  }
  static Records opened(const FaultyDisk& disk) {
    TestStore store(disk, tiny_options());
    const Status status = store.open();
    EXPECT_TRUE(status.ok()) << status.message();
    return store.owner.records;
  }
  /// Of a copy that was cut short: it does not open, or it is whole. Without any of it, it is an empty directory.
  void expect_whole_or_nothing(const FaultyDisk& found) {
    TestOwner owner;
    const Result<Recovery> recovery = recover(*found.directory(), owner);
    if (!recovery.ok()) {
      EXPECT_EQ(recovery.code(), Code::kUnsupportedFormat) << recovery.status().message();
    } else if (recovery->exists) {
      EXPECT_EQ(owner.records, history_.appended);
      EXPECT_EQ(opened(found), history_.appended);
    } else {
      for (const std::string& name : found.names()) {
        EXPECT_EQ(classify(name).kind, FileKind::kTemporary) << name;
      }
    }
  }
};

TEST_F(Backup, IsTheStoreWhileThatGoesOn) {
  fill();
  FaultyDisk to;
  const Result<BackupResult> done = copy(to);
  ASSERT_TRUE(done.ok()) << done.status().message();
  EXPECT_EQ(done->last_seq, history_.appended.rbegin()->first);
  EXPECT_GT(done->bytes, 0U);
  const Records then = history_.appended;
  append(50);
  expect_sound(to);
  EXPECT_EQ(opened(to), then);
  EXPECT_EQ(opened(to), then) << "opened once more";
  kill();
  EXPECT_EQ(opened(disk_), history_.appended) << "the original is as it was";
}

TEST_F(Backup, OfAStoreThatWasClosedOrKilled) {
  fill();
  ASSERT_TRUE((*store_)->close().ok());
  kill();
  FaultyDisk closed;
  ASSERT_TRUE(copy(closed).ok());
  expect_sound(closed);
  EXPECT_EQ(opened(closed), history_.appended);
  open();
  append(7);
  kill();
  FaultyDisk killed;
  ASSERT_TRUE(copy(killed).ok());
  expect_sound(killed);
  EXPECT_EQ(opened(killed), history_.appended);
}

TEST_F(Backup, OfAnEmptyStore) {
  open();
  FaultyDisk to;
  ASSERT_TRUE(copy(to).ok());
  EXPECT_EQ(opened(to), Records());
}

TEST_F(Backup, ReplacesNothing) {
  fill();
  FaultyDisk to;
  to.put("something", "");
  EXPECT_EQ(copy(to).code(), Code::kInvalidArgument);
  EXPECT_EQ(to.names(), (std::vector<std::string>{"something"}));
  EXPECT_EQ(copy(disk_).code(), Code::kInvalidArgument);
}

TEST_F(Backup, OfNothingOrOfWhatIsDamagedIsRefusedAndLeavesNothing) {
  FaultyDisk to;
  EXPECT_EQ(copy(to).code(), Code::kNotFound);
  fill();
  ASSERT_TRUE((*store_)->close().ok());
  kill();
  const std::vector<std::string> names = disk_.names();
  for (const std::string& name : names) {
    if (classify(name).kind != FileKind::kSegment && classify(name).kind != FileKind::kSnapshot) continue;
    const std::string content = *disk_.content(name);
    ASSERT_TRUE(disk_.flip_bit(name, 8 * 70).ok());
    const Result<BackupResult> done = copy(to);
    if (!done.ok()) {
      EXPECT_EQ(done.code(), Code::kCorruption) << done.status().message();
      EXPECT_EQ(to.names(), std::vector<std::string>()) << name;
    } else {
      EXPECT_EQ(opened(to), history_.appended) << name << " is needed for nothing";
      to = FaultyDisk();
    }
    disk_.put(name, content);
  }
  disk_.put("manifest", "flint");
  EXPECT_EQ(copy(to).code(), Code::kCorruption);
  EXPECT_EQ(to.names(), std::vector<std::string>());
}

TEST_F(Backup, OfABackupThatWasCutShortIsRefused) {
  fill();
  disk_.put(kBackupMarkName, "");
  FaultyDisk to;
  EXPECT_EQ(copy(to).code(), Code::kUnsupportedFormat);
  EXPECT_EQ(to.names(), std::vector<std::string>());
}

std::uint64_t calls_of(const FaultyDisk& disk) { return disk.call_count(); }

TEST_F(Backup, ACrashAtAnyCallLeavesAWholeCopyOrNone) {
  fill();
  FaultyDisk whole;
  ASSERT_TRUE(copy(whole).ok());
  for (std::uint64_t call = 0; call < calls_of(whole); ++call) {
    SCOPED_TRACE(call);
    FaultyDisk to;
    to.die_at(call, {.error = EIO, .partly = call * 7919});
    EXPECT_FALSE(copy(to).ok());
    expect_whole_or_nothing(to.crash(call, {.survives = Survives::kEverything}));
    expect_whole_or_nothing(to.crash(call, {.survives = Survives::kOnlySynced}));
    for (std::uint64_t seed = 0; seed < 8; ++seed) expect_whole_or_nothing(to.crash(seed));
    ASSERT_FALSE(HasFailure());
  }
}

TEST_F(Backup, IsOnStableStorageOnceItIsThere) {
  fill();
  FaultyDisk to;
  ASSERT_TRUE(copy(to).ok());
  const FaultyDisk found = to.crash(1, {.survives = Survives::kOnlySynced});
  expect_sound(found);
  EXPECT_EQ(opened(found), history_.appended);
}

TEST_F(Backup, AnyCallThatFailsLeavesAnEmptyDirectory) {
  fill();
  FaultyDisk whole;
  ASSERT_TRUE(copy(whole).ok());
  for (const int error : {EIO, ENOSPC}) {
    for (std::uint64_t call = 0; call < calls_of(whole); ++call) {
      SCOPED_TRACE(std::to_string(error) + " at " + std::to_string(call));
      FaultyDisk to;
      to.fail_call(call, {.error = error, .partly = {}});
      const Result<BackupResult> done = copy(to);
      if (done.ok()) {
        EXPECT_EQ(opened(to), history_.appended) << "tried again, or not needed";
        continue;
      }
      expect_whole_or_nothing(to);
      expect_whole_or_nothing(to.crash(call));
      if (!to.names().empty()) {
        EXPECT_NE(std::find(to.names().begin(), to.names().end(), kBackupMarkName), to.names().end());
      }
      ASSERT_FALSE(HasFailure());
    }
  }
}

// A compaction removes what is about to be copied, and a writer is in the middle of a record.
TEST_F(Backup, BesideAWriterIsAStateThatWas) {
  fill();
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; !done; ++i) {
      ASSERT_TRUE(store_->append(history_, "more " + std::to_string(i)).ok());
      if (i % 50 == 0) {
        ASSERT_TRUE((*store_)->compact().ok());
      }
    }
  });
  for (int round = 0; round < 20; ++round) {
    FaultyDisk to;
    TestOwner scratch;
    const auto source = disk_.directory();
    const auto target = to.directory();
    const Result<BackupResult> copied = back_up(*source, *target, scratch);
    ASSERT_TRUE(copied.ok() || copied.code() == Code::kNotFound) << copied.status().message();
    if (!copied.ok()) continue;
    const Records found = opened(to);
    base::MutexLock lock(store_->owner.mutex);
    EXPECT_TRUE(std::equal(found.begin(), found.end(), history_.appended.begin())) << "the first of all records";
    EXPECT_GE(found.size(), 150U);
  }
  done = true;
  writer.join();
}

}  // namespace
}  // namespace flint::storage
