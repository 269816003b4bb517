#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/engine_fixture.h"

/// Denials are counted in memory, cost no record until a tick, and then at most one a key.
namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::EngineFixture;
using testing::must;
using testing::sliding_log;
using testing::to_text;
using testing::token_bucket;

class Denials : public ::testing::Test {
 protected:
  Denials() {
    for (const char* key : {"a", "b"}) {
      must(engine.limit(key, token_bucket(2, 1h)));
      EXPECT_TRUE(engine.allows(key, 2));
    }
  }
  void deny(const char* key, int times, Units cost = 1) {
    for (int i = 0; i < times; ++i) EXPECT_FALSE(engine.allows(key, cost));
  }

  EngineFixture engine;
};

TEST_F(Denials, CostNoRecordUntilATick) {
  const storage::Seq seq = engine.last_seq();
  const std::uint64_t calls = engine.disk().call_count();
  deny("a", 1000);
  EXPECT_EQ(engine.last_seq(), seq);
  EXPECT_EQ(engine.disk().call_count(), calls) << "nor any call of the disk";
  EXPECT_EQ(engine.status("a").total_denied, 1000U);
}

TEST_F(Denials, ATickWritesOneRecordForAllKeys) {
  deny("a", 3, 2);
  deny("b", 1);
  const storage::Seq seq = engine.last_seq();
  must(engine->tick());
  EXPECT_EQ(engine.last_seq(), seq + 1);
  EXPECT_EQ(engine.history("a").back(), "denied 6 x3");
  EXPECT_EQ(engine.history("b").back(), "denied 1 x1");
  const auto history = engine.history("a");
  must(engine->tick());
  EXPECT_EQ(engine.history("a"), history) << "no denial, no record";
}

TEST_F(Denials, OfManyKeysTakeARecordPer128) {
  for (int i = 0; i < 300; ++i) {
    const std::string key = "key " + std::to_string(i);
    must(engine.limit(key, token_bucket(1, 1h)));
    EXPECT_TRUE(engine.allows(key));
    EXPECT_FALSE(engine.allows(key));
    EXPECT_FALSE(engine.allows(key));
  }
  const storage::Seq seq = engine.last_seq();
  must(engine->tick());
  EXPECT_EQ(engine.last_seq(), seq + 3);
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(engine.history("key " + std::to_string(i)).back(), "denied 2 x2");
  }
}

TEST_F(Denials, GoWithTheNextRecordOfTheKey) {
  deny("a", 4);
  engine.clock.advance(1h);
  EXPECT_TRUE(engine.allows("a"));
  must(engine->tick());
  EXPECT_EQ(engine.status("a").total_denied, 4U) << "counted once";
  EXPECT_THAT(engine.history("a"),
              ElementsAre("configured 0 x1 2/3600000ms token_bucket", "allowed 2 x1", "denied 4 x4", "allowed 1 x1"));
}

TEST_F(Denials, AfterARecordTookThemAlongAreCountedAnew) {
  deny("a", 4);
  must(engine.reset("a"));
  EXPECT_TRUE(engine.allows("a", 2));
  deny("a", 3);
  must(engine->tick());
  EXPECT_EQ(engine.status("a").total_denied, 7U);
  EXPECT_EQ(engine.history("a").back(), "denied 3 x3") << "once, though the key was on the list already";
  engine.kill();
  engine.open();
  EXPECT_EQ(engine.status("a").total_denied, 7U);
}

TEST_F(Denials, SurviveAResetAndANewLimit) {
  deny("a", 2);
  must(engine.reset("a"));
  EXPECT_TRUE(engine.allows("a", 2));
  deny("a", 3);
  must(engine.limit("a", sliding_log(1, 1h)));
  deny("a", 4);
  const auto before = to_text(engine.status("a"));
  EXPECT_EQ(engine.status("a").total_denied, 9U);
  engine.reopen();
  EXPECT_EQ(to_text(engine.status("a")), before);
}

TEST_F(Denials, AKillLosesAtMostThoseSinceTheLastTick) {
  deny("a", 5);
  must(engine->tick());
  deny("a", 7);
  engine.kill();
  engine.open();
  EXPECT_EQ(engine.status("a").total_denied, 5U);
  EXPECT_EQ(engine.remaining("a"), 0U);
}

TEST_F(Denials, ACleanCloseLosesNone) {
  deny("a", 5);
  engine.clock.advance(1ms);
  deny("b", 1);
  const auto before = engine.statuses();
  engine.reopen();
  EXPECT_EQ(engine.statuses(), before);
}

TEST_F(Denials, AFlushMakesThemDurable) {
  deny("a", 5);
  must(engine->flush());
  engine.lose_power(testing::Survives::kOnlySynced);
  engine.open();
  EXPECT_EQ(engine.status("a").total_denied, 5U);
}

// With the disk full, a key whose denials had gone with another record stayed on the list, and came on it once more.
TEST_F(Denials, AreWrittenOnceAfterATickMetAFullDisk) {
  must(engine.limit("filler", token_bucket(kMaxUnits, 1s)));
  deny("a", 2);
  must(engine.reset("a"));
  EXPECT_TRUE(engine.allows("a", 2));
  deny("b", 2);
  engine.disk().fail_every(testing::Call::kWrite, {.error = ENOSPC, .partly = {}});
  engine.disk().fail_every(testing::Call::kAllocate, {.error = ENOSPC, .partly = {}});
  while (engine.try_check("filler").ok()) {
  }
  static_cast<void>(engine->tick());
  EXPECT_EQ(engine.status("b").total_denied, 2U);
  deny("a", 3);
  engine.disk().stop_failing();
  must(engine->tick());
  EXPECT_EQ(engine.history("a").back(), "denied 3 x3");
  EXPECT_EQ(std::ranges::count(engine.history("a"), "denied 3 x3"), 1);
  EXPECT_EQ(engine.history("b").back(), "denied 2 x2");
  EXPECT_EQ(engine.status("a").total_denied, 5U);
  engine.kill();
  engine.open();
  EXPECT_EQ(engine.status("a").total_denied, 5U);
  EXPECT_EQ(engine.status("b").total_denied, 2U);
}

TEST_F(Denials, CannotBeCountedWhenOpenedForReading) {
  engine.close();
  engine.options.mode = OpenMode::kReadOnly;
  engine.open();
  EXPECT_EQ(engine.try_check("a").code(), Code::kPermission) << "would be denied";
  EXPECT_EQ(engine.try_check_all({{"a", 1}}).code(), Code::kPermission);
  EXPECT_EQ(engine.status("a").total_denied, 0U);
}

}  // namespace
}  // namespace flint::limiter
