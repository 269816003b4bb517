#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

#include "limiter/limiter_state.h"
#include "testing/engine_fixture.h"

/// What a restart, clean or not, a compaction and a changed clock leave of a limiter: everything.
namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using testing::EngineFixture;
using testing::fixed_window;
using ::testing::HasSubstr;
using testing::must;
using testing::sliding_log;
using testing::to_text;
using testing::token_bucket;

/// Some of everything.
void use(EngineFixture& engine) {
  must(engine.limit("bucket", token_bucket(7, 3s, 11)));
  must(engine.limit("log", sliding_log(9, 5s)));
  must(engine.limit("window", fixed_window(8, 4s)));
  must(engine.limit("changed", token_bucket(5, 1s)));
  must(engine.limit("reset", sliding_log(5, 1h)));
  must(engine.limit("unused", fixed_window(5, 1s)));
  for (Units i = 0; i < 30; ++i) {
    engine.clock.advance(137'913'571ns);
    engine.check("bucket", 1 + i % 4);
    engine.check("log", 1 + i % 3);
    engine.check("window", 1 + i % 5);
    engine.check("changed", 1 + i % 2);
    engine.check("reset");
    engine.check_all({{"log", 1}, {"window", 2}, {"bucket", 1}});
    if (i % 10 == 9) must(engine->tick());
    if (i == 12) must(engine.limit("changed", sliding_log(6, 2s)));
    if (i == 20) must(engine.limit("changed", fixed_window(3, 1s)));
    if (i == 25) must(engine.reset("reset"));
  }
}

TEST(Restart, ACleanCloseKeepsEveryStatus) {
  EngineFixture engine;
  use(engine);
  const auto before = engine.statuses();
  engine.reopen();
  EXPECT_EQ(engine.statuses(), before);
  engine.reopen();
  EXPECT_EQ(engine.statuses(), before) << "once opened, later opens never return less or more";
}

TEST(Restart, AKillKeepsEveryStatusButDenialsSinceTheLastTick) {
  EngineFixture engine;
  use(engine);
  must(engine->tick());
  const auto before = engine.statuses();
  EXPECT_TRUE(engine.status("unused").remaining == 5);
  engine.kill();
  engine.open();
  EXPECT_EQ(engine.statuses(), before);
}

TEST(Restart, AfterAPowerLossAlwaysKeepsWhatReturned) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    EngineFixture engine(SyncMode::kAlways);
    use(engine);
    must(engine->flush());
    const auto before = engine.statuses();
    engine.lose_power(seed == 0 ? testing::Survives::kOnlySynced : testing::Survives::kRandom, seed);
    engine.open();
    EXPECT_EQ(engine.statuses(), before);
  }
}

TEST(Restart, ASnapshotAndTheLogBehindItMakeTheStateOfTheLogAlone) {
  EngineFixture with;
  EngineFixture without;
  for (EngineFixture* engine : {&with, &without}) {
    use(*engine);
    if (engine == &with) must((*engine)->compact());
    use(*engine);
    if (engine == &with) must((*engine)->compact());
    use(*engine);
    must((*engine)->tick());
  }
  EXPECT_EQ(with.statuses(), without.statuses());
  with.kill();
  without.kill();
  with.open();
  without.open();
  EXPECT_TRUE(with->doctor().snapshot_exists);
  EXPECT_FALSE(without->doctor().snapshot_exists);
  EXPECT_EQ(with.statuses(), without.statuses());
  for (int i = 0; i < 20; ++i) {
    for (EngineFixture* engine : {&with, &without}) engine->clock.advance(313ms);
    for (const char* key : {"bucket", "log", "window", "changed", "reset"}) {
      EXPECT_EQ(to_text(with.check(key)), to_text(without.check(key)));
    }
  }
}

TEST(Restart, ManyRunsOfASlidingLogSurviveASnapshot) {
  EngineFixture engine;
  must(engine.limit("log", sliding_log(kMaxUnits, 1h)));
  for (int i = 0; i < 5'000; ++i) {
    EXPECT_TRUE(engine.allows("log", 2));
    engine.clock.advance(1us);
  }
  must(engine->compact());
  EXPECT_TRUE(engine.allows("log", 2));
  engine.kill();
  engine.open();
  EXPECT_EQ(engine.remaining("log"), kMaxUnits - 10'002);
  engine.clock.advance(1h - 5ms);
  EXPECT_EQ(engine.remaining("log"), kMaxUnits - 10'000) << "each run expires at its own time";
  engine.clock.advance(1us);
  EXPECT_EQ(engine.remaining("log"), kMaxUnits - 9'998);
}

TEST(Restart, StateIsFoundAfterEachOfManyCompactions) {
  EngineFixture engine;
  for (int i = 0; i < 10; ++i) {
    use(engine);
    must(engine->compact());
    const auto before = engine.statuses();
    if (i % 2 == 0) {
      must(engine->tick());
      engine.kill();
      engine.open();
    } else {
      engine.reopen();
    }
    EXPECT_EQ(engine.statuses(), before) << i;
  }
}

TEST(Restart, ADamagedSnapshotFallsBackToTheOneBeforeAndItsLog) {
  EngineFixture engine;
  use(engine);
  must(engine->compact());
  use(engine);
  must(engine->compact());
  use(engine);
  const auto before = engine.statuses();
  engine.close();
  std::string newest;
  for (const std::string& name : engine.disk().names()) {
    if (name.find("snapshot") != std::string::npos) newest = std::max(newest, name);
  }
  must(engine.disk().flip_bit(newest, 8 * 100));
  engine.open();
  EXPECT_EQ(engine.statuses(), before);
  EXPECT_TRUE(engine->doctor().degraded);
}

// Symptom: the report of an open store, and so a server's, had no map of the files: "files" was always empty.
TEST(Doctor, TellsTheFilesOfAnOpenStoreAndReadsThem) {
  EngineFixture engine;
  use(engine);
  must(engine->compact());
  use(engine);
  must(engine->flush());
  DoctorReport report = engine->doctor();
  std::vector<std::string> names;
  for (const FileMap& file : report.files) names.push_back(file.name);
  EXPECT_THAT(names, ::testing::UnorderedElementsAreArray(engine.disk().names()));
  const auto newest_log =
      std::find_if(report.files.rbegin(), report.files.rend(), [](const FileMap& file) { return file.kind == "log"; });
  ASSERT_NE(newest_log, report.files.rend());
  EXPECT_EQ(newest_log->last_seq, report.last_seq);
  EXPECT_TRUE(report.ok);
  EXPECT_THAT(report.findings, ::testing::IsEmpty());

  const auto snapshot = std::find_if(report.files.begin(), report.files.end(),
                                     [](const FileMap& file) { return file.kind == "snapshot"; });
  ASSERT_NE(snapshot, report.files.end());
  const std::string damaged = snapshot->name;
  must(engine.disk().flip_bit(damaged, 8 * 100));
  report = engine->doctor();
  EXPECT_TRUE(report.degraded);
  EXPECT_FALSE(report.ok);
  ASSERT_THAT(report.findings, ::testing::SizeIs(1));
  EXPECT_THAT(report.findings.front().message, HasSubstr(damaged));
}

// While the wall clock was behind, the limiter's time stood still across a restart.
TEST(Restart, WithTheWallClockSetBackTimeGoesOnFromThePersistedOne) {
  for (const Algorithm algorithm : kAlgorithms) {
    EngineFixture engine;
    must(engine.limit("k", {.rate = 10, .per = 10s, .algorithm = algorithm, .burst = {}}));
    EXPECT_TRUE(engine.allows("k", 10));
    engine.clock.set_wall(engine.clock.wall() - 1h);
    engine.clock.advance(4s);
    engine.reopen();
    EXPECT_EQ(engine.remaining("k"), algorithm == Algorithm::kTokenBucket ? 4U : 0U) << "no refill from nothing";
    engine.clock.advance(testing::time_to_full(algorithm, 10s) - 4s);
    EXPECT_EQ(engine.remaining("k"), 10U) << "no stall: the 4 s before the close count";
    const DoctorReport report = engine->doctor();
    ASSERT_FALSE(report.findings.empty());
    EXPECT_THAT(report.findings.front().message, HasSubstr("wall clock"));
    EXPECT_TRUE(report.ok);
  }
}

TEST(Restart, WithTheWallClockSetForwardRefillsAtMostToCapacity) {
  for (const Algorithm algorithm : kAlgorithms) {
    EngineFixture engine;
    must(engine.limit("k", {.rate = 10, .per = 10s, .algorithm = algorithm, .burst = {}}));
    EXPECT_TRUE(engine.allows("k", 10));
    engine.close();
    engine.clock.set_wall(WallTime::max());
    engine.open();
    EXPECT_EQ(engine.remaining("k"), 10U);
    EXPECT_TRUE(engine.allows("k", 10));
    EXPECT_FALSE(engine.allows("k"));
    engine.close();
    engine.clock.set_wall(WallTime(1h));
    engine.open();
    EXPECT_EQ(engine.remaining("k"), 0U) << "and back: nothing is granted twice";
    engine.clock.advance(testing::time_to_full(algorithm, 10s));
    EXPECT_TRUE(engine.allows("k", 10)) << "nor ever refused for good";
  }
}

TEST(Restart, AMachineThatRestartsGoesOnByTheWallClock) {
  EngineFixture engine;
  must(engine.limit("k", fixed_window(10, 10s)));
  EXPECT_TRUE(engine.allows("k", 10));
  engine.close();
  engine.clock.advance(9s);
  engine.clock.reboot();
  engine.open();
  EXPECT_EQ(engine.check("k").retry_after_ms, 1000U);
}

TEST(Restart, AReaderSeesWhatAWriterLeftAndChangesNothing) {
  EngineFixture engine;
  use(engine);
  const auto before = engine.statuses();
  engine.close();
  const auto files = engine.disk().names();
  engine.options.mode = OpenMode::kReadOnly;
  engine.open();
  EXPECT_EQ(engine.statuses(), before);
  EXPECT_EQ(engine.limit("bucket", token_bucket(1, 1s)).code(), Code::kPermission);
  EXPECT_EQ(engine.try_check("unused").code(), Code::kPermission);
  EXPECT_EQ(engine.reset("bucket").code(), Code::kPermission);
  EXPECT_FALSE(engine->compact().ok());
  EXPECT_EQ(engine.statuses(), before);
  engine.close();
  EXPECT_EQ(engine.disk().names(), files);
}

TEST(Restart, ChecksGoOnWhileTheLogIsCompacted) {
  EngineFixture engine;
  constexpr int kKeys = 2'000;
  for (int i = 0; i < kKeys; ++i) must(engine.limit("key " + std::to_string(i), token_bucket(kMaxUnits, kMaxPeriod)));
  must(engine.limit("new", token_bucket(kMaxUnits, kMaxPeriod)));
  std::atomic<bool> done = false;
  std::atomic<std::uint64_t> checked = 0;
  std::thread checks([&] {
    for (int i = 0; !done; i = (i + 1) % kKeys) {
      EXPECT_TRUE(engine->check("key " + std::to_string(i), 1).ok());
      ++checked;
    }
  });
  for (int i = 0; i < 5; ++i) {
    const std::uint64_t before = checked;
    must(engine->compact());
    while (checked < before + 100) std::this_thread::yield();
  }
  done = true;
  checks.join();
  const auto before = engine.statuses();
  EXPECT_EQ(engine->stats().compactions, 5U);
  engine.kill();
  engine.open();
  EXPECT_EQ(engine.statuses(), before) << "each grant once, whether the snapshot or the log holds it";
  std::uint64_t allowed = 0;
  for (const LimitStatus& status : must(engine->list({}))) allowed += status.total_allowed;
  EXPECT_EQ(allowed, checked);
}

/// What a newer version had logged was called damage, and a repair, as it was advised, would have dropped it.
TEST(Restart, WhatANewerVersionWroteIsNotCalledDamage) {
  base::Mutex mutex;
  LimiterState state(mutex, [] { return Status(); });
  for (const storage::RecordKind kind : std::array<storage::RecordKind, 3>{19, 20, 0x7f}) {
    EXPECT_EQ(state.replay({.kind = kind, .seq = 1, .payload = {}}).code(), Code::kUnsupportedFormat) << kind;
  }
  EXPECT_EQ(state.replay({.kind = 19, .seq = 9, .payload = {}}).message(), "record 9 is of kind 19");
  EXPECT_EQ(state.replay({.kind = 6, .seq = 1, .payload = {}}).code(), Code::kCorruption);
  EXPECT_EQ(state.load(std::array{std::byte{16}}, 1).code(), Code::kUnsupportedFormat);
  EXPECT_EQ(state.load(std::array{std::byte{4}}, 1).code(), Code::kCorruption);
  EXPECT_EQ(state.load({}, 1).code(), Code::kCorruption);
}

}  // namespace
}  // namespace flint::limiter
