#include <cerrno>
#include <random>
#include <thread>

#include "storage/files.h"
#include "storage/manifest.h"
#include "storage/settle.h"
#include "testing/store_workload.h"

/// After a write that failed, the kernel shows pages that the disk never had, and a later sync succeeds over them. So
/// each history here has a fault, an open of the same disk without a crash, more work, and only then a crash: a store
/// that took the page cache's word acknowledged more and more on top of what was lost, and was refused after it.
namespace flint::storage {
namespace {

using testing::Call;
using testing::CallRecord;
using testing::CrashPolicy;
using testing::FaultyDisk;
using testing::History;
using testing::run_workload;
using testing::Survives;
using testing::test_effort;
using testing::test_seed;
using testing::TestOwner;
using testing::TestStore;
using testing::tiny_options;

testing::Fault io_error(std::optional<std::uint64_t> partly) { return {.error = EIO, .partly = partly}; }

/// Opens, and checks what is shown. The promises are then those of this open.
bool open_and_adopt(TestStore& store, History& history) {
  const Status opened = store.open();
  EXPECT_TRUE(opened.ok()) << opened.message();
  if (!opened.ok()) return false;
  EXPECT_TRUE(history.explains(store.owner.records));
  store.adopt(history);
  return true;
}

/// Appends a little, with waits, an idle log, a new segment; ends as a killed process does, or with a close. Stops at
/// the first failure, which it returns.
Status live_on(TestStore& store, History& history, bool closes) {
  Status status;
  const auto then = [&](const std::function<Status()>& action) {
    if (status.ok()) status = action();
  };
  for (int i = 0; i < 3; ++i) {
    then([&] { return store.append(history, "after the fault"); });
    then([&] { return store.wait(history); });
  }
  for (int i = 0; i < 2; ++i) then([&] { return store->tick(); });
  then([&] { return store.append(history, std::string(1500, 'x')); });
  then([&] { return store.wait(history); });
  then([&] { return store->tick(); });
  then([&] { return store.append(history, "not waited for"); });
  if (closes) then([&] { return store->close(); });
  return status;
}

class LostPages : public ::testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] static FaultyDisk new_disk() {
    testing::FaultyOptions options;
    options.can_map = GetParam();
    return FaultyDisk(options);
  }

  /// The machine crashes, and what was promised is there, also after the next crash.
  static void crash_and_check(const FaultyDisk& disk, const History& promised, std::uint64_t seed) {
    for (const CrashPolicy policy :
         {CrashPolicy{.survives = Survives::kOnlySynced}, CrashPolicy{.survives = Survives::kRandom},
          CrashPolicy{.survives = Survives::kRandom, .whole_pages = true}}) {
      SCOPED_TRACE(::testing::Message() << "crash seed " << ++seed);
      const FaultyDisk crashed = disk.crash(seed, policy);
      History history = promised;
      TestStore store(crashed, tiny_options());
      if (!open_and_adopt(store, history)) return;
      const FaultyDisk again = crashed.crash(seed, {.survives = Survives::kOnlySynced});
      TestStore later(again, tiny_options());
      if (!open_and_adopt(later, history)) return;
      EXPECT_EQ(later.owner.records, store.owner.records);
    }
  }

  /// Opens the disk, which nothing crashed, lives on, crashes.
  static void live_on_and_crash(FaultyDisk& disk, History history, std::uint64_t seed) {
    disk.stop_failing();
    {
      TestStore store(disk, tiny_options());
      if (!open_and_adopt(store, history)) return;
      const Status lived = live_on(store, history, seed % 2 == 0);
      EXPECT_TRUE(lived.ok()) << lived.message();
    }
    crash_and_check(disk, history, seed);
  }

  void fail_every_call(std::optional<std::uint64_t> partly);
};

void LostPages::fail_every_call(std::optional<std::uint64_t> partly) {
  const std::uint64_t seed = test_seed();
  const FaultyDisk counting = new_disk();
  ASSERT_EQ(run_workload(counting, {}).first_failure, Status());
  const std::vector<CallRecord> calls = counting.calls();
  for (std::uint64_t call = 0; call < calls.size(); ++call) {
    SCOPED_TRACE(::testing::Message() << "call " << call << ", " << testing::call_name(calls[call].call) << " "
                                      << calls[call].name);
    FaultyDisk disk = new_disk();
    disk.fail_call(call, io_error(partly));
    live_on_and_crash(disk, run_workload(disk, {}).history, seed + call);
    if (HasFailure()) return;
  }
}

/// One EIO of fdatasync: the restart opened, 300 grants more were acknowledged, and the next open was refused.
TEST_P(LostPages, AnyCallFailsAndTheStoreIsOpenedWithoutACrash) { fail_every_call(std::nullopt); }
TEST_P(LostPages, AnyCallFailsAfterAPartAndTheStoreIsOpenedWithoutACrash) { fail_every_call(7); }

/// Two faults: a sync of any kind, and any call of the life after it.
TEST_P(LostPages, AnyCallOfTheLifeAfterAFailedSyncFailsToo) {
  const std::uint64_t seed = test_seed();
  const FaultyDisk counting = new_disk();
  ASSERT_EQ(run_workload(counting, {}).first_failure, Status());
  const std::vector<CallRecord> calls = counting.calls();
  for (std::uint64_t call = 0; call < calls.size(); ++call) {
    const Call kind = calls[call].call;
    if (kind != Call::kSync && kind != Call::kSyncDirectory && kind != Call::kRename) continue;
    std::uint64_t made = UINT64_MAX;
    for (std::uint64_t second = (seed + call) % 3; second < made; second += 3) {
      SCOPED_TRACE(::testing::Message() << "call " << call << ", " << testing::call_name(kind) << " "
                                        << calls[call].name << ", then call " << second << " of the next life");
      FaultyDisk disk = new_disk();
      disk.fail_call(call, io_error(std::nullopt));
      History history = run_workload(disk, {}).history;
      disk.stop_failing();
      const std::uint64_t before = disk.call_count();
      disk.fail_call(before + second, io_error(second % 2 == 0 ? std::optional(seed) : std::nullopt));
      {
        TestStore store(disk, tiny_options());
        if (store.open().ok()) {
          ASSERT_TRUE(history.explains(store.owner.records));
          store.adopt(history);
          static_cast<void>(live_on(store, history, second % 2 == 0));
        }
      }
      made = disk.call_count() - before;
      live_on_and_crash(disk, history, seed + call);
      if (HasFailure()) return;
    }
  }
}

/// 505 grants in `batch`, a kill, and the kernel's own write-back failed: 50 were kept after the next life.
TEST_P(LostPages, TheWriteBackFailsAfterAKillWhileNothingRuns) {
  const std::uint64_t seed = test_seed();
  const std::size_t steps = run_workload(new_disk(), {}).steps;
  ASSERT_GT(steps, 50U);
  for (std::uint64_t round = 0; round < 3 * test_effort(); ++round) {
    for (std::size_t step = 1; step <= steps; ++step) {
      SCOPED_TRACE(::testing::Message() << "round " << round << ", killed after step " << step);
      FaultyDisk disk = new_disk();
      const History history = run_workload(disk, {.steps = step}).history;
      disk.fail_write_back(seed + round);
      if (round % 2 == 1) disk.forget_clean_pages(seed + round);
      live_on_and_crash(disk, history, seed + step);
      if (HasFailure()) return;
    }
  }
}

/// Also where the kernel's write-back fails while the store is open: the next sync says so, once.
TEST_P(LostPages, TheWriteBackFailsWhileTheStoreIsOpen) {
  const std::uint64_t seed = test_seed();
  const std::size_t steps = run_workload(new_disk(), {}).steps;
  for (std::size_t step = 1; step <= steps; ++step) {
    SCOPED_TRACE(::testing::Message() << "at step " << step);
    FaultyDisk disk = new_disk();
    std::size_t now = 0;
    const auto fail_at_step = [&](const History&) {
      if (++now == step) disk.fail_write_back(seed + step);
    };
    live_on_and_crash(disk, run_workload(disk, {.after_step = fail_at_step}).history, seed + step);
    if (HasFailure()) return;
  }
}

/// Threads wait for their records, and one sync fails: what was acknowledged to any of them is kept.
TEST_P(LostPages, OneSyncFailsAmongConcurrentOnes) {
  const std::uint64_t seed = test_seed();
  for (std::uint64_t round = 0; round < 20 * test_effort(); ++round) {
    SCOPED_TRACE(::testing::Message() << "round " << round);
    testing::FaultyOptions disk_options;
    disk_options.can_map = GetParam();
    disk_options.sync_takes = std::chrono::microseconds(100);
    FaultyDisk disk(disk_options);
    History history;
    {
      StoreOptions options = tiny_options();
      options.background = true;
      TestStore store(disk, options);
      ASSERT_TRUE(store.open().ok());
      base::Mutex acknowledging;
      disk.fail_call(disk.call_count() + (seed + 7 * round) % 60, io_error(round));
      std::vector<std::thread> threads;
      threads.reserve(3);
      for (int thread = 0; thread < 3; ++thread) {
        threads.emplace_back([&] {
          for (int i = 0; i < 40; ++i) {
            Seq seq = 0;
            {
              base::MutexLock lock(store.owner.mutex);
              if (!store.append_locked(history, std::string(60, 'x')).ok()) return;
              seq = store->last_seq();
            }
            if (!store->wait(seq).ok()) return;
            base::MutexLock lock(acknowledging);
            history.acknowledged = std::max(history.acknowledged, seq);
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
    }
    live_on_and_crash(disk, history, seed + round);
    if (HasFailure()) return;
  }
}

/// What recovery showed is gone when it is to be written again: the open must not succeed without it, nor change a
/// byte.
TEST_P(LostPages, ThePagesGoBetweenTheTwoReadsOfAnOpen) {
  int happened = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    FaultyDisk disk = new_disk();
    History history;
    {
      TestStore store(disk, tiny_options());
      ASSERT_TRUE(store.open().ok());
      for (int i = 0; i < 5; ++i) ASSERT_TRUE(store.append(history, std::string(100, 'x')).ok());
    }
    const std::string shown = *disk.content(segment_name(1));
    disk.fail_write_back(seed);
    const auto directory = disk.directory();
    TestOwner owner;
    Result<Recovery> recovery = recover(*directory, owner);
    ASSERT_TRUE(recovery.ok());
    ASSERT_EQ(owner.records, history.appended);
    disk.forget_clean_pages(seed);
    if (*disk.content(segment_name(1)) == shown) continue;  // nothing was lost, or it is in memory still
    ++happened;
    const std::vector<std::string> names = disk.names();
    const Status settled = settle(*directory, {1024, 4096}, *recovery).status();
    EXPECT_EQ(settled.code(), Code::kStorageFailed);
    EXPECT_NE(settled.message().find("Open the directory again"), std::string::npos) << settled.message();
    EXPECT_EQ(disk.names(), names);
  }
  EXPECT_GT(happened, 5);
}

/// An open that found no room for the manifest removed the segment that it had written, but not durably. The next open
/// had fewer records, because the page cache had lost some, and went on from there; then a loss of power brought the
/// segment back, with records that nobody had been shown.
TEST_P(LostPages, WhatAnOpenWithoutRoomTookBackStaysAway) {
  FaultyDisk disk = new_disk();
  History history;
  {
    TestStore store(disk, tiny_options());
    ASSERT_TRUE(store.open().ok());
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(store.append(history, std::string(100, 'x')).ok());
  }
  const FaultyDisk killed = disk.crash(1, {.survives = Survives::kEverything});
  std::size_t written = 0;
  for (std::uint64_t blocks = 0; blocks < 4; ++blocks) {
    FaultyDisk full = killed.crash(1, {.survives = Survives::kEverything});
    full.set_capacity(full.used_bytes() + blocks * 4096);
    TestStore store(full, tiny_options());
    ASSERT_TRUE(store.open().ok());
    if (!store->stats().waits_for_room) continue;
    for (const testing::CallRecord& made : full.calls()) {
      if (made.call == testing::Call::kRemove && made.name == segment_name(2)) ++written;
    }
    EXPECT_EQ(full.crash(1, {.survives = Survives::kOnlySynced}).names(), killed.names()) << blocks;
  }
  EXPECT_GT(written, 0U) << "a segment was written, and removed again";
}

/// Any life with faults and crashes at random.
class UnluckyLife {
 public:
  UnluckyLife(std::uint64_t seed, bool can_map) : random_(seed) {
    testing::FaultyOptions options;
    options.can_map = can_map;
    disk_ = FaultyDisk(options);
    store_options_ = tiny_options();
    store_options_.sync = pick(2) == 0 ? SyncMode::kAlways : SyncMode::kBatch;
    store_options_.compact_after_bytes = 2000 + pick(10'000);
  }

  void run(int steps) {
    open();
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) step();
  }

 private:
  std::uint64_t pick(std::uint64_t below) { return random_() % below; }

  /// While calls fail, an open may fail; without, it may not. Nor may it on a full disk, once there is a store.
  void open() {
    for (int attempt = 0; attempt < 2; ++attempt) {
      store_ = std::make_unique<TestStore>(disk_, store_options_);
      const Status opened = store_->open();
      if (opened.ok()) break;
      ASSERT_EQ(attempt, 0) << opened.message();
      ASSERT_TRUE(opened.code() == Code::kIoError || opened.code() == Code::kDiskFull) << opened.message();
      disk_.stop_failing();
      if (history_.appended.empty()) disk_.set_capacity({});
    }
    ASSERT_TRUE(history_.explains(store_->owner.records));
    store_->adopt(history_);
  }

  void step() {
    switch (pick(26)) {
      case 0:
      case 1:
        note(store_->wait(history_));
        break;
      case 2:
      case 3:
        note((**store_).tick());
        break;
      case 4:
        note((**store_).compact());
        break;
      case 5:
        note((**store_).close());
        leave();
        break;
      case 6:
        leave();
        break;
      case 7:
        store_.reset();
        disk_ = disk_.crash(random_(), {.survives = pick(2) == 0 ? Survives::kOnlySynced : Survives::kRandom,
                                        .whole_pages = pick(2) == 0});
        open();
        break;
      case 8:
        disk_.fail_call(
            disk_.call_count() + pick(25),
            {.error = pick(3) == 0 ? ENOSPC : EIO, .partly = pick(2) == 0 ? std::optional(random_()) : std::nullopt});
        break;
      case 9:
        if (pick(2) == 0) disk_.fail_write_back(random_());
        break;
      case 10:
        disk_.set_capacity(disk_.used_bytes() + pick(3) * 4096);
        break;
      case 11:
        disk_.set_capacity({});
        break;
      default:
        note(store_->append(history_, std::string(pick(10) == 0 ? 700 : pick(60), 'x')));
    }
  }

  /// The process ends; perhaps the kernel fails to write what it left.
  void leave() {
    store_.reset();
    if (pick(2) == 0) disk_.fail_write_back(random_());
    if (pick(3) == 0) disk_.forget_clean_pages(random_());
    open();
  }

  /// A failed store is opened again, without a crash.
  void note(const Status& status) {
    ASSERT_NE(status.code(), Code::kCorruption) << status.message();
    if (store_->is_open() && (**store_).stats().failed) leave();
  }

  std::mt19937_64 random_;
  FaultyDisk disk_;
  StoreOptions store_options_;
  History history_;
  std::unique_ptr<TestStore> store_;
};

TEST_P(LostPages, AnyUnluckyLifeKeepsItsPromises) {
  const std::uint64_t seed = test_seed();
  for (std::uint64_t i = 0; i < 60 * test_effort(); ++i) {
    SCOPED_TRACE(::testing::Message() << "FLINT_TEST_SEED=" << seed << ", life " << i);
    UnluckyLife(seed + i, GetParam()).run(150);
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Paths, LostPages, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "Mapped" : "Written"; });

}  // namespace
}  // namespace flint::storage
