#include "algorithm/sliding_log.h"

#include <gtest/gtest.h>

#include <vector>

namespace flint::algorithm {
namespace {

using namespace std::chrono_literals;

// Inside of a test, Run is testing::Test::Run.
using LogRun = Run;

constexpr std::size_t kBytesPerRun = 16;

Limit limit_of(Units rate, Nanos per) { return {.rate = rate, .per = per, .algorithm = Algorithm::kSlidingWindowLog}; }

TEST(SlidingLogRegressionTest, OneRequestOfATrillionUnitsTakesGigabytes) {
  // One entry a unit: 2^40 entries, for a cost that any caller may name.
  SlidingLog log = SlidingLog::fresh();
  log.consume(limit_of(kMaxUnits, 1s), kMaxUnits, Time{});
  EXPECT_EQ(log.size(), 1U);
  EXPECT_EQ(log.run(0), (LogRun{Time{}, kMaxUnits}));
  EXPECT_LE(log.memory(), 4 * kBytesPerRun);
}

TEST(SlidingLogTest, UnitsOfOneTimeAreOneRun) {
  SlidingLog log = SlidingLog::fresh();
  for (int i = 0; i < 1000; ++i) log.consume(limit_of(1000, 1s), 1, Time{});
  EXPECT_EQ(log.size(), 1U);
  EXPECT_EQ(log.spent(Time{}, 1s), 1000U);
}

TEST(SlidingLogTest, ASteadyStreamKeepsOnlyWhatCounts) {
  const Limit limit = limit_of(1000, 1s);
  SlidingLog log = SlidingLog::fresh();
  for (int i = 0; i < 100'000; ++i) {
    const Time now(i * 1ms);
    ASSERT_TRUE(log.decide(limit, 1, now).allowed);
    log.consume(limit, 1, now);
    ASSERT_LE(log.size(), 1000U);
  }
  EXPECT_EQ(log.size(), 1000U);
  EXPECT_LE(log.memory(), 4U * 1000U * kBytesPerRun);
}

TEST(SlidingLogTest, TheMemoryOfABurstIsGivenBack) {
  const Limit limit = limit_of(100'000, 1s);
  SlidingLog log = SlidingLog::fresh();
  for (int i = 0; i < 100'000; ++i) log.consume(limit, 1, Time(Nanos(i)));
  ASSERT_GE(log.memory(), 100'000 * kBytesPerRun);
  log.consume(limit, 1, Time(1h));
  EXPECT_EQ(log.size(), 1U);
  EXPECT_LE(log.memory(), 4 * kBytesPerRun);
}

TEST(SlidingLogTest, SumsBeyondSixtyFourBitsOnlyEverShowDifferences) {
  const Limit limit = limit_of(kMaxUnits, 1ms);
  SlidingLog log = SlidingLog::fresh();
  constexpr int kWraps = (1 << 24) + 5;
  for (int i = 0; i < kWraps; ++i) log.append(Time(i * 1ms), kMaxUnits, 1ms);
  const Time last((kWraps - 1) * 1ms);
  EXPECT_EQ(log.size(), 1U);
  EXPECT_EQ(log.spent(last, 1ms), kMaxUnits);
  EXPECT_FALSE(log.decide(limit, 1, last).allowed);
  EXPECT_EQ(log.spent(last + 1ms, 1ms), 0U);
}

TEST(SlidingLogTest, IsReadBackFromItsRuns) {
  const LogRun runs[] = {{Time(1ns), 3}, {Time(2ns), 1}, {Time(9ns), kMaxUnits - 4}};
  const std::optional<SlidingLog> log = SlidingLog::from_runs(runs);
  ASSERT_TRUE(log);
  ASSERT_EQ(log->size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(log->run(i), runs[i]);
  EXPECT_EQ(log->spent(Time(9ns), 1s), kMaxUnits);
  EXPECT_EQ(SlidingLog::from_runs({}), SlidingLog::fresh());
}

TEST(SlidingLogTest, RunsThatCannotBeAreRefused) {
  const auto refused = [](std::vector<LogRun> runs) { return !SlidingLog::from_runs(runs); };
  EXPECT_TRUE(refused({{Time(1ns), 0}}));
  EXPECT_TRUE(refused({{Time(2ns), 1}, {Time(1ns), 1}}));
  EXPECT_TRUE(refused({{Time(2ns), 1}, {Time(2ns), 1}}));
  EXPECT_TRUE(refused({{Time(1ns), kMaxUnits}, {Time(2ns), 1}}));
  EXPECT_TRUE(refused({{Time(1ns), 2}, {Time(2ns), ~Units{0}}}));
}

TEST(SlidingLogTest, EqualityIsOfTheRunsNotOfWhatWentBefore) {
  SlidingLog old = SlidingLog::fresh();
  old.append(Time(1s), 5, 1s);
  old.append(Time(10s), 2, 1s);
  SlidingLog young = SlidingLog::fresh();
  young.append(Time(10s), 2, 1s);
  EXPECT_EQ(old, young);
  young.append(Time(10s), 1, 1s);
  EXPECT_FALSE(old == young);
}

}  // namespace
}  // namespace flint::algorithm
