#include "storage/repair.h"

#include <algorithm>

#include "storage/files.h"
#include "storage/log_format.h"
#include "testing/test_store.h"

/// What a repair says and does, in the situations that an operator meets. That it copes with any damage at all is in
/// damage_test.cc.
namespace flint::storage {
namespace {

using testing::bytes_of;
using testing::FaultyDisk;
using testing::History;
using testing::Survives;
using testing::TestOwner;
using testing::TestStore;
using testing::tiny_options;

class RepairTest : public ::testing::Test {
 protected:
  void live(int records, bool compacted = false) {
    TestStore store(disk_, tiny_options());
    ASSERT_TRUE(store.open().ok());
    for (int i = 0; i < records; ++i) ASSERT_TRUE(store.append(history_, "record").ok());
    ASSERT_TRUE(store.wait(history_).ok());
    ASSERT_TRUE(!compacted || store->compact().ok());
    ASSERT_TRUE(store->close().ok());
  }

  void remove(std::string_view name) {
    ASSERT_TRUE(disk_.directory()->remove(name).ok());
    ASSERT_TRUE(disk_.directory()->sync().ok());
  }

  DoctorReport repaired() {
    TestOwner scratch;
    Result<DoctorReport> report = repair(*disk_.directory(), scratch);
    EXPECT_TRUE(report.ok()) << report.status().message();
    EXPECT_GE(report->findings.size(), 2U);
    return report.ok() ? *report : DoctorReport{};
  }

  FaultyDisk disk_;
  History history_;
};

/// An operator who reads "Nothing was changed. Run ... --repair" after a repair runs it again.
TEST_F(RepairTest, TheReportTellsNobodyToRepairAgain) {
  live(5);
  ASSERT_TRUE(disk_.flip_bit(segment_name(1), 8 * (file_header::kSize + 30)).ok());
  for (const Finding& finding : repaired().findings) {
    EXPECT_EQ(finding.message.find("--repair"), std::string::npos) << finding.message;
    EXPECT_EQ(finding.message.find("Nothing was changed"), std::string::npos) << finding.message;
  }
}

/// A repair that only made the manifest anew said "Dropped: everything from record N on".
TEST_F(RepairTest, SaysThatNothingWasDroppedWhenNothingWas) {
  live(5);
  remove(kManifestName);
  const std::string said = repaired().findings[1].message;
  EXPECT_NE(said.find("Dropped: nothing"), std::string::npos) << said;
  TestStore store(disk_, tiny_options());
  ASSERT_TRUE(store.open().ok());
  EXPECT_EQ(store.owner.records, history_.appended);
}

TEST_F(RepairTest, SaysWhatWasDroppedAndWhy) {
  live(5);
  ASSERT_TRUE(disk_.flip_bit(segment_name(1), 8 * (file_header::kSize + record_bytes(6) + 30)).ok());
  const std::string said = repaired().findings[1].message;
  EXPECT_NE(said.find("the log up to record 1"), std::string::npos) << said;
  EXPECT_NE(said.find("Dropped: everything from record 2 on, up to 6 at least."), std::string::npos) << said;
  EXPECT_NE(said.find("log-000000000001.flog is damaged at offset 96"), std::string::npos) << said;
}

TEST_F(RepairTest, ASegmentThatCannotBeReadIsNotCalledNothing) {
  live(30);
  std::vector<std::string> names = disk_.names();
  const auto newest = std::find_if(names.rbegin(), names.rend(),
                                   [](const std::string& name) { return classify(name).kind == FileKind::kSegment; });
  ASSERT_NE(*newest, segment_name(1));
  ASSERT_TRUE(disk_.flip_bit(*newest, 8).ok());
  remove(kManifestName);
  const std::string said = repaired().findings[1].message;
  EXPECT_NE(said.find("Dropped: everything from record"), std::string::npos) << said;
  EXPECT_NE(said.find(*newest), std::string::npos) << said;
}

TEST_F(RepairTest, SaysSoWhenNothingCouldBeKept) {
  live(5);
  ASSERT_TRUE(disk_.flip_bit(segment_name(1), 8).ok());
  const std::string said = repaired().findings[1].message;
  EXPECT_NE(said.find("Kept: nothing, the store is empty now. Dropped: everything from record 1 on, up to 6"),
            std::string::npos)
      << said;
}

/// A file with the highest number that fits stopped the process: the number of the next segment was 0.
TEST_F(RepairTest, AFileWithTheHighestNumberThereIsDoesNoHarm) {
  live(5);
  disk_.put("log-18446744073709551615.flog", "junk");
  disk_.put("snapshot-18446744073709551615.fsnap", "junk");
  ASSERT_TRUE(disk_.overwrite(segment_name(1), 0, "x").ok());
  repaired();
  TestStore store(disk_, tiny_options());
  EXPECT_TRUE(store.open().ok());
}

/// A repair that was killed while it copied left half copies that looked whole.
TEST_F(RepairTest, ACopyThatIsSeenIsWhole) {
  live(5, true);
  ASSERT_TRUE(disk_.overwrite(segment_name(1), 0, "x").ok());
  remove(kManifestName);
  const FaultyDisk counting = disk_.crash(0, {.survives = Survives::kEverything});
  TestOwner scratch;
  ASSERT_TRUE(repair(*counting.directory(), scratch).ok());
  for (std::uint64_t call = 0; call < counting.call_count(); ++call) {
    SCOPED_TRACE(call);
    FaultyDisk dying = disk_.crash(0, {.survives = Survives::kEverything});
    dying.die_at(call);
    static_cast<void>(repair(*dying.directory(), scratch));
    const FaultyDisk found = dying.crash(call, {.survives = Survives::kRandom});
    for (const std::string& name : found.names()) {
      if (classify(name).kind != FileKind::kRepairCopy) continue;
      EXPECT_EQ(*found.content(name), *disk_.content(name.substr(std::string("repair-1-").size()))) << name;
    }
    ASSERT_TRUE(repair(*found.directory(), scratch).ok());
    TestStore store(found, tiny_options());
    ASSERT_TRUE(store.open().ok());
  }
}

/// Behind damage stood a record that only a newer version knows, and the repair dropped it as if it were damaged.
TEST_F(RepairTest, ARecordOfANewerVersionIsNotDropped) {
  {
    TestStore store(disk_, tiny_options());
    ASSERT_TRUE(store.open().ok());
    ASSERT_TRUE(store.append(history_, "record").ok());
    base::MutexLock lock(store.owner.mutex);
    ASSERT_TRUE(store->append(RecordKind{2}, bytes_of("of a kind that the owner does not know")).ok());
  }
  FaultyDisk disk = disk_.crash(0, {.survives = Survives::kEverything});
  ASSERT_TRUE(disk.overwrite(kManifestName, 0, "x").ok());
  const std::vector<std::string> before = disk.names();
  TestOwner scratch;
  const Result<DoctorReport> refused = repair(*disk.directory(), scratch);
  EXPECT_EQ(refused.code(), Code::kUnsupportedFormat);
  EXPECT_NE(refused.status().message().find("log-000000000001.flog at offset 96"), std::string::npos)
      << refused.status().message();
  EXPECT_EQ(disk.names(), before);
}

/// A notice about a snapshot that was replaced by the one before it told people to run a repair, which would do
/// nothing.
TEST_F(RepairTest, ADegradedStoreNeedsNoRepair) {
  live(5, true);
  live(5, true);
  ASSERT_TRUE(disk_.flip_bit(snapshot_name(2), 8 * 20).ok());
  TestStore store(disk_, tiny_options());
  ASSERT_TRUE(store.open().ok());
  ASSERT_EQ(store->findings().size(), 1U);
  const std::string said = store->findings()[0].message;
  EXPECT_NE(said.find("snapshot-000000000002.fsnap is damaged at offset 0"), std::string::npos) << said;
  EXPECT_EQ(said.find("--repair"), std::string::npos) << said;
  EXPECT_NE(said.find("Nothing is lost"), std::string::npos) << said;
}

/// `doctor --repair` beside another command failed at once, however long --lock-timeout was.
TEST_F(RepairTest, WaitsForTheProcessThatHasTheDirectory) {
  live(5, true);
  auto holder = std::make_unique<TestStore>(disk_, tiny_options());
  ASSERT_TRUE(holder->open().ok());
  TestOwner scratch;
  EXPECT_EQ(repair(*disk_.directory(), scratch).code(), Code::kDataDirLocked);
  int tries = 0;
  const Result<DoctorReport> report =
      repair(*disk_.directory(), scratch, {.most = std::chrono::hours(1), .keep_waiting = [&] {
                                             if (++tries == 2) holder.reset();
                                             return true;
                                           }});
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(tries, 2);
}

}  // namespace
}  // namespace flint::storage
