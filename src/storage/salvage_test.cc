#include "storage/salvage.h"

#include <algorithm>

#include "storage/files.h"
#include "storage/log_format.h"
#include "storage/repair.h"
#include "testing/test_store.h"

/// Disks that do not read some of their sectors any more.
namespace flint::storage {
namespace {

using testing::FaultyDisk;
using testing::History;
using testing::Survives;
using testing::TestOwner;
using testing::TestStore;
using testing::tiny_options;

constexpr std::uint64_t kBlock = 4096;
constexpr std::uint64_t kSegmentBytes = 8 * kBlock;
constexpr std::size_t kPayloadBytes = 88;

StoreOptions options() {
  StoreOptions options = tiny_options();
  options.first_segment_bytes = options.max_segment_bytes = kSegmentBytes;
  return options;
}

class SalvageTest : public ::testing::Test {
 protected:
  /// Closed in order, or killed: then the room behind the last record is still there.
  FaultyDisk used_disk(int records, bool close) {
    FaultyDisk disk;
    history_ = {};
    TestStore store(disk, options());
    EXPECT_TRUE(store.open().ok());
    for (int i = 0; i < records; ++i) {
      std::string payload = "record " + std::to_string(i);
      payload.resize(kPayloadBytes);
      EXPECT_TRUE(store.append(history_, payload).ok());
    }
    EXPECT_TRUE(store.wait(history_).ok());
    EXPECT_TRUE(!close || store->close().ok());
    return disk.crash(1, {.survives = Survives::kEverything});
  }
  static Status opened(const FaultyDisk& disk) { return TestStore(disk, options()).open(); }
  static DoctorReport repaired(const FaultyDisk& disk) {
    TestOwner scratch;
    Result<DoctorReport> report = repair(*disk.directory(), scratch);
    EXPECT_TRUE(report.ok()) << report.status().message();
    return report.ok() ? *report : DoctorReport{};
  }
  static std::string said(const DoctorReport& report) {
    std::string all;
    for (const Finding& finding : report.findings) all += finding.message + "\n";
    return all;
  }
  /// After the repair: opens, holds the first records and at least `least` of them, and goes on.
  void expect_usable(const FaultyDisk& disk, std::size_t least) {
    TestStore store(disk, options());
    const Status opened = store.open();
    ASSERT_TRUE(opened.ok()) << opened.message();
    History held = history_;
    held.acknowledged = 0;
    EXPECT_TRUE(held.explains(store.owner.records));
    EXPECT_GE(store.owner.records.size(), least);
    EXPECT_TRUE(store.append(held, "goes on").ok());
    EXPECT_TRUE(store->close().ok());
  }

  History history_;
};

/// `flint doctor --repair` failed with the disk's own error over an unreadable sector: there was no way to get at the
/// rest of the data.
TEST_F(SalvageTest, ASectorOfTheLogThatCannotBeReadIsRepairedLikeDamage) {
  for (const bool close : {true, false}) {
    const FaultyDisk whole = used_disk(250, close);
    const std::string log = segment_name(1);
    const std::uint64_t size = whole.content(log)->size();
    ASSERT_GT(size, 5 * kBlock);
    for (std::uint64_t sector = 0; sector < size; sector += kBlock / 2) {
      const FaultyDisk disk = whole.crash(1, {.survives = Survives::kEverything});
      ASSERT_TRUE(FaultyDisk(disk).make_unreadable(log, sector, std::min<std::uint64_t>(512, size - sector)).ok());
      const Status refused = opened(disk);
      ASSERT_EQ(refused.code(), Code::kIoError) << sector;
      EXPECT_NE(refused.message().find("flint doctor --repair"), std::string::npos) << refused.message();
      const std::vector<std::string> before = disk.names();

      const std::string told = said(repaired(disk));
      const std::uint64_t block = sector / kBlock * kBlock;
      EXPECT_NE(told.find(log + " (4096 bytes from offset " + std::to_string(block) + " on)"), std::string::npos)
          << told;
      EXPECT_EQ(told.find("--repair"), std::string::npos) << told;
      EXPECT_GT(disk.names().size(), before.size()) << "there is a copy of what could be read";
      // What ends before the block is not affected by it.
      const std::size_t least =
          block < file_header::kSize ? 0 : (block - file_header::kSize) / record_bytes(kPayloadBytes);
      expect_usable(disk, std::min<std::size_t>(least, 250));
      EXPECT_EQ(said(repaired(disk)).find("Repaired"), std::string::npos) << "once is enough";
    }
  }
}

TEST_F(SalvageTest, TheCopySaysWhatCouldNotBeRead) {
  FaultyDisk disk = used_disk(250, true);
  const std::string log = segment_name(1);
  std::string expected = *disk.content(log);
  ASSERT_TRUE(disk.make_unreadable(log, kBlock + 512, kBlock).ok());
  repaired(disk);
  for (std::size_t i = 0; i < 2 * kBlock; ++i) {
    expected[kBlock + i] = kUnreadableMark[i % kBlock % kUnreadableMark.size()];
  }
  EXPECT_TRUE(*disk.content(repair_copy_name(1, log)) == expected);
}

TEST_F(SalvageTest, AManifestThatCannotBeReadCostsNothing) {
  FaultyDisk disk = used_disk(20, true);
  ASSERT_TRUE(disk.make_unreadable(kManifestName, 0, 1).ok());
  EXPECT_EQ(opened(disk).code(), Code::kIoError);
  EXPECT_NE(said(repaired(disk)).find("Dropped: nothing"), std::string::npos);
  expect_usable(disk, 20);
}

/// That too many files are open is no damage: a repair that takes a file for damaged because of it drops what is good.
TEST_F(SalvageTest, WhatCannotBeOpenedIsNotDropped) {
  FaultyDisk whole = used_disk(20, true);
  ASSERT_TRUE(whole.flip_bit(segment_name(1), 8 * (file_header::kSize + 10 * record_bytes(kPayloadBytes) + 30)).ok());
  for (std::uint64_t call = 0;; ++call) {
    testing::FaultyOptions counting;
    counting.count_reads = true;
    FaultyDisk disk(counting);
    for (const std::string& name : whole.names()) disk.put(name, *whole.content(name));
    disk.fail_call(call, {EMFILE, {}});
    TestOwner scratch;
    static_cast<void>(repair(*disk.directory(), scratch));
    const bool failed = disk.call_count() > call;
    disk.stop_failing();
    static_cast<void>(repair(*disk.directory(), scratch));
    SCOPED_TRACE("call " + std::to_string(call));
    expect_usable(disk, 10);
    if (!failed) break;
  }
}

}  // namespace
}  // namespace flint::storage
