#include <condition_variable>
#include <mutex>

#include "storage/files.h"
#include "testing/stepping.h"
#include "testing/test_store.h"

/// The races of a group commit, each brought about with certainty: a sync is held until the other thread is where it
/// does harm.
namespace flint::storage {
namespace {

using testing::bytes_of;
using testing::Records;
using testing::Stepping;
using testing::TestOwner;
using testing::TestStore;
using testing::tiny_options;

/// Holds the syncs of the segments, if told so.
class SyncGate {
 public:
  /// From now on: each sync does its work, and is then held until release().
  void close() {
    const std::scoped_lock lock(mutex_);
    open_ = false;
    entered_ = 0;
  }
  /// Those that are held return, and no more are.
  void release() {
    const std::scoped_lock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void fail_the_next() {
    const std::scoped_lock lock(mutex_);
    fails_ = true;
  }
  void wait_for_one() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return entered_ > 0; });
  }
  [[nodiscard]] int entered() {
    const std::scoped_lock lock(mutex_);
    return entered_;
  }
  [[nodiscard]] int most_at_once() {
    const std::scoped_lock lock(mutex_);
    return most_at_once_;
  }

  Status pass(io::File& file) {
    std::unique_lock lock(mutex_);
    ++entered_;
    most_at_once_ = std::max(most_at_once_, ++at_once_);
    changed_.notify_all();
    const bool fails = std::exchange(fails_, false);
    Status synced = fails ? Status(Code::kIoError, "this sync fails") : file.sync();
    changed_.wait(lock, [this] { return open_; });
    --at_once_;
    return synced;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  bool fails_ = false;
  int entered_ = 0;
  int at_once_ = 0;
  int most_at_once_ = 0;
};

class GatedFile final : public io::File {
 public:
  GatedFile(std::unique_ptr<io::File> file, SyncGate& gate) : file_(std::move(file)), gate_(gate) {}

  void show_as(std::string_view name) override { file_->show_as(name); }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    return file_->read_at(offset, out);
  }
  Result<std::uint64_t> next_data(std::uint64_t offset) const override { return file_->next_data(offset); }
  Status write_at(std::uint64_t offset, std::span<const std::byte> data) override {
    return file_->write_at(offset, data);
  }
  Status allocate(std::uint64_t size) override { return file_->allocate(size); }
  Status truncate(std::uint64_t size) override { return file_->truncate(size); }
  Result<std::uint64_t> size() const override { return file_->size(); }
  Result<io::FileId> id() const override { return file_->id(); }
  Status sync() override { return gate_.pass(*file_); }
  bool can_map() const override { return file_->can_map(); }
  Result<std::span<std::byte>> map(std::uint64_t size) override { return file_->map(size); }

 private:
  std::unique_ptr<io::File> file_;
  SyncGate& gate_;
};

class GatedDirectory final : public io::Directory {
 public:
  GatedDirectory(std::unique_ptr<io::Directory> directory, SyncGate& gate)
      : directory_(std::move(directory)), gate_(gate) {}

  const std::string& path() const override { return directory_->path(); }
  Result<std::unique_ptr<io::File>> open(std::string_view name, io::OpenFile how) override {
    Result<std::unique_ptr<io::File>> file = directory_->open(name, how);
    if (!file.ok()) return file;
    return std::unique_ptr<io::File>(std::make_unique<GatedFile>(std::move(*file), gate_));
  }
  Result<std::vector<std::string>> list() const override { return directory_->list(); }
  Result<io::FileId> id_of(std::string_view name) const override { return directory_->id_of(name); }
  Status rename(std::string_view from, std::string_view to) override { return directory_->rename(from, to); }
  Status remove(std::string_view name) override { return directory_->remove(name); }
  Status sync() override { return directory_->sync(); }
  Result<std::unique_ptr<io::DirectoryLock>> lock(std::string_view name) override { return directory_->lock(name); }
  Result<std::unique_ptr<io::DirectoryLock>> lock_shared(std::string_view name) override {
    return directory_->lock_shared(name);
  }
  Result<std::string> read_lock_holder(std::string_view name) const override {
    return directory_->read_lock_holder(name);
  }
  Result<io::FileSystemKind> kind() const override { return directory_->kind(); }

 private:
  std::unique_ptr<io::Directory> directory_;
  SyncGate& gate_;
};

class RaceTest : public ::testing::Test {
 protected:
  explicit RaceTest(const testing::FaultyOptions& options = {}) : disk_(options), directory_(disk_.directory(), gate_) {
    Result<std::unique_ptr<Store>> opened = Store::open(directory_, owner_, owner_.mutex, tiny_options());
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    store_ = std::move(*opened);
  }

  Result<Seq> append(const std::string& payload) {
    base::MutexLock lock(owner_.mutex);
    Result<Seq> seq = store_->append(1, bytes_of(payload));
    if (seq.ok()) owner_.records[*seq] = payload;
    return seq;
  }
  /// What a power loss now would leave.
  [[nodiscard]] Records after_power_loss() const {
    const testing::FaultyDisk crashed = disk_.crash(0, {.survives = testing::Survives::kOnlySynced});
    TestStore store(crashed, tiny_options());
    const Status opened = store.open();
    EXPECT_TRUE(opened.ok()) << opened.message();
    return store.owner.records;
  }

  testing::FaultyDisk disk_;
  SyncGate gate_;
  GatedDirectory directory_;
  TestOwner owner_;
  std::unique_ptr<Store> store_;
};

// A record that was appended while a sync ran was taken for durable when it ended, and was gone after a power loss.
TEST_F(RaceTest, WhatIsAppendedDuringASyncIsNotDurableByIt) {
  const Seq first = *append("before the sync");
  gate_.close();
  Seq second = 0;
  {
    Stepping waiter([&] { EXPECT_TRUE(store_->wait(first).ok()); });
    gate_.wait_for_one();
    second = *append("during the sync");
    EXPECT_LT(store_->durable_seq(), first);
    gate_.release();
  }
  EXPECT_EQ(store_->durable_seq(), first);
  EXPECT_EQ(after_power_loss().count(second), 0U);

  gate_.close();
  gate_.release();
  EXPECT_TRUE(store_->wait(second).ok());
  EXPECT_EQ(gate_.entered(), 1);
  EXPECT_EQ(after_power_loss(), owner_.records);
}

// The same for those who do not block.
TEST_F(RaceTest, WhatIsAppendedDuringASyncIsReportedByTheNextOne) {
  const Seq first = *append("before the sync");
  gate_.close();
  std::atomic<int> told = 0;
  {
    Stepping waiter([&] { EXPECT_TRUE(store_->wait(first).ok()); });
    gate_.wait_for_one();
    const Seq second = *append("during the sync");
    store_->when_durable(second, [&](const Status& status) {
      EXPECT_TRUE(status.ok());
      EXPECT_GE(store_->durable_seq(), second);
      EXPECT_EQ(after_power_loss(), owner_.records);
      ++told;
    });
    EXPECT_EQ(told, 0);
    gate_.release();
  }
  EXPECT_TRUE(store_->tick().ok());
  EXPECT_EQ(told, 1);
}

// Each of the callers that had waited for the same sync made one of its own.
TEST_F(RaceTest, AllWhoComeDuringASyncShareTheNextOne) {
  const Seq first = *append("before the sync");
  gate_.close();
  {
    Stepping leader([&] { EXPECT_TRUE(store_->wait(first).ok()); });
    gate_.wait_for_one();
    const Seq second = *append("one");
    const Seq third = *append("two");
    Stepping one([&] { EXPECT_TRUE(store_->wait(second).ok()); });
    Stepping two([&] { EXPECT_TRUE(store_->wait(third).ok()); });
    one.wait_until_blocked();
    two.wait_until_blocked();
    gate_.release();
  }
  EXPECT_EQ(gate_.entered(), 2);
  EXPECT_EQ(gate_.most_at_once(), 1);
  EXPECT_EQ(after_power_loss(), owner_.records);
}

// Of those who waited for a sync that failed, some made another one, which "succeeded" over the lost pages.
TEST_F(RaceTest, AFailedSyncFailsAllWhoWaited) {
  const Seq first = *append("before the sync");
  gate_.close();
  gate_.fail_the_next();
  Status told;
  {
    Stepping leader([&] { EXPECT_EQ(store_->wait(first).code(), Code::kStorageFailed); });
    gate_.wait_for_one();
    const Seq second = *append("during the sync");
    Stepping one([&] { EXPECT_EQ(store_->wait(second).code(), Code::kStorageFailed); });
    Stepping two([&] { EXPECT_EQ(store_->wait(first).code(), Code::kStorageFailed); });
    store_->when_durable(second, [&told](const Status& status) { told = status; });
    one.wait_until_blocked();
    two.wait_until_blocked();
    gate_.release();
  }
  EXPECT_EQ(told.code(), Code::kStorageFailed);
  EXPECT_EQ(gate_.entered(), 1) << "the segment was synced again after a failed sync";
  EXPECT_LT(store_->durable_seq(), first);
}

// A full segment is synced by the thread that appends, beside the sync of a group commit. The kernel tells of a lost
// page once: had both been in fdatasync, or had the second one begun after the failure, it would have been told that
// all is well, and the lost records would have counted as durable.
TEST_F(RaceTest, TheSyncOfAFullSegmentDoesNotHideTheFailureOfACommit) {
  const Seq first = *append("before the sync");
  const Seq durable = store_->durable_seq();
  gate_.close();
  gate_.fail_the_next();
  Status stopped;
  {
    Stepping leader([&] { EXPECT_EQ(store_->wait(first).code(), Code::kStorageFailed); });
    gate_.wait_for_one();
    Stepping appender([&] {
      while (stopped.ok()) stopped = append(std::string(100, 'x')).status();
    });
    appender.wait_until_blocked([this] { return gate_.entered() > 1; });
    gate_.release();
  }
  EXPECT_EQ(gate_.most_at_once(), 1) << "two syncs of one file at once";
  EXPECT_EQ(gate_.entered(), 1) << "the segment was synced again after a failed sync";
  EXPECT_EQ(stopped.code(), Code::kStorageFailed) << stopped.message();
  EXPECT_EQ(store_->durable_seq(), durable);
}

/// Where each record is a call, which can fail while a sync runs.
class RaceOfWritesTest : public RaceTest {
 protected:
  RaceOfWritesTest() : RaceTest({.can_map = false}) {}
};

// The lock of the directory was released while a sync of this process still ran, so that another one could write to the
// same files.
TEST_F(RaceOfWritesTest, CloseReturnsWhenNoSyncRunsAnyMore) {
  const Seq first = *append("before the sync");
  gate_.close();
  {
    Stepping leader([&] { EXPECT_TRUE(store_->wait(first).ok()); });
    gate_.wait_for_one();
    disk_.fail_every(testing::Call::kWrite);
    EXPECT_EQ(append("fails").code(), Code::kStorageFailed);
    Stepping closer([&] { EXPECT_EQ(store_->close().code(), Code::kStorageFailed); });
    closer.wait_until_blocked();
    EXPECT_FALSE(closer.done());
    EXPECT_EQ(disk_.directory()->lock(kLockName).code(), Code::kDataDirLocked);
    gate_.release();
  }
  EXPECT_TRUE(disk_.directory()->lock(kLockName).ok());
}

}  // namespace
}  // namespace flint::storage
