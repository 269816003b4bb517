#include "storage/files.h"
#include "storage/inspect.h"
#include "storage/repair.h"
#include "testing/consuming.h"
#include "testing/engine_fixture.h"
#include "testing/seed.h"

/// State of another program becomes the limiter's, all of it or nothing, whatever happens in between.
namespace flint::limiter {
namespace {

using testing::EngineFixture;
using testing::must;
using testing::Random;

constexpr std::size_t kKeys = 300;
/// Of the newest snapshot and of the one before it.
constexpr std::uint64_t kNewest = 2;

/// Every key is used up, and has a past.
Keys used_up(const EngineFixture& engine) {
  Limits limits;
  Keys keys;
  const Time now(engine.clock.wall().time_since_epoch());
  for (std::size_t i = 0; i < kKeys; ++i) {
    KeyEntry& entry = keys.add("key " + std::to_string(i));
    entry.usage.rule =
        limits.rule({.rate = 10 + i, .per = std::chrono::hours(1), .algorithm = kAlgorithms[i % kAlgorithms.size()]});
    entry.usage.state = algorithm::fresh(entry.limit(), now - std::chrono::minutes(1));
    testing::consume(entry.usage.state, entry.limit(), entry.limit().rate, now - std::chrono::minutes(1));
    entry.add_allowed(entry.limit().rate, engine.clock.wall());
    entry.note_record(0, {.count = i + 1, .cost = i + 1, .last = engine.clock.wall()});
  }
  return keys;
}

Status adopt(EngineFixture& engine) {
  engine.tuning.accept_unfinished_import = true;
  if (Status opened = engine.try_open(); !opened.ok()) return opened;
  return engine->adopt(used_up(engine));
}

std::vector<std::string> adopted() {
  EngineFixture engine;
  must(engine->adopt(used_up(engine)));
  engine.reopen();
  return engine.statuses();
}

/// What a limiter finds that knows nothing of imports.
EngineFixture plainly(const testing::FaultyDisk& disk) {
  EngineFixture engine(SyncMode::kBatch, disk);
  engine.tuning.accept_unfinished_import = false;
  return engine;
}

enum class Found { kNoKeys, kRefused, kWhole };

/// There are no keys, or it does not open, or `whole` is there.
Found expect_all_or_nothing(const testing::FaultyDisk& disk, const std::vector<std::string>& whole) {
  EngineFixture found = plainly(disk);
  const Status opened = found.try_open();
  if (opened.ok()) {
    const std::vector<std::string> statuses = found.statuses();
    if (statuses.empty()) return Found::kNoKeys;
    EXPECT_EQ(statuses, whole);
    return Found::kWhole;
  }
  EXPECT_EQ(opened.code(), Code::kUnsupportedFormat) << opened.message();
  EXPECT_NE(opened.message().find("Run \"flint import\" again"), std::string::npos) << opened.message();
  return Found::kRefused;
}

/// Whether the import was begun, durably, before the process died.
bool was_begun(const testing::FaultyDisk& disk) {
  const std::vector<testing::CallRecord> calls = disk.calls();
  const auto named = std::find_if(calls.begin(), calls.end(), [](const testing::CallRecord& call) {
    return call.call == testing::Call::kRename && call.name.find(storage::kImportMarkName) != std::string::npos;
  });
  const auto synced = std::find_if(
      named, calls.end(), [](const testing::CallRecord& call) { return call.call == testing::Call::kSyncDirectory; });
  return synced != calls.end() && synced + 1 != calls.end();
}

TEST(Adopt, KeepsLimitsUsageAndCounters) {
  const std::vector<std::string> whole = adopted();
  ASSERT_EQ(whole.size(), kKeys);
  EngineFixture engine;
  must(engine->adopt(used_up(engine)));
  EXPECT_EQ(engine.statuses(), whole);
  engine.reopen();
  EXPECT_EQ(engine.statuses(), whole);
  EXPECT_FALSE(engine.allows("key 1")) << "used up";
  EXPECT_FALSE(engine.allows("key 2")) << "used up";
  engine.clock.advance(std::chrono::hours(1));
  EXPECT_TRUE(engine.allows("key 2", 12));
  engine.kill();
  engine.open();
  EXPECT_FALSE(engine.allows("key 2"));
  EXPECT_TRUE(engine->doctor().ok);
}

TEST(Adopt, ReplacesNothing) {
  EngineFixture engine;
  must(engine.limit("mine", testing::token_bucket(1, std::chrono::hours(1))));
  EXPECT_EQ(engine->adopt(used_up(engine)).code(), Code::kInvalidArgument);
  EXPECT_EQ(engine.statuses().size(), 1U);
  engine.reopen();
  EXPECT_EQ(engine.statuses().size(), 1U);
}

TEST(Adopt, ADirectoryForReadingRefuses) {
  EngineFixture engine;
  engine.close();
  engine.options.mode = OpenMode::kReadOnly;
  engine.open();
  EXPECT_EQ(engine->adopt(used_up(engine)).code(), Code::kPermission);
}

// Symptom: a crash in the middle of an import left a directory that opened, with everybody forgiven.
TEST(Adopt, ACrashAtAnyCallLeavesAllOrNothingAndTheNextImportCompletesIt) {
  const std::vector<std::string> whole = adopted();
  Random random(testing::test_seed());
  for (const bool mapped : {true, false}) {
    std::size_t refused = 0;
    for (std::uint64_t call = 0;; ++call) {
      EngineFixture engine(SyncMode::kBatch, testing::FaultyDisk({.can_map = mapped}));
      engine.disk().die_at(call, {.error = EIO, .partly = random.pick(1'000'000)});
      const Status done = adopt(engine);
      if (!engine.disk().died()) {
        ASSERT_TRUE(done.ok()) << done.message();
        break;
      }
      for (const testing::Survives survives : {testing::Survives::kEverything, testing::Survives::kOnlySynced,
                                               testing::Survives::kRandom, testing::Survives::kRandom}) {
        SCOPED_TRACE("call " + std::to_string(call) + ", survives " + std::to_string(static_cast<int>(survives)));
        const std::uint64_t seed = random.pick(1'000'000);
        const Found found = expect_all_or_nothing(engine.disk().crash(seed, {.survives = survives}), whole);
        refused += found == Found::kRefused ? 1 : 0;
        ASSERT_FALSE(done.ok() && found != Found::kWhole) << "it was said to be done";
        ASSERT_FALSE(was_begun(engine.disk()) && found == Found::kNoKeys) << "everybody is forgiven";
        if (found == Found::kWhole) continue;
        EngineFixture again(SyncMode::kBatch, engine.disk().crash(seed, {.survives = survives}));
        must(adopt(again));
        ASSERT_EQ(expect_all_or_nothing(again.disk().crash(0, {.survives = testing::Survives::kOnlySynced}), whole),
                  Found::kWhole);
      }
    }
    EXPECT_GT(refused, 20U) << "the crashes were in the middle";
  }
}

TEST(Adopt, ACallThatFailsLeavesAllOrNothing) {
  const std::vector<std::string> whole = adopted();
  for (const int error : {EIO, ENOSPC}) {
    for (std::uint64_t call = 0;; ++call) {
      EngineFixture engine(SyncMode::kBatch, testing::FaultyDisk());
      engine.disk().fail_call(call, {.error = error, .partly = std::nullopt});
      const Status done = adopt(engine);
      if (engine.disk().call_count() <= call) break;
      SCOPED_TRACE("call " + std::to_string(call) + ", " + done.message());
      engine.disk().stop_failing();
      const Found found =
          expect_all_or_nothing(engine.disk().crash(call, {.survives = testing::Survives::kOnlySynced}), whole);
      ASSERT_FALSE(done.ok() && found != Found::kWhole);
    }
  }
}

// Symptom: with the newest snapshot after an import damaged, the one before it was the empty directory.
TEST(Adopt, ADamagedSnapshotForgivesNobody) {
  const std::vector<std::string> whole = adopted();
  EngineFixture engine;
  must(engine->adopt(used_up(engine)));
  engine.close();
  must(engine.disk().flip_bit(storage::snapshot_name(kNewest), 5000));
  ASSERT_EQ(expect_all_or_nothing(engine.disk(), whole), Found::kWhole);
  must(engine.disk().flip_bit(storage::snapshot_name(kNewest - 1), 5000));
  EngineFixture found = plainly(engine.disk());
  EXPECT_EQ(found.try_open().code(), Code::kCorruption);
}

TEST(Adopt, DoctorAndRepairLeaveAnUnfinishedImportAlone) {
  EngineFixture engine;
  engine.close();
  engine.disk().put(std::string(storage::kImportMarkName), "");
  const auto names = engine.disk().names();
  base::Mutex mutex;
  LimiterState scratch(mutex, [] { return Status(); });
  const auto directory = engine.disk().directory();
  const Result<DoctorReport> report = storage::inspect(*directory, scratch);
  ASSERT_TRUE(report.ok());
  EXPECT_FALSE(report->ok);
  EXPECT_EQ(storage::repair(*directory, scratch).code(), Code::kUnsupportedFormat);
  EXPECT_EQ(engine.disk().names(), names);
}

}  // namespace
}  // namespace flint::limiter
