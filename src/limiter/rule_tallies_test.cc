#include "limiter/rule_tallies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "testing/engine_fixture.h"

/// What Stats says of each rule.
namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::EngineFixture;
using testing::fixed_window;
using testing::must;
using testing::token_bucket;

std::vector<std::string> rules(EngineFixture& engine) {
  std::vector<std::string> texts;
  for (const RuleStats& rule : engine->stats().rules) {
    std::string text = rule.rule + ": " + std::to_string(rule.allowed) + " allowed, " + std::to_string(rule.denied) +
                       " denied, " + std::to_string(rule.would_deny) + " would deny, " +
                       std::to_string(rule.forgotten_keys) + " forgotten";
    if (rule.keys) text += ", " + std::to_string(*rule.keys) + " keys";
    texts.push_back(std::move(text));
  }
  return texts;
}

TEST(RuleTallies, EachRuleCountsWhatItDecides) {
  EngineFixture engine;
  must(engine.limit("user", fixed_window(1, 1h)));
  must(engine.limit("tried", fixed_window(1, 1h), {.mode = Mode::kShadow}));
  must(engine.limit("ip:*", fixed_window(2, 1h)));
  must(engine.limit("ip:10.*", fixed_window(1, 1h), {.mode = Mode::kShadow}));
  const Limit carried = fixed_window(3, 1h);
  EXPECT_THAT(rules(engine), ElementsAre("exact: 0 allowed, 0 denied, 0 would deny, 0 forgotten",
                                         "carried: 0 allowed, 0 denied, 0 would deny, 0 forgotten",
                                         "ip:*: 0 allowed, 0 denied, 0 would deny, 0 forgotten, 0 keys",
                                         "ip:10.*: 0 allowed, 0 denied, 0 would deny, 0 forgotten, 0 keys"));
  for (int i = 0; i < 3; ++i) {
    engine.check("user");
    engine.check("tried");
    engine.check("ip:1");
    engine.check("ip:10.1");
  }
  for (int i = 0; i < 5; ++i) engine.check("session", 1, carried);
  const std::array<CheckItem, 3> items = {CheckItem{"ip:2", 1}, CheckItem{"session2", 1, &carried},
                                          CheckItem{"user", 1}};
  EXPECT_FALSE(must(engine->check_all(items)).value.allowed);
  EXPECT_TRUE(must(engine->check_all(std::span(items).first(2))).value.allowed);
  EXPECT_FALSE(must(engine->check("user", 1, {.dry_run = true})).value.allowed) << "which counts nothing";
  EXPECT_THAT(rules(engine), ElementsAre("exact: 2 allowed, 3 denied, 2 would deny, 0 forgotten",
                                         "carried: 4 allowed, 2 denied, 0 would deny, 0 forgotten",
                                         "ip:*: 3 allowed, 1 denied, 0 would deny, 0 forgotten, 2 keys",
                                         "ip:10.*: 1 allowed, 0 denied, 2 would deny, 0 forgotten, 1 keys"));
  const Stats stats = engine->stats();
  EXPECT_EQ(stats.allowed, 10U);
  EXPECT_EQ(stats.denied, 6U);
  EXPECT_EQ(stats.would_deny, 4U);
  engine.reopen();
  EXPECT_THAT(rules(engine), ElementsAre("exact: 0 allowed, 0 denied, 0 would deny, 0 forgotten",
                                         "carried: 0 allowed, 0 denied, 0 would deny, 0 forgotten",
                                         "ip:*: 0 allowed, 0 denied, 0 would deny, 0 forgotten, 2 keys",
                                         "ip:10.*: 0 allowed, 0 denied, 0 would deny, 0 forgotten, 1 keys"));
}

TEST(RuleTallies, AChangedPatternCountsOnWithAllItsKeys) {
  EngineFixture engine;
  must(engine.limit("ip:*", fixed_window(2, 1h)));
  for (const char* key : {"ip:1", "ip:2", "ip:3"}) engine.check(key);
  for (Units rate = 3; rate < 6; ++rate) {
    must(engine.limit("ip:*", fixed_window(rate, 1h)));
    engine.check("ip:" + std::to_string(rate - 2));
    EXPECT_EQ(engine->stats().rules.back().keys, 3U) << "keys follow one by one";
  }
  must(engine.reset("ip:*"));
  EXPECT_EQ(engine->stats().rules.back().keys, 3U);
  EXPECT_EQ(engine->stats().rules.back().allowed, 6U);
  engine.clock.advance(2h);
  must(engine->tick());
  EXPECT_THAT(rules(engine), ElementsAre("exact: 0 allowed, 0 denied, 0 would deny, 0 forgotten",
                                         "carried: 0 allowed, 0 denied, 0 would deny, 0 forgotten",
                                         "ip:*: 6 allowed, 0 denied, 0 would deny, 3 forgotten, 0 keys"));
  must(engine.limit("ip:*", fixed_window(9, 1h)));
  EXPECT_EQ(engine->stats().rules.back().keys, 0U);
}

TEST(RuleTallies, ReservationsAndChargesCountAsOneOfTheirKey) {
  EngineFixture engine;
  must(engine.limit("ip:*", fixed_window(5, 1h)));
  const std::array<CheckItem, 2> items = {CheckItem{"ip:1", 2}, CheckItem{"ip:2", 2}};
  const ReserveOptions options{.ttl = 1min};
  EXPECT_TRUE(must(engine->reserve(items, options)).value.decision.allowed);
  EXPECT_TRUE(must(engine->reserve(items, options)).value.decision.allowed);
  EXPECT_FALSE(must(engine->reserve(items, options)).value.decision.allowed);
  must(engine->charge("ip:1", 9, {}));
  EXPECT_EQ(rules(engine).back(), "ip:*: 5 allowed, 1 denied, 0 would deny, 0 forgotten, 2 keys");
  must(engine.limit("ip:*", fixed_window(6, 1h)));
  EXPECT_EQ(engine->stats().rules.back().keys, 2U);
  engine.check("ip:3");
  EXPECT_EQ(engine->stats().rules.back().keys, 3U);
}

TEST(RuleTallies, ADeletedPatternStaysInTheSums) {
  EngineFixture engine;
  must(engine.limit("ip:*", fixed_window(2, 1h)));
  engine.check("ip:1");
  must(engine.remove("ip:*"));
  EXPECT_EQ(engine->stats().rules.size(), 2U);
  EXPECT_EQ(engine->stats().allowed, 1U);
  must(engine.limit("ip:*", fixed_window(2, 1h)));
  engine.check("ip:1");
  EXPECT_EQ(engine->stats().rules.back().allowed, 1U);
  EXPECT_EQ(engine->stats().allowed, 2U);
}

TEST(RuleTallies, PatternsBeyondTheFirstHundredShareOne) {
  EngineFixture engine;
  for (std::size_t i = 0; i < kMaxRuleStats + 5; ++i) {
    must(engine.limit(std::to_string(1000 + i) + ":*", fixed_window(1, 1h)));
    engine.check(std::to_string(1000 + i) + ":a");
  }
  std::vector<RuleStats> rules = engine->stats().rules;
  ASSERT_EQ(rules.size(), kMaxRuleStats + 3);
  EXPECT_EQ(rules.back().rule, kOtherRules);
  EXPECT_EQ(rules.back().allowed, 5U);
  must(engine.remove("1000:*"));
  must(engine.limit("1104:*", fixed_window(2, 1h)));
  engine.check("1104:a");
  rules = engine->stats().rules;
  EXPECT_EQ(rules[rules.size() - 2].rule, "1104:*") << "a changed pattern takes the place that is free";
  EXPECT_EQ(rules[rules.size() - 2].allowed, 1U);
  EXPECT_EQ(rules.back().allowed, 5U);
  EXPECT_EQ(engine->stats().allowed, kMaxRuleStats + 6);
  engine.reopen();
  EXPECT_EQ(engine->stats().rules.size(), kMaxRuleStats + 2) << "none of the others has decided yet";
}

TEST(RuleTallies, WhatForgottenKeysOfCarriedLimitsDidIsKept) {
  EngineFixture engine;
  for (int i = 0; i < 3; ++i) engine.check("user", 2, fixed_window(5, 1s));
  EXPECT_EQ(engine->stats().forgotten_carried.allowed, 0U) << "it is still there";
  engine.clock.advance(2s);
  must(engine->tick());
  const auto expect_totals = [&] {
    const ForgottenTotals totals = engine->stats().forgotten_carried;
    EXPECT_EQ(totals.allowed, 2U);
    EXPECT_EQ(totals.denied, 1U);
    EXPECT_EQ(totals.allowed_cost, 4U);
    EXPECT_EQ(totals.denied_cost, 2U);
    EXPECT_EQ(totals.would_deny, 0U);
  };
  expect_totals();
  EXPECT_EQ(engine->stats().rules[1].forgotten_keys, 1U);
  engine.kill();
  engine.open();
  expect_totals();
  must(engine->compact());
  engine.reopen();
  expect_totals();
}

}  // namespace
}  // namespace flint::limiter
