#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/engine_fixture.h"

/// Patterns and carried limits: which rule holds, how keys come to life, and how they are forgotten.
namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::EngineFixture;
using testing::fixed_window;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::keys_of;
using testing::must;
using testing::sliding_log;
using testing::token_bucket;

TEST(Rules, AKeyOfAPatternIsBornWithItsFirstCheckAsOneRecord) {
  EngineFixture engine;
  must(engine.limit("ip:*", token_bucket(2, 1h)));
  const storage::Seq before = engine.last_seq();
  EXPECT_TRUE(engine.allows("ip:1"));
  EXPECT_EQ(engine.last_seq(), before + 1);
  EXPECT_TRUE(engine.allows("ip:1"));
  EXPECT_FALSE(engine.allows("ip:1"));
  EXPECT_TRUE(engine.allows("ip:2")) << "each key has its own quota";
  EXPECT_EQ(engine.try_check("other").code(), Code::kLimitNotFound);
  engine.kill();
  engine.open();
  EXPECT_FALSE(engine.allows("ip:1"));
  EXPECT_TRUE(engine.allows("ip:2"));
}

TEST(Rules, ACarriedLimitNeedsNoSetUpAndOneRecord) {
  EngineFixture engine;
  const Limit limit = token_bucket(2, 1h);
  EXPECT_TRUE(engine.check("user", 1, limit).allowed);
  EXPECT_TRUE(engine.check("user", 1, limit).allowed);
  EXPECT_FALSE(engine.check("user", 1, limit).allowed);
  EXPECT_EQ(engine.try_check("user").code(), Code::kLimitNotFound) << "a check that carries none";
  EXPECT_EQ(engine.status("user").source, Source::kCarried);
  EXPECT_EQ(engine.remaining("user"), 0U);
  engine.kill();
  engine.open();
  EXPECT_FALSE(engine.check("user", 1, limit).allowed);
}

TEST(Rules, TheWordOfTheOperatorComesFirst) {
  EngineFixture engine;
  must(engine.limit("*", fixed_window(1, 1h)));
  must(engine.limit("a:*", fixed_window(2, 1h)));
  must(engine.limit("a:b:*", fixed_window(3, 1h), {.overrides = true}));
  must(engine.limit("a:b:c", fixed_window(4, 1h)));
  const Limit carried = fixed_window(9, 1h);
  const auto capacity = [&](std::string_view key, const std::optional<Limit>& limit = {}) {
    return engine.check(key, 1, limit).capacity;
  };
  EXPECT_EQ(capacity("a:b:c", carried), 4U) << "set for exactly this key";
  EXPECT_EQ(capacity("a:b:d", carried), 3U) << "a pattern that overrides";
  EXPECT_EQ(capacity("a:c", carried), 9U);
  EXPECT_EQ(capacity("a:d"), 2U) << "the longest pattern";
  EXPECT_EQ(capacity("b"), 1U);
  must(engine.limit("a:*", fixed_window(2, 1h), {.overrides = true}));
  must(engine.limit("a:b:*", fixed_window(3, 1h)));
  EXPECT_EQ(capacity("a:b:e"), 2U) << "one that overrides comes before a longer one";
}

// Two versions of a program, each with its own limit during a deploy, granted the sum of both.
TEST(Rules, ToAlternateBetweenRulesGrantsNothing) {
  EngineFixture engine;
  const Limit low = fixed_window(10, 1h);
  const Limit high = fixed_window(30, 1h);
  Units granted = 0;
  for (int i = 0; i < 100; ++i) {
    granted += engine.check("user", 1, i % 2 == 0 ? low : high).allowed ? 1 : 0;
  }
  EXPECT_EQ(granted, 30U) << "what the more generous of them allows";
  EXPECT_EQ(engine.check("user", 1, low).remaining, 0U);
}

TEST(Rules, ADebtUnderAStricterRuleIsWorkedOff) {
  EngineFixture engine;
  const Limit slow = token_bucket(10, 10s);
  const Limit fast = token_bucket(100, 1h);
  EXPECT_TRUE(engine.check("user", 1, slow).allowed);
  EXPECT_TRUE(engine.check("user", 49, fast).allowed);
  EXPECT_EQ(engine.check("user", 1, slow).retry_after_ms, 41'000U) << "50 in use of 10, one a second";
}

TEST(Rules, AChangedPatternHoldsAtOnceForAllItsKeys) {
  EngineFixture engine;
  must(engine.limit("ip:*", fixed_window(100, 1h)));
  engine.check("ip:1", 60);
  engine.check("ip:2", 1);
  const storage::Seq before = engine.last_seq();
  must(engine.limit("ip:*", fixed_window(10, 1h)));
  EXPECT_EQ(engine.last_seq(), before + 1) << "one record, however many keys";
  EXPECT_EQ(engine.remaining("ip:1"), 0U);
  EXPECT_EQ(engine.remaining("ip:2"), 9U);
  must(engine.limit("ip:*", fixed_window(20, 1h)));
  EXPECT_EQ(engine.remaining("ip:1"), 10U) << "cut to 10 when the limit was lowered";
  engine.reopen();
  EXPECT_EQ(engine.remaining("ip:1"), 10U);
}

TEST(Rules, AResetPatternGivesAllItsKeysTheirQuotaBack) {
  EngineFixture engine;
  must(engine.limit("ip:*", fixed_window(3, 1h)));
  engine.check("ip:1", 3);
  engine.check("ip:2", 2);
  must(engine.reset("ip:*"));
  EXPECT_EQ(engine.remaining("ip:1"), 3U);
  EXPECT_EQ(engine.remaining("ip:2"), 3U);
  EXPECT_TRUE(engine.status("ip:1").last_reset_at.has_value());
}

// A key that lived by two patterns told of the earlier of their resets.
TEST(Rules, TheLastResetOfAKeyIsThatOfThePatternThatWasResetLast) {
  EngineFixture engine;
  must(engine.limit("ip:*", fixed_window(9, 1h)));
  engine.check("ip:v6:1");
  must(engine.limit("ip:v6:*", fixed_window(8, 1h)));
  engine.check("ip:v6:1");
  engine.clock.advance(1s);
  must(engine.reset("ip:*"));
  engine.clock.advance(1s);
  must(engine.reset("ip:v6:*"));
  const auto last = engine.status("ip:v6:1").last_reset_at;
  EXPECT_EQ(last, engine.status("ip:v6:*").last_reset_at);
}

TEST(Rules, KeysOfADeletedPatternFallToTheNextWithWhatTheyUsed) {
  EngineFixture engine;
  must(engine.limit("*", fixed_window(10, 1h)));
  must(engine.limit("ip:*", fixed_window(5, 1h)));
  engine.check("ip:1", 4);
  must(engine.remove("ip:*"));
  EXPECT_EQ(engine.status("ip:1").pattern, "*");
  EXPECT_EQ(engine.remaining("ip:1"), 6U);
  EXPECT_TRUE(engine.allows("ip:1", 6));
  EXPECT_FALSE(engine.allows("ip:1"));
}

TEST(Rules, ADeletedLimitForgivesAndLeavesTheKeyToItsPattern) {
  EngineFixture engine;
  must(engine.limit("ip:*", fixed_window(5, 1h)));
  must(engine.limit("ip:1", fixed_window(1, 1h)));
  EXPECT_TRUE(engine.allows("ip:1"));
  EXPECT_FALSE(engine.allows("ip:1"));
  must(engine.remove("ip:1"));
  EXPECT_EQ(engine.remaining("ip:1"), 5U);
  EXPECT_EQ(engine.remove("ip:1").code(), Code::kLimitNotFound);
  EXPECT_EQ(engine.remove("nobody").code(), Code::kLimitNotFound);
}

TEST(Rules, ALimitThatIsSetForABornKeyTakesItsUsageOver) {
  EngineFixture engine;
  must(engine.limit("ip:*", fixed_window(10, 1h)));
  engine.check("ip:1", 8);
  must(engine.limit("ip:1", fixed_window(9, 1h)));
  EXPECT_EQ(engine.remaining("ip:1"), 1U);
  EXPECT_EQ(engine.status("ip:1").source, Source::kSet);
  engine.reopen();
  EXPECT_EQ(engine.remaining("ip:1"), 1U);
}

TEST(Rules, AKeyIsForgottenOnceItsQuotaIsFullAgain) {
  EngineFixture engine;
  must(engine.limit("ip:*", token_bucket(10, 10s)));
  engine.check("ip:1", 1);
  engine.check("ip:2", 5);
  engine.check("user", 1, token_bucket(1, 1s));
  engine.clock.advance(1s);
  must(engine->tick());
  EXPECT_THAT(keys_of(must(engine->list({.keys = true}))), ElementsAre("ip:*", "ip:2"));
  EXPECT_EQ(engine->stats().forgotten_keys, 2U);
  EXPECT_EQ(engine->stats().born_keys, 1U);
  const LimitStatus pattern = engine.status("ip:*");
  EXPECT_EQ(pattern.keys, 1U);
  EXPECT_EQ(pattern.total_allowed_cost, 6U) << "what the forgotten key used is counted on";
  engine.kill();
  engine.open();
  EXPECT_EQ(engine.status("ip:*").total_allowed_cost, 6U);
  EXPECT_THAT(keys_of(must(engine->list({.keys = true}))), ElementsAre("ip:*", "ip:2"));
}

// A million addresses, each seen once, filled the memory.
TEST(Rules, NewKeysPayForForgettingOldOnes) {
  EngineFixture engine;
  must(engine.limit("ip:*", token_bucket(10, 1s)));
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_TRUE(engine.allows("ip:" + std::to_string(i)));
    engine.clock.advance(1ms);
  }
  EXPECT_LT(engine->stats().born_keys, 200U) << "some hundred are in use at any time";
}

// The limit of a decision was read from a rule that had gone with its key: one whose quota was full again a nanosecond
// later.
TEST(Rules, AKeyMayBeFullAgainBeforeItsDecisionIsTold) {
  EngineFixture engine;
  const Limit limit{.rate = kMaxUnits, .per = 1ms};
  engine.clock.tick_by(10ns);
  for (int i = 0; i < 2'000; ++i) {
    const Limit own{.rate = kMaxUnits - static_cast<Units>(i), .per = 1ms};
    const std::string key = "key " + std::to_string(i);
    ASSERT_EQ(engine.check(key, 1, own).capacity, own.rate);
    ASSERT_EQ(engine.check(key, 1, limit).capacity, kMaxUnits);
    ASSERT_EQ(engine.check(key, 1, own).capacity, own.rate);
  }
}

TEST(Rules, AKeyWithALimitOfItsOwnIsNeverForgotten) {
  EngineFixture engine;
  must(engine.limit("user", token_bucket(1, 1s)));
  engine.clock.advance(1h);
  must(engine->tick());
  EXPECT_TRUE(engine.allows("user"));
  EXPECT_EQ(engine->stats().keys, 1U);
}

TEST(Rules, BeyondTheMostKeysANewOneIsDeniedOrAllowed) {
  for (const OnFull on_full : {OnFull::kDeny, OnFull::kAllow}) {
    EngineFixture engine;
    engine.close();
    engine.options.max_keys = 2;
    engine.options.on_full = on_full;
    engine.open();
    must(engine.limit("ip:*", token_bucket(10, 1s)));
    must(engine.limit("exact", token_bucket(10, 1s)));
    EXPECT_TRUE(engine.allows("ip:1"));
    EXPECT_TRUE(engine.allows("ip:2"));
    const Decision full = engine.check("ip:3");
    EXPECT_TRUE(full.keys_full);
    EXPECT_EQ(full.allowed, on_full == OnFull::kAllow);
    EXPECT_EQ(full.retry_after_ms, full.allowed ? 0U : 1000U);
    EXPECT_TRUE(engine.allows("ip:1")) << "keys that are there go on";
    EXPECT_TRUE(engine.allows("exact"));
    const CheckAllResult all = engine.check_all({{"exact", 1}, {"ip:4", 1}});
    EXPECT_EQ(all.allowed, on_full == OnFull::kAllow);
    EXPECT_EQ(engine.remaining("exact"), on_full == OnFull::kAllow ? 8U : 9U);
    EXPECT_EQ(engine->stats().keys_full, 2U);
    engine.clock.advance(1s);
    EXPECT_FALSE(engine.check("ip:5").keys_full) << "room is looked for before a key is turned away";
    engine.kill();
    engine.open();
    EXPECT_EQ(engine.remaining("exact"), 10U);
  }
}

TEST(Rules, WhatCannotBeIsRefusedAndChangesNothing) {
  EngineFixture engine;
  must(engine.limit("ip:*", token_bucket(2, 1h)));
  const storage::Seq before = engine.last_seq();
  EXPECT_THAT(engine.try_check("ip:*").status().message(), HasSubstr("name of a pattern"));
  EXPECT_THAT(engine.limit("ip:*:a", token_bucket(2, 1h)).message(), HasSubstr("not its last character"));
  EXPECT_EQ(engine.limit("ip:**", token_bucket(2, 1h)).code(), Code::kInvalidArgument);
  EXPECT_EQ(engine.limit("ip:1", token_bucket(2, 1h), {.overrides = true}).code(), Code::kInvalidArgument);
  EXPECT_EQ(engine.try_check("ip:1", 3).code(), Code::kInvalidArgument) << "above the capacity of the pattern";
  EXPECT_EQ(engine.try_check("user", 1, token_bucket(0, 1h)).code(), Code::kInvalidArgument);
  EXPECT_EQ(engine.try_check(std::string(513, 'x'), 1, token_bucket(1, 1h)).code(), Code::kInvalidArgument);
  EXPECT_EQ(engine.try_check("ip:\xff").code(), Code::kInvalidArgument);
  const std::vector<CheckItem> twice = {{"ip:1", 1}, {"ip:1", 1}};
  EXPECT_EQ(engine.try_check_all(twice).code(), Code::kInvalidArgument);
  const Limit no_limit = token_bucket(1, 0s);
  const std::vector<CheckItem> invalid = {{"ip:1", 1}, {"user", 1, &no_limit}};
  EXPECT_EQ(engine.try_check_all(invalid).code(), Code::kInvalidArgument);
  EXPECT_EQ(engine->reset_prefix("").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(engine->remove_prefix("").status().code(), Code::kInvalidArgument);
  EXPECT_EQ(engine.last_seq(), before);
  EXPECT_EQ(engine->stats().born_keys, 0U);
}

TEST(Rules, ACheckOfManyNewKeysWithLongNamesIsOneRecordOrRefused) {
  EngineFixture engine;
  must(engine.limit("*", token_bucket(2, 1h)));
  std::vector<std::string> names;
  for (int i = 0; i < 128; ++i) names.push_back(std::to_string(1000 + i) + std::string(508, 'x'));
  std::vector<CheckItem> items;
  for (int i = 0; i < 100; ++i) items.push_back({names[i], 1});
  EXPECT_TRUE(engine.check_all(items).allowed);
  EXPECT_EQ(engine->stats().born_keys, 100U);
  items.clear();
  for (std::string& name : names) {
    name[0] = '2';
    items.push_back({name, 1});
  }
  EXPECT_EQ(engine.try_check_all(items).code(), Code::kInvalidArgument);
  EXPECT_EQ(engine->stats().born_keys, 100U);
  engine.kill();
  engine.open();
  EXPECT_EQ(engine->stats().born_keys, 100U);
}

TEST(Rules, DeletingAndResettingByPrefixReachesLimitsPatternsAndKeys) {
  EngineFixture engine;
  must(engine.limit("ip:*", fixed_window(5, 1h)));
  must(engine.limit("ip:fixed", fixed_window(5, 1h)));
  must(engine.limit("user", fixed_window(5, 1h)));
  for (int i = 0; i < 200; ++i) engine.check("ip:" + std::to_string(i), 5);
  EXPECT_EQ(must(engine->reset_prefix("ip:")).value, 202U);
  EXPECT_EQ(engine.remaining("ip:7"), 5U);
  EXPECT_EQ(must(engine->remove_prefix("ip:1")).value, 111U);
  EXPECT_EQ(must(engine->remove_prefix("ip:")).value, 91U);
  EXPECT_THAT(keys_of(must(engine->list({.keys = true}))), ElementsAre("user"));
  engine.reopen();
  EXPECT_THAT(keys_of(must(engine->list({.keys = true}))), ElementsAre("user"));
}

TEST(Rules, AListShowsKeysOfPatternsOnlyWhereTheyAreAskedFor) {
  EngineFixture engine;
  must(engine.limit("b:*", fixed_window(5, 1h)));
  must(engine.limit("c", fixed_window(5, 1h)));
  engine.check("b:1");
  engine.check("a", 1, fixed_window(5, 1h));
  EXPECT_THAT(keys_of(must(engine->list({}))), ElementsAre("b:*", "c"));
  EXPECT_THAT(keys_of(must(engine->list({.keys = true}))), ElementsAre("a", "b:*", "b:1", "c"));
  EXPECT_THAT(keys_of(must(engine->list({.after = "a", .max_rows = 2, .keys = true}))), ElementsAre("b:*", "b:1"));
  EXPECT_THAT(keys_of(must(engine->list({.prefix = "b:", .keys = true}))), ElementsAre("b:*", "b:1"));
  EXPECT_THAT(keys_of(must(engine->list({.prefix = "d", .keys = true}))), IsEmpty());
}

// An id that was given back had the history of the key that had it before.
TEST(Rules, AHistoryIsThatOfTheKeyAndNotOfItsId) {
  EngineFixture engine;
  const Limit limit = token_bucket(5, 1s);
  engine.check("old", 1, limit);
  must(engine.remove("old"));
  engine.check("new", 2, limit);
  EXPECT_THAT(engine.history("new"), ElementsAre("allowed 2 x1"));
  engine.check("old", 3, limit);
  EXPECT_THAT(engine.history("old"), ElementsAre("allowed 1 x1", "allowed 3 x1"));
}

}  // namespace
}  // namespace flint::limiter
