#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/engine_fixture.h"

/// Limits that are not enforced: shadow lets everything pass and counts what it would deny, block lets nothing pass.
namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::EngineFixture;
using testing::fixed_window;
using ::testing::HasSubstr;
using testing::must;
using testing::sliding_log;
using testing::token_bucket;

constexpr LimitOptions kShadow{.mode = Mode::kShadow};
constexpr LimitOptions kBlock{.mode = Mode::kBlock};

class Modes : public ::testing::Test {
 protected:
  EngineFixture engine;
};

TEST_F(Modes, AShadowUsesWhatTheEnforcedLimitWouldAndDeniesNothing) {
  must(engine.limit("shadow", fixed_window(5, 1h), kShadow));
  must(engine.limit("enforced", fixed_window(5, 1h)));
  for (const Units cost : std::initializer_list<Units>{4, 2, 1, 1, 7}) {
    const Decision shadow = engine.check("shadow", cost);
    EXPECT_TRUE(shadow.allowed);
    EXPECT_EQ(shadow.retry_after_ms, 0U);
    ASSERT_TRUE(shadow.would_deny.has_value());
    if (cost > 5) continue;  // a cost above the capacity of a limit that is enforced is an error
    const Decision enforced = engine.check("enforced", cost);
    EXPECT_EQ(enforced.allowed, !*shadow.would_deny);
    EXPECT_EQ(enforced.remaining, shadow.remaining);
    EXPECT_EQ(enforced.would_deny, std::nullopt);
  }
  const LimitStatus status = engine.status("shadow");
  EXPECT_EQ(status.mode, Mode::kShadow);
  EXPECT_EQ(status.would_deny, 3U);
  EXPECT_EQ(status.total_allowed, 2U);
  EXPECT_EQ(status.total_allowed_cost, 5U);
  EXPECT_EQ(status.total_denied, 0U);
  EXPECT_EQ(engine->stats().would_deny, 3U);
}

TEST_F(Modes, ABlockDeniesEverythingForEverAndUsesNothing) {
  must(engine.limit("k", token_bucket(5, 1h), kBlock));
  for (const Units cost : std::initializer_list<Units>{1, 6}) {
    const Decision denied = engine.check("k", cost);
    EXPECT_FALSE(denied.allowed);
    EXPECT_EQ(denied.retry_after_ms, std::nullopt);
    EXPECT_EQ(denied.remaining, 5U);
    EXPECT_EQ(denied.would_deny, std::nullopt);
  }
  EXPECT_EQ(engine.status("k").mode, Mode::kBlock);
  EXPECT_EQ(engine.status("k").total_denied, 2U);
  EXPECT_EQ(engine.status("k").total_denied_cost, 7U);
}

TEST_F(Modes, AChangeOfTheModeAloneLeavesUsageAsItIs) {
  must(engine.limit("k", sliding_log(5, 1min)));
  must(engine.limit("ip:*", token_bucket(5, 1min)));
  EXPECT_TRUE(engine.allows("k", 2));
  EXPECT_TRUE(engine.allows("ip:1", 2));
  engine.clock.advance(7s + 1ns);
  const LimitStatus key = engine.status("k");
  const LimitStatus born = engine.status("ip:1");
  for (const LimitOptions& options : {kBlock, kShadow, LimitOptions{}}) {
    must(engine.limit("k", sliding_log(5, 1min), options));
    must(engine.limit("ip:*", token_bucket(5, 1min), options));
    EXPECT_EQ(engine.status("k").reset_at, key.reset_at);
    EXPECT_EQ(engine.status("k").remaining, key.remaining);
    EXPECT_EQ(engine.status("ip:1").reset_at, born.reset_at);
    EXPECT_EQ(engine.status("ip:1").mode, options.mode);
    engine.reopen();
    EXPECT_EQ(engine.status("k").mode, options.mode);
    EXPECT_EQ(engine.status("k").reset_at, key.reset_at);
    EXPECT_EQ(engine.status("ip:1").reset_at, born.reset_at);
  }
  const storage::Seq seq = engine.last_seq();
  must(engine.limit("k", sliding_log(5, 1min)));
  EXPECT_EQ(engine.last_seq(), seq) << "the same values write nothing";
}

TEST_F(Modes, TheHistoryTellsOfThem) {
  must(engine.limit("k", fixed_window(2, 1h), kShadow));
  engine.check("k", 2);
  engine.check("k", 2);
  engine.check("k", 1);
  must(engine.limit("k", fixed_window(2, 1h), kBlock));
  engine.check("k");
  must(engine.limit("k", fixed_window(2, 1h)));
  must(engine->tick());
  EXPECT_THAT(engine.history("k"),
              ElementsAre("configured 0 x1 2/3600000ms fixed_window_counter shadow", "allowed 2 x1",
                          "configured 0 x1 2/3600000ms fixed_window_counter block", "denied 1 x1",
                          "configured 0 x1 2/3600000ms fixed_window_counter", "would_deny 3 x2"));
}

TEST_F(Modes, InACheckAllABlockDeniesTheWholeAndAShadowNever) {
  must(engine.limit("a", fixed_window(5, 1h)));
  must(engine.limit("shadow", fixed_window(2, 1h), kShadow));
  must(engine.limit("block", fixed_window(2, 1h), kBlock));
  const CheckAllResult allowed = engine.check_all({{"shadow", 3}, {"a", 1}});
  EXPECT_TRUE(allowed.allowed);
  EXPECT_EQ(allowed.results[0].would_deny, true);
  EXPECT_EQ(engine.remaining("a"), 4U);
  EXPECT_EQ(engine.remaining("shadow"), 2U);
  const CheckAllResult denied = engine.check_all({{"shadow", 3}, {"a", 1}, {"block", 1}});
  EXPECT_EQ(denied.denied_key, "block");
  EXPECT_EQ(denied.results[2].retry_after_ms, std::nullopt);
  EXPECT_EQ(engine.remaining("a"), 4U);
  EXPECT_EQ(engine.status("shadow").would_deny, 1U) << "only the key that denied counts";
  EXPECT_EQ(engine.status("block").total_denied, 1U);
}

/// Symptom: a charge together with a key of a carried limit made a shadow enforce after a restart.
TEST_F(Modes, OutliveARestartAfterACheckAllWithACarriedLimit) {
  must(engine.limit("shadow", sliding_log(5, 1h), kShadow));
  engine.check("shadow", 2);
  const Limit carried = token_bucket(5, 1h);
  const std::array<CheckItem, 2> items = {CheckItem{"shadow", 1}, CheckItem{"other", 1, &carried}};
  EXPECT_TRUE(must(engine->check_all(items)).value.allowed);
  const auto before = engine.statuses();
  must(engine->flush());
  engine.kill();
  engine.open();
  EXPECT_EQ(engine.statuses(), before);
  EXPECT_EQ(engine.status("shadow").mode, Mode::kShadow);
  EXPECT_EQ(engine.remaining("shadow"), 2U);
}

TEST_F(Modes, ADryRunCountsNothing) {
  must(engine.limit("shadow", fixed_window(2, 1h), kShadow));
  must(engine.limit("block", fixed_window(2, 1h), kBlock));
  EXPECT_EQ(must(engine->check("shadow", 3, {.dry_run = true})).value.would_deny, true);
  EXPECT_FALSE(must(engine->check("block", 1, {.dry_run = true})).value.allowed);
  EXPECT_EQ(engine.status("shadow").would_deny, 0U);
  EXPECT_EQ(engine.status("block").total_denied, 0U);
}

TEST_F(Modes, OfAPatternHoldAlsoWhereACheckCarriesALimit) {
  must(engine.limit("ip:*", token_bucket(2, 1h), kBlock));
  EXPECT_TRUE(engine.status("ip:*").overrides);
  EXPECT_FALSE(engine.check("ip:1", 1, token_bucket(9, 1h)).allowed);
  EXPECT_EQ(engine->stats().born_keys, 0U) << "a key that was only denied does not come to life";
  EXPECT_EQ(engine.status("ip:*").total_denied, 1U) << "its pattern counts for it";
  must(engine.limit("ip:*", token_bucket(2, 1h)));
  EXPECT_TRUE(engine.check("ip:1", 3, token_bucket(9, 1h)).allowed);
}

TEST_F(Modes, AreNotForgottenWithTheKeysOfAPattern) {
  must(engine.limit("ip:*", token_bucket(2, 1s), kShadow));
  engine.check("ip:1", 2);
  engine.check("ip:1", 2);
  engine.check("ip:2", 3);
  engine.clock.advance(10s);
  must(engine->tick());
  EXPECT_EQ(engine->stats().born_keys, 0U);
  EXPECT_EQ(engine.status("ip:*").would_deny, 2U);
  EXPECT_EQ(engine.status("ip:*").total_allowed, 1U);
  must(engine->compact());
  engine.reopen();
  EXPECT_EQ(engine.status("ip:*").would_deny, 2U);
  EXPECT_EQ(engine.status("ip:*").mode, Mode::kShadow);
  EXPECT_EQ(engine.check("ip:3").would_deny, false);
}

TEST_F(Modes, AShadowLetsNewKeysPassWhereThereIsNoRoom) {
  engine.options.max_keys = 1;
  engine.reopen();
  must(engine.limit("ip:*", token_bucket(2, 1h), kShadow));
  EXPECT_TRUE(engine.allows("ip:1"));
  const Decision beyond = engine.check("ip:2");
  EXPECT_TRUE(beyond.allowed);
  EXPECT_TRUE(beyond.keys_full);
  EXPECT_EQ(beyond.would_deny, true);
  must(engine.limit("ip:*", token_bucket(2, 1h), kBlock));
  EXPECT_FALSE(engine.check("ip:2").keys_full) << "a block needs no room";
}

TEST_F(Modes, AnOverrideIsStillForPatterns) {
  EXPECT_THAT(engine.limit("k", token_bucket(1, 1s), {.overrides = true, .mode = Mode::kBlock}).message(),
              HasSubstr("override is for patterns"));
}

}  // namespace
}  // namespace flint::limiter
