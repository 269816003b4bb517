#include <gtest/gtest.h>

#include <atomic>
#include <memory>

#include "testing/test_store.h"

/// An open that is stopped (Options::stop_opening) leaves everything as it was, wherever it is stopped and
/// whatever the disk loses then.
namespace flint::storage {
namespace {

using testing::call_name;
using testing::CrashPolicy;
using testing::FaultyDisk;
using testing::History;
using testing::Survives;
using testing::TestStore;
using testing::tiny_options;

/// A snapshot, records after it, and the end that a killed process leaves.
FaultyDisk a_store(History& history) {
  FaultyDisk disk;
  TestStore store(disk, tiny_options());
  EXPECT_TRUE(store.open().ok());
  for (int i = 0; i < 40; ++i) EXPECT_TRUE(store.append(history, std::string(100, 'a')).ok());
  EXPECT_TRUE(store->compact().ok());
  for (int i = 0; i < 40; ++i) EXPECT_TRUE(store.append(history, std::string(100, 'b')).ok());
  EXPECT_TRUE(store.wait(history).ok());
  return disk.crash(1, {.survives = Survives::kEverything});
}

/// The Status of an open that is stopped once `steps` entries and records were recovered.
Status stopped_open(const FaultyDisk& disk, int steps) {
  std::atomic<bool> stop = steps == 0;
  StoreOptions options = tiny_options();
  options.lock.stop = &stop;
  TestStore store(disk, options);
  store.owner.on_recovered = [&] {
    if (--steps == 0) stop = true;
  };
  return store.open();
}

// SIGTERM while a server read a long log had to end the process: the open could not be stopped.
TEST(Stop, EndsAnOpenAtEveryStepAndChangesNothing) {
  History history;
  const FaultyDisk disk = a_store(history);
  const std::size_t files = disk.names().size();
  int steps = 0;
  for (;; ++steps) {
    const FaultyDisk tried = disk.crash(2, {.survives = Survives::kEverything});
    const Status opened = stopped_open(tried, steps);
    if (opened.ok()) break;
    ASSERT_EQ(opened.code(), Code::kClosed) << opened.message();
    EXPECT_EQ(tried.names().size(), files) << steps;
    for (const testing::CallRecord& made : tried.calls()) EXPECT_EQ(made.name, "flint.lock") << call_name(made.call);
    for (const Survives survives : {Survives::kEverything, Survives::kOnlySynced}) {
      TestStore after(tried.crash(3, {.survives = survives}), tiny_options());
      ASSERT_TRUE(after.open().ok()) << "the lock is free";
      EXPECT_EQ(after.owner.records, history.appended) << steps;
    }
  }
  EXPECT_GT(steps, 40) << "both the snapshot and the log were being read";
}

TEST(Stop, EndsTheWaitForTheLock) {
  const FaultyDisk disk;
  TestStore holder(disk, tiny_options());
  ASSERT_TRUE(holder.open().ok());
  const std::atomic<bool> stop = true;
  StoreOptions options = tiny_options();
  options.lock.stop = &stop;
  options.lock.most = std::chrono::hours(1);
  TestStore waiting(disk, options);
  EXPECT_EQ(waiting.open().code(), Code::kClosed);
}

}  // namespace
}  // namespace flint::storage
