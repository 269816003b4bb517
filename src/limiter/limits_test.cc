#include "limiter/limits.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/calendar.h"
#include "limiter/ruled_events.h"
#include "testing/choices.h"
#include "testing/seed.h"

namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using testing::Random;

const Limit kLimit{.rate = 10, .per = 1s, .algorithm = Algorithm::kTokenBucket, .burst = std::nullopt};

TEST(Limits, EqualLimitsAreOneRule) {
  Limits limits;
  const Rule one = limits.rule(kLimit);
  const Rule other = limits.rule(kLimit);
  EXPECT_EQ(one.limit(), kLimit);
  EXPECT_EQ(&one.limit(), &other.limit());
  EXPECT_EQ(limits.size(), 1U);
}

TEST(Limits, ARuleKnowsHowRecordsHoldItsLimit) {
  Limits limits;
  Limit most = {.rate = kMaxUnits, .per = kMaxPeriod, .burst = kMaxUnits};
  for (std::size_t window = 1; window < kMaxWindows; ++window) {
    most.further.push_back({.rate = kMaxUnits, .per = kMaxPeriod - std::chrono::milliseconds(window)});
  }
  Limit month{.rate = 5, .algorithm = Algorithm::kFixedWindowCounter, .align = Align::kMonth};
  month.timezone = std::string(base::kMaxTimezoneBytes, 'z');
  storage::Seq version = 0;
  for (const Limit& limit : {kLimit, most, month}) {
    std::array<std::byte, 2048> buffer;
    base::Writer out(buffer);
    write_whole_limit(out, limit);
    const std::string_view wanted(reinterpret_cast<const char*>(buffer.data()), out.written().size());
    EXPECT_EQ(limits.rule(limit).written(), wanted);
    EXPECT_EQ(limits.version(++version, limit).written(), wanted);
  }
}

TEST(Limits, EachFieldMakesAnotherRule) {
  Limits limits;
  std::vector<Rule> rules = {limits.rule(kLimit)};
  for (Limit limit : {kLimit, kLimit, kLimit, kLimit}) {
    if (rules.size() == 1) limit.rate = 11;
    if (rules.size() == 2) limit.per = 2s;
    if (rules.size() == 3) limit.algorithm = Algorithm::kFixedWindowCounter;
    if (rules.size() == 4) limit.burst = 10;
    rules.push_back(limits.rule(limit));
    EXPECT_EQ(rules.back().limit(), limit);
  }
  EXPECT_EQ(limits.size(), 5U);
  rules.push_back(limits.rule(kLimit, Mode::kBlock));
  EXPECT_EQ(rules.back().mode(), Mode::kBlock);
  EXPECT_FALSE(rules.back() == rules.front());
  EXPECT_EQ(limits.size(), 6U);
}

TEST(Limits, ARuleEndsWithItsLastUser) {
  Limits limits;
  Rule kept;
  {
    const Rule first = limits.rule(kLimit);
    kept = first;
    Rule moved = limits.rule(kLimit);
    kept = std::move(moved);
  }
  EXPECT_EQ(limits.size(), 1U);
  EXPECT_EQ(kept.limit(), kLimit);
  kept = Rule();
  EXPECT_EQ(limits.size(), 0U);
}

TEST(Limits, RulesOutliveThem) {
  Rule rule;
  {
    Limits limits;
    rule = limits.rule(kLimit);
    limits = Limits();
    EXPECT_EQ(limits.size(), 0U);
  }
  EXPECT_EQ(rule.limit(), kLimit);
}

TEST(Limits, AreThoseThatAreInUse) {
  Random random(testing::test_seed());
  Limits limits;
  std::vector<Rule> rules(50);
  std::set<Units> rates;
  for (int step = 0; step < 5'000; ++step) {
    Rule& rule = rules[random.pick(rules.size())];
    rule = random.one_in(3) ? Rule() : limits.rule({.rate = 1 + random.pick(20), .per = 1s});
    rates.clear();
    for (const Rule& each : rules) {
      if (each.is_set()) rates.insert(each.limit().rate);
    }
    ASSERT_EQ(limits.size(), rates.size());
  }
}

}  // namespace
}  // namespace flint::limiter
