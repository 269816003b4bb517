#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/reference_limiter.h"

/// Limits of several windows, from the call to the disk and back.
namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::EngineFixture;
using testing::fixed_window;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::must;
using testing::several;
using ::testing::SizeIs;
using testing::sliding_log;
using testing::token_bucket;

const Limit kTwo = several({token_bucket(10, 1s, 20), fixed_window(100, 1h)});

std::vector<Units> remaining(std::span<const WindowStatus> windows) {
  std::vector<Units> units;
  for (const WindowStatus& window : windows) units.push_back(window.remaining);
  return units;
}
std::vector<Units> remaining(EngineFixture& engine, std::string_view key) {
  return remaining(engine.status(key).windows);
}

TEST(EngineWindows, ADecisionListsThemAndIsThatOfOne) {
  EngineFixture engine;
  must(engine.limit("k", kTwo));
  const Decision allowed = engine.check("k", 5);
  EXPECT_TRUE(allowed.allowed);
  EXPECT_EQ(allowed.capacity, 20U);
  EXPECT_EQ(allowed.remaining, 15U);
  EXPECT_EQ(allowed.algorithm, Algorithm::kTokenBucket);
  EXPECT_THAT(remaining(allowed.windows()), ElementsAre(15, 95));
  EXPECT_EQ(allowed.windows()[1].limit, fixed_window(100, 1h));
  EXPECT_EQ(allowed.windows()[1].reset_after_ms, 3'600'000U);
  for (int i = 0; i < 6; ++i) {
    engine.clock.advance(2s);
    EXPECT_EQ(engine.check("k", 15).allowed, true) << i;
  }
  const Decision denied = engine.check("k", 11);
  EXPECT_FALSE(denied.allowed);
  EXPECT_EQ(denied.algorithm, Algorithm::kFixedWindowCounter) << "the hour waits longer than the second";
  EXPECT_EQ(denied.capacity, 100U);
  EXPECT_EQ(denied.remaining, 5U);
  EXPECT_EQ(denied.retry_after_ms, 3'588'000U);
  EXPECT_EQ(denied.windows()[0].retry_after_ms, 600U);
  EXPECT_THAT(remaining(denied.windows()), ElementsAre(5, 5));
  engine.clock.advance(1h);
  EXPECT_THAT(engine.check("k").windows(), SizeIs(2));
}

TEST(EngineWindows, AStatusHasTheFirstOnesRuleAndTheLeastThatIsLeft) {
  EngineFixture engine;
  must(engine.limit("k", several({fixed_window(100, 1h), token_bucket(10, 1s)})));
  must(engine.limit("p:*", kTwo));
  engine.check("k", 3);
  const LimitStatus status = engine.status("k");
  EXPECT_EQ(status.limit.rate, 100U);
  EXPECT_EQ(status.remaining, 7U);
  EXPECT_THAT(remaining(status.windows), ElementsAre(97, 7));
  EXPECT_THAT(remaining(engine, "p:*"), ElementsAre(20, 100));
  EXPECT_THAT(remaining(engine, "p:unborn"), ElementsAre(20, 100));
  EXPECT_EQ(engine.status("p:unborn").remaining, 20U);
  must(engine.limit("one", token_bucket(3, 1s)));
  EXPECT_THAT(engine.status("one").windows, IsEmpty());
  EXPECT_THAT(engine.check("one").windows(), IsEmpty());
}

TEST(EngineWindows, ACostAboveTheLowestCapacityIsAnError) {
  EngineFixture engine;
  must(engine.limit("k", several({token_bucket(1'000, 1h), token_bucket(10, 1s)})));
  const Status refused = engine.try_check("k", 11).status();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("cost 11 is above the capacity of key \"k\", 10"));
  EXPECT_TRUE(engine.allows("k", 10));
  EXPECT_EQ(engine.try_check("new", 21, kTwo).code(), Code::kInvalidArgument);
}

TEST(EngineWindows, WhatIsWrongWithThemIsNamed) {
  EngineFixture engine;
  const auto why = [&](const std::vector<Limit>& windows) { return engine.limit("k", several(windows)).message(); };
  const std::uint64_t before = engine.last_seq();
  EXPECT_EQ(why({token_bucket(1, 1s), token_bucket(2, 1min), fixed_window(9, 60s)}),
            "windows must not have two windows of 1m: keep one of them.");
  EXPECT_THAT(why({token_bucket(0, 1s), token_bucket(2, 1min)}), HasSubstr("windows[0].rate must be from 1 to"));
  EXPECT_THAT(why({token_bucket(1, 1s), token_bucket(2, 0s)}), HasSubstr("windows[1].per must be a whole number"));
  Limit burst = fixed_window(2, 1min);
  burst.burst = 3;
  EXPECT_THAT(why({token_bucket(1, 1s), burst}), HasSubstr("windows[1].burst is for token_bucket only"));
  EXPECT_EQ(why({token_bucket(1, 1s), several({token_bucket(1, 2s), token_bucket(1, 3s)})}),
            "windows[1] must be one window, without further ones.");
  std::vector<Limit> nine;
  for (int i = 1; i <= 9; ++i) nine.push_back(token_bucket(1, i * 1s));
  EXPECT_EQ(why(nine), "windows must be 1 to 8, not 9.");
  EXPECT_EQ(engine.try_check("k", 1, several(nine)).status().field(), "windows");
  EXPECT_EQ(engine.last_seq(), before);
}

TEST(EngineWindows, OfACheckAllNothingIsConsumedIfOneWindowDenies) {
  EngineFixture engine;
  must(engine.limit("a", kTwo));
  must(engine.limit("b", several({token_bucket(100, 1s), sliding_log(4, 1min)})));
  EXPECT_TRUE(engine.check_all({{"a", 2}, {"b", 3}, {"c", 1, &kTwo}}).allowed);
  const CheckAllResult denied = engine.check_all({{"a", 2}, {"c", 1, &kTwo}, {"b", 3}});
  EXPECT_FALSE(denied.allowed);
  EXPECT_EQ(denied.denied_key, "b");
  EXPECT_THAT(remaining(denied.results[0].windows()), ElementsAre(18, 98));
  EXPECT_THAT(remaining(denied.results[2].windows()), ElementsAre(97, 1));
  EXPECT_THAT(remaining(engine, "a"), ElementsAre(18, 98));
  EXPECT_THAT(remaining(engine, "c"), ElementsAre(19, 99));
}

TEST(EngineWindows, AKeyIsForgottenOnceAllOfThemAreFull) {
  EngineFixture engine;
  engine.check("k", 1, several({token_bucket(10, 1s), fixed_window(100, 1h)}));
  engine.clock.advance(2s);
  must(engine->tick());
  EXPECT_EQ(engine->stats().born_keys, 1U) << "the hour still counts";
  engine.clock.advance(1h);
  must(engine->tick());
  EXPECT_EQ(engine->stats().born_keys, 0U);
}

TEST(EngineWindows, SurviveRestartsKillsAndCompactions) {
  EngineFixture engine;
  must(engine.limit("k", several({token_bucket(10, 1s), sliding_log(50, 1min), fixed_window(100, 1h)})));
  must(engine.limit("p:*", kTwo));
  engine.check("k", 3);
  engine.check("p:1", 4);
  const std::vector<std::string> before = engine.statuses();
  engine.kill();
  engine.open();
  EXPECT_EQ(engine.statuses(), before);
  must(engine->compact());
  engine.check("k", 3);
  must(engine.limit("k", several({sliding_log(40, 1min), token_bucket(5, 2s)})));
  const std::vector<std::string> changed = engine.statuses();
  EXPECT_THAT(remaining(engine, "k"), ElementsAre(34, 0));
  engine.kill();
  engine.open();
  EXPECT_EQ(engine.statuses(), changed);
  engine.clock.advance(59s);
  EXPECT_THAT(remaining(engine, "k"), ElementsAre(34, 5)) << "the runs of the minute stay as they were";
  engine.clock.advance(1s);
  EXPECT_THAT(remaining(engine, "k"), ElementsAre(40, 5));
}

/// More runs than a snapshot encodes at once, in a window that is not the first.
TEST(EngineWindows, LongLogsAreInSnapshots) {
  EngineFixture engine;
  const Limit limit = several({token_bucket(10'000'000, 1s), sliding_log(1'000'000, 1h)});
  must(engine.limit("k", limit));
  must(engine.limit("p:*", several({sliding_log(900'000, 1h), fixed_window(10'000'000, 2h)})));
  for (int i = 0; i < 6'000; ++i) {
    engine.check("k");
    engine.check("p:1");
    engine.clock.advance(1us);
  }
  must(engine->compact());
  const std::vector<std::string> before = engine.statuses();
  engine.kill();
  engine.open();
  EXPECT_EQ(engine.statuses(), before);
  EXPECT_THAT(remaining(engine, "p:1"), ElementsAre(894'000, 9'994'000));
  engine.clock.advance(1h - 3ms);
  EXPECT_EQ(remaining(engine, "k")[1], 1'000'000U - 2'999U);
}

TEST(EngineWindows, AHistoryTellsOfAllOfThem) {
  EngineFixture engine;
  must(engine.limit("k", kTwo));
  engine.check("k", 2);
  EXPECT_THAT(engine.history("k"),
              ElementsAre("configured 0 x1 10/1000ms burst 20 token_bucket and 100/3600000ms fixed_window_counter",
                          "allowed 2 x1"));
}

TEST(EngineWindows, TheSameOnesAgainWriteNothing) {
  EngineFixture engine;
  Limit limit = kTwo;
  must(engine.limit("k", limit));
  const std::uint64_t before = engine.last_seq();
  must(engine.limit("k", limit));
  limit.further.push_back(token_bucket(7, 2h));
  must(engine.limit("k", limit));
  EXPECT_EQ(engine.last_seq(), before + 1);
  limit.further.back().burst = 7;
  must(engine.limit("k", limit));
  EXPECT_EQ(engine.last_seq(), before + 1) << "a burst that is the rate says nothing";
}

TEST(EngineWindows, AResetGivesAllOfThemBack) {
  EngineFixture engine;
  must(engine.limit("k", kTwo));
  engine.check("k", 7);
  must(engine.reset("k"));
  EXPECT_THAT(remaining(engine, "k"), ElementsAre(20, 100));
  engine.kill();
  engine.open();
  EXPECT_THAT(remaining(engine, "k"), ElementsAre(20, 100));
}

TEST(EngineWindows, ADryRunAnswersAndChangesNothing) {
  EngineFixture engine;
  must(engine.limit("k", kTwo));
  const auto told = must(engine->check("k", 5, {.dry_run = true}));
  EXPECT_THAT(remaining(told.value.windows()), ElementsAre(15, 95));
  EXPECT_THAT(remaining(engine, "k"), ElementsAre(20, 100));
}

TEST(EngineWindows, ANewKeyBeyondTheMostListsThemToo) {
  EngineFixture engine;
  engine.close();
  engine.options.max_keys = 1;
  engine.open();
  engine.check("first", 1, kTwo);
  const Decision denied = engine.check("second", 1, kTwo);
  EXPECT_TRUE(denied.keys_full);
  EXPECT_EQ(denied.remaining, 20U);
  EXPECT_THAT(remaining(denied.windows()), ElementsAre(20, 100));
}

}  // namespace
}  // namespace flint::limiter
