#include "limiter/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/engine_fixture.h"

/// What one key promises: limit, check, reset, status.
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

Limit ten_a_second(Algorithm algorithm) { return {.rate = 10, .per = 1s, .algorithm = algorithm, .burst = {}}; }

TEST(Engine, AKeyWithoutALimitIsAnErrorThatNamesIt) {
  EngineFixture engine;
  for (const Status& status : {engine.try_check("api:1").status(), engine->status("api:1").status(),
                               engine.reset("api:1"), engine->history("api:1", 1).status()}) {
    EXPECT_EQ(status.code(), Code::kLimitNotFound);
    EXPECT_THAT(status.message(), HasSubstr("\"api:1\""));
  }
}

TEST(Engine, WhatIsNoKeyIsAnArgumentError) {
  EngineFixture engine;
  for (const std::string& key : {std::string(), std::string(" "), std::string("a\nb"), std::string("\xff"),
                                 std::string(kMaxKeyBytes + 1, 'k')}) {
    EXPECT_EQ(engine.limit(key, token_bucket(1, 1s)).code(), Code::kInvalidArgument);
    EXPECT_EQ(engine.try_check(key).code(), Code::kInvalidArgument);
    EXPECT_EQ(engine->status(key).code(), Code::kInvalidArgument);
    EXPECT_EQ(engine.reset(key).code(), Code::kInvalidArgument);
  }
}

TEST(Engine, ALimitOutOfRangeIsAnArgumentErrorAndLeavesTheOldOne) {
  EngineFixture engine;
  must(engine.limit("k", token_bucket(10, 1s)));
  EXPECT_EQ(engine.limit("k", token_bucket(0, 1s)).code(), Code::kInvalidArgument);
  EXPECT_EQ(engine.limit("k", token_bucket(1, 0s)).code(), Code::kInvalidArgument);
  Limit burst_of_a_window = fixed_window(5, 1s);
  burst_of_a_window.burst = 6;
  EXPECT_EQ(engine.limit("k", burst_of_a_window).code(), Code::kInvalidArgument);
  EXPECT_EQ(engine.status("k").limit, token_bucket(10, 1s));
}

TEST(Engine, ACostThatCouldNeverPassIsAnErrorThatNamesTheCapacity) {
  EngineFixture engine;
  must(engine.limit("k", token_bucket(10, 1s, 17)));
  for (const Units cost : {Units{0}, Units{18}, kMaxUnits + 1}) {
    EXPECT_EQ(engine.try_check("k", cost).code(), Code::kInvalidArgument) << cost;
  }
  EXPECT_THAT(engine.try_check("k", 18).status().message(), HasSubstr("17"));
  EXPECT_EQ(engine.status("k").total_denied, 0U) << "an error is no denial";
  EXPECT_TRUE(engine.allows("k", 17));
}

TEST(Engine, ADecisionSaysEverything) {
  EngineFixture engine;
  must(engine.limit("k", token_bucket(10, 1s, 20)));
  const Decision allowed = engine.check("k", 5);
  EXPECT_EQ(allowed.key, "k");
  EXPECT_TRUE(allowed.allowed);
  EXPECT_EQ(allowed.cost, 5U);
  EXPECT_EQ(allowed.capacity, 20U);
  EXPECT_EQ(allowed.remaining, 15U);
  EXPECT_EQ(allowed.reset_after_ms, 500U);
  EXPECT_EQ(allowed.reset_at, std::chrono::ceil<std::chrono::milliseconds>(engine.clock.wall() + 500ms));
  EXPECT_EQ(allowed.retry_after_ms, 0U);
  EXPECT_EQ(allowed.algorithm, Algorithm::kTokenBucket);

  engine.clock.advance(100ms - 1ns);
  const Decision denied = engine.check("k", 17);
  EXPECT_FALSE(denied.allowed);
  EXPECT_EQ(denied.cost, 17U);
  EXPECT_EQ(denied.remaining, 15U) << "a token that is all but there is not there";
  EXPECT_EQ(denied.retry_after_ms, 101U) << "100 ms and a nanosecond, rounded up";
  EXPECT_EQ(denied.reset_after_ms, 401U);
  engine.clock.advance(100ms);
  EXPECT_FALSE(engine.allows("k", 17));
  engine.clock.advance(1ns);
  EXPECT_TRUE(engine.allows("k", 17)) << "exactly then";
}

TEST(Engine, SlidingLogDecidesOverTheLastPeriod) {
  EngineFixture engine;
  must(engine.limit("k", sliding_log(10, 1s)));
  EXPECT_TRUE(engine.allows("k", 4));
  engine.clock.advance(600ms);
  EXPECT_EQ(engine.check("k", 6).reset_after_ms, 1000U) << "when the newest entry expires";
  const Decision denied = engine.check("k", 5);
  EXPECT_FALSE(denied.allowed);
  EXPECT_EQ(denied.retry_after_ms, 1000U) << "only when the second run has expired too";
  EXPECT_EQ(engine.check("k", 4).retry_after_ms, 400U);
  engine.clock.advance(400ms - 1ns);
  EXPECT_FALSE(engine.allows("k", 4));
  engine.clock.advance(1ns);
  EXPECT_TRUE(engine.allows("k", 4));
}

TEST(Engine, FixedWindowStartsWithTheFirstCheck) {
  EngineFixture engine;
  must(engine.limit("k", fixed_window(10, 1s)));
  engine.clock.advance(10s);
  EXPECT_EQ(engine.check("k", 10).reset_after_ms, 1000U);
  engine.clock.advance(1s - 1ns);
  EXPECT_EQ(engine.check("k").retry_after_ms, 1U);
  engine.clock.advance(1ns);
  EXPECT_TRUE(engine.allows("k", 10));
}

TEST(Engine, CountersCountDecisionsAndCosts) {
  EngineFixture engine;
  must(engine.limit("k", token_bucket(10, 1h)));
  EXPECT_EQ(to_text(engine.status("k")),
            "k: 10/3600000ms token_bucket set enforce, remaining 10, reset at 2026-11-23T18:22:02.124Z, allowed 0 (0) "
            "last never, "
            "denied 0 (0) last never, would deny 0, reset never");
  EXPECT_TRUE(engine.allows("k", 3));
  engine.clock.advance(1s);
  EXPECT_TRUE(engine.allows("k", 4));
  engine.clock.advance(1s);
  EXPECT_FALSE(engine.allows("k", 9));
  engine.clock.advance(1s);
  EXPECT_FALSE(engine.allows("k", 8));
  const LimitStatus status = engine.status("k");
  EXPECT_EQ(status.total_allowed, 2U);
  EXPECT_EQ(status.total_allowed_cost, 7U);
  EXPECT_EQ(status.total_denied, 2U);
  EXPECT_EQ(status.total_denied_cost, 17U);
  EXPECT_EQ(status.last_allowed_at, engine.clock.wall() - 2s);
  EXPECT_EQ(status.last_denied_at, engine.clock.wall());
  EXPECT_EQ(status.last_reset_at, std::nullopt);
}

// Reading a status slowed the refill: what was short of a token was lost each time.
TEST(Engine, PollingAStatusChangesNothing) {
  for (const Algorithm algorithm : kAlgorithms) {
    EngineFixture engine;
    for (const char* key : {"polled", "left alone"}) {
      must(engine.limit(key, {.rate = 7, .per = 1s, .algorithm = algorithm, .burst = {}}));
      EXPECT_TRUE(engine.allows(key, 7));
    }
    const storage::Seq seq = engine.last_seq();
    for (int i = 0; i < 999; ++i) {
      engine.clock.advance(1ms);
      static_cast<void>(engine.status("polled"));
      static_cast<void>(engine.statuses());
    }
    EXPECT_EQ(engine.last_seq(), seq);
    EXPECT_EQ(engine.remaining("polled"), engine.remaining("left alone"));
    EXPECT_EQ(to_text(engine.check("polled")).substr(6), to_text(engine.check("left alone")).substr(10));
    engine.clock.advance(1ms);
    EXPECT_EQ(engine.remaining("polled"), engine.remaining("left alone"));
  }
}

TEST(Engine, ADenialConsumesNothing) {
  for (const Algorithm algorithm : kAlgorithms) {
    EngineFixture engine;
    must(engine.limit("k", ten_a_second(algorithm)));
    EXPECT_TRUE(engine.allows("k", 6));
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(engine.allows("k", 5));
    EXPECT_EQ(engine.remaining("k"), 4U);
    EXPECT_TRUE(engine.allows("k", 4));
    engine.clock.advance(testing::time_to_full(algorithm, 1s));
    EXPECT_TRUE(engine.allows("k", 10)) << "nor does it move the time of recovery";
  }
}

TEST(Engine, ConfiguringTheSameValuesWritesNothing) {
  EngineFixture engine;
  must(engine.limit("k", token_bucket(10, 1s)));
  EXPECT_TRUE(engine.allows("k", 7));
  const storage::Seq seq = engine.last_seq();
  must(engine.limit("k", token_bucket(10, 1s)));
  must(engine.limit("k", token_bucket(10, 1s, 10)));
  EXPECT_EQ(engine.last_seq(), seq);
  EXPECT_EQ(engine.status("k").limit, token_bucket(10, 1s)) << "a burst that says what is so anyway is left out";
  EXPECT_EQ(engine.remaining("k"), 3U);
  must(engine.limit("k", token_bucket(10, 1s, 11)));
  EXPECT_EQ(engine.last_seq(), seq + 1);
}

TEST(Engine, ConfiguringTheSameValuesWaitsForThoseToBeDurable) {
  EngineFixture engine(SyncMode::kAlways);
  const Ticket first = must(engine->limit("k", token_bucket(10, 1s)));
  const Ticket again = must(engine->limit("k", token_bucket(10, 1s)));
  EXPECT_FALSE(engine->is_durable(again)) << "or who comes second is told of a limit that a crash may take";
  must(engine->wait(again));
  EXPECT_TRUE(engine->is_durable(first));
}

TEST(Engine, WhatWasUsedStaysUsedUnderAnotherLimit) {
  for (const Algorithm from : kAlgorithms) {
    for (const Algorithm to : kAlgorithms) {
      for (const Nanos per : {Nanos(1h), Nanos(2h)}) {
        SCOPED_TRACE(std::string(algorithm_name(from)) + " to " + std::string(algorithm_name(to)));
        EngineFixture engine;
        must(engine.limit("k", {.rate = 10, .per = 1h, .algorithm = from, .burst = {}}));
        EXPECT_TRUE(engine.allows("k", 6));
        must(engine.limit("k", {.rate = 4, .per = per, .algorithm = to, .burst = {}}));
        EXPECT_EQ(engine.remaining("k"), 0U) << "never below 0";
        must(engine.limit("k", {.rate = 8, .per = per, .algorithm = to, .burst = {}}));
        EXPECT_EQ(engine.remaining("k"), 4U) << "the smaller capacity is in use, and no more";
        must(engine.limit("k", {.rate = 10, .per = 1h, .algorithm = from, .burst = {}}));
        EXPECT_EQ(engine.remaining("k"), 6U) << "there and back is no fresh budget";
        EXPECT_FALSE(engine.allows("k", 7));
        EXPECT_TRUE(engine.allows("k", 6));
      }
    }
  }
}

TEST(Engine, CountersOutliveAnotherLimit) {
  EngineFixture engine;
  must(engine.limit("k", token_bucket(10, 1h)));
  EXPECT_TRUE(engine.allows("k", 10));
  EXPECT_FALSE(engine.allows("k", 2));
  must(engine.limit("k", sliding_log(20, 1h)));
  EXPECT_FALSE(engine.allows("k", 11));
  const LimitStatus status = engine.status("k");
  EXPECT_EQ(status.total_allowed, 1U);
  EXPECT_EQ(status.total_denied, 2U);
  EXPECT_EQ(status.total_denied_cost, 13U);
}

TEST(Engine, AResetGivesTheFullQuotaBackAndKeepsTheCounters) {
  for (const Algorithm algorithm : kAlgorithms) {
    EngineFixture engine;
    must(engine.limit("k", ten_a_second(algorithm)));
    EXPECT_TRUE(engine.allows("k", 10));
    EXPECT_FALSE(engine.allows("k", 1));
    engine.clock.advance(10ms);
    must(engine.reset("k"));
    LimitStatus status = engine.status("k");
    EXPECT_EQ(status.remaining, 10U);
    EXPECT_EQ(status.total_allowed_cost, 10U);
    EXPECT_EQ(status.total_denied, 1U);
    EXPECT_EQ(status.last_reset_at, engine.clock.wall());
    EXPECT_TRUE(engine.allows("k", 10));
    EXPECT_FALSE(engine.allows("k", 1));
  }
}

TEST(Engine, AWallClockThatIsSetGrantsNothingAndFreezesNothing) {
  for (const Algorithm algorithm : kAlgorithms) {
    for (const Nanos step : {Nanos(24h), Nanos(-24h)}) {
      EngineFixture engine;
      must(engine.limit("k", ten_a_second(algorithm)));
      EXPECT_TRUE(engine.allows("k", 10));
      engine.clock.set_wall(engine.clock.wall() + step);
      EXPECT_FALSE(engine.allows("k")) << "a grant from nothing";
      EXPECT_EQ(engine.status("k").last_denied_at,
                std::chrono::floor<std::chrono::milliseconds>(engine.clock.wall() - Nanos(456'789)) + Nanos(456'789))
          << "times shown are wall-clock times";
      engine.clock.advance(testing::time_to_full(algorithm, 1s));
      EXPECT_TRUE(engine.allows("k", 10)) << "a stall";
    }
  }
}

TEST(Engine, HugeLimitsAreExact) {
  for (const Algorithm algorithm : kAlgorithms) {
    EngineFixture engine;
    must(engine.limit("k", {.rate = kMaxUnits, .per = kMaxPeriod, .algorithm = algorithm, .burst = {}}));
    EXPECT_TRUE(engine.allows("k", kMaxUnits - 1));
    EXPECT_TRUE(engine.allows("k"));
    EXPECT_FALSE(engine.allows("k"));
    const Decision denied = engine.check("k", kMaxUnits);
    const Nanos full_after = testing::time_to_full(algorithm, kMaxPeriod);
    EXPECT_EQ(denied.retry_after_ms, static_cast<std::uint64_t>(full_after / 1ms));
    engine.reopen();
    EXPECT_EQ(engine.remaining("k"), 0U);
    engine.clock.advance(full_after);
    EXPECT_TRUE(engine.allows("k", kMaxUnits));
  }
}

// `doctor` called a failed disk a damaged directory that does not open, twice; opened again it was sound.
TEST(Engine, TheDoctorNamesAFailedStorageOnceAndDoesNotCallItDamage) {
  EngineFixture engine(SyncMode::kAlways);
  must(engine.limit("k", token_bucket(10, 1h)));
  engine.disk().fail_every(testing::Call::kSync, {.error = EIO, .partly = {}});
  EXPECT_EQ(engine.try_check("k").code(), Code::kStorageFailed);
  const DoctorReport report = engine->doctor();
  EXPECT_FALSE(report.ok);
  EXPECT_TRUE(report.failed);
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_FALSE(report.findings[0].fatal);
  EXPECT_EQ(report.findings[0].message, engine->health().message());
  // Reads go on.
  EXPECT_EQ(engine.status("k").limit.rate, 10U);
  EXPECT_EQ(engine.statuses().size(), 1U);
  EXPECT_FALSE(engine.history("k").empty());
}

TEST(Engine, AClosedEngineRefusesEverything) {
  EngineFixture engine;
  must(engine.limit("k", token_bucket(10, 1s)));
  must(engine->close());
  EXPECT_EQ(engine.limit("k", token_bucket(11, 1s)).code(), Code::kClosed);
  EXPECT_EQ(engine.try_check("k").code(), Code::kClosed);
  EXPECT_EQ(engine.try_check_all({{"k", 1}}).code(), Code::kClosed);
  EXPECT_EQ(engine.reset("k").code(), Code::kClosed);
  EXPECT_EQ(engine->status("k").code(), Code::kClosed);
  EXPECT_EQ(engine->list({}).code(), Code::kClosed);
  EXPECT_EQ(engine->history("k", 1).code(), Code::kClosed);
  EXPECT_EQ(engine->top(TopBy::kDenied, 1).code(), Code::kClosed);
  EXPECT_EQ(engine->compact().code(), Code::kClosed);
  EXPECT_EQ(engine->flush().code(), Code::kClosed);
  EXPECT_EQ(engine->health().code(), Code::kClosed);
  EXPECT_FALSE(engine->doctor().ok && engine->doctor().findings.empty());
  must(engine->close());
}

}  // namespace
}  // namespace flint::limiter
