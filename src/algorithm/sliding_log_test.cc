#include "algorithm/sliding_log.h"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <random>
#include <vector>

#include "testing/consuming.h"
#include "testing/reference_model.h"
#include "testing/seed.h"

namespace flint::algorithm {
namespace {

using namespace std::chrono_literals;
using testing::consume;

// Inside of a test, Run is ::testing::Test::Run.
using LogRun = Run;

constexpr std::size_t kBytesPerRun = 16;

Limit limit_of(Units rate, Nanos per) { return {.rate = rate, .per = per, .algorithm = Algorithm::kSlidingWindowLog}; }

TEST(SlidingLogRegressionTest, OneRequestOfATrillionUnitsTakesGigabytes) {
  // One entry a unit: 2^40 entries, for a cost that any caller may name.
  SlidingLog log = SlidingLog::fresh();
  consume(log, limit_of(kMaxUnits, 1s), kMaxUnits, Time{});
  EXPECT_EQ(log.size(), 1U);
  EXPECT_EQ(log.run(0), (LogRun{Time{}, kMaxUnits}));
  EXPECT_LE(log.memory(), 4 * kBytesPerRun);
}

TEST(SlidingLogTest, UnitsOfOneTimeAreOneRun) {
  SlidingLog log = SlidingLog::fresh();
  for (int i = 0; i < 1000; ++i) consume(log, limit_of(1000, 1s), 1, Time{});
  EXPECT_EQ(log.size(), 1U);
  EXPECT_EQ(log.spent(Time{}, 1s), 1000U);
}

TEST(SlidingLogTest, ASteadyStreamKeepsOnlyWhatCounts) {
  const Limit limit = limit_of(1000, 1s);
  SlidingLog log = SlidingLog::fresh();
  for (int i = 0; i < 100'000; ++i) {
    const Time now(i * 1ms);
    ASSERT_TRUE(log.decide(limit, 1, now).allowed);
    consume(log, limit, 1, now);
    ASSERT_LE(log.size(), 1000U);
  }
  EXPECT_EQ(log.size(), 1000U);
  EXPECT_LE(log.memory(), 4U * 1000U * kBytesPerRun);
}

TEST(SlidingLogTest, TheMemoryOfABurstIsGivenBack) {
  const Limit limit = limit_of(100'000, 1s);
  SlidingLog log = SlidingLog::fresh();
  for (int i = 0; i < 100'000; ++i) consume(log, limit, 1, Time(Nanos(i)));
  ASSERT_GE(log.memory(), 100'000 * kBytesPerRun);
  consume(log, limit, 1, Time(1h));
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

/// What decode_runs() makes of these, each written by itself.
std::optional<SlidingLog> from_runs(const std::vector<LogRun>& runs) {
  SlidingLog log = SlidingLog::fresh();
  for (const LogRun& run : runs) {
    std::array<std::byte, 8 + SlidingLog::kMaxRunBytes> bytes;
    base::Writer out(bytes);
    out.fixed(run.time.time_since_epoch().count());
    out.varint(run.cost);
    base::Reader in(out.written());
    if (!log.decode_runs(in, 1s)) return std::nullopt;
  }
  return log;
}

TEST(SlidingLogTest, IsReadBackFromItsRuns) {
  const std::vector<LogRun> runs = {{Time(1ns), 3}, {Time(2ns), 1}, {Time(9ns), kMaxUnits - 4}};
  const std::optional<SlidingLog> log = from_runs(runs);
  ASSERT_TRUE(log);
  ASSERT_EQ(log->size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(log->run(i), runs[i]);
  EXPECT_EQ(log->spent(Time(9ns), 1s), kMaxUnits);
  EXPECT_EQ(from_runs({}), SlidingLog::fresh());
}

TEST(SlidingLogTest, RunsThatCannotBeAreRefused) {
  const auto refused = [](std::vector<LogRun> runs) { return !from_runs(runs); };
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

// A key of 8 million runs held all checks for 90 to 166 ms during a compaction, and took 128 MB.
TEST(SlidingLogRegressionTest, TheRunsOfAKeyAreBounded) {
  constexpr std::size_t kExtra = 1000;
  SlidingLog log = SlidingLog::fresh();
  for (std::size_t i = 0; i < SlidingLog::kMaxRuns + kExtra; ++i) log.append(Time(Nanos(i)), 1, 1h);
  EXPECT_EQ(log.size(), SlidingLog::kMaxRuns);
  EXPECT_EQ(log.run(0), (LogRun{Time(Nanos(kExtra)), kExtra + 1}));
  EXPECT_EQ(log.run(1), (LogRun{Time(Nanos(kExtra + 1)), 1}));
  EXPECT_EQ(log.spent(Time(1h), 1h), SlidingLog::kMaxRuns + kExtra);
  EXPECT_LE(log.memory(), 4 * SlidingLog::kMaxRuns * kBytesPerRun);
}

TEST(SlidingLogPropertyTest, MergedRunsAreThoseOfTheModelAndGrantNothing) {
  const std::uint64_t seed = testing::test_seed();
  for (std::uint64_t round = 0; round < 1000; ++round) {
    std::mt19937_64 random(seed + round);
    const std::size_t most = 1 + random() % 6;
    const Nanos per(1 + random() % 60);
    const Limit limit = limit_of(1 + random() % 40, per);
    SlidingLog log = SlidingLog::fresh();
    Time now{};
    testing::reference::Model model(limit, now, most);
    testing::reference::Model exact(limit, now, SIZE_MAX);
    for (int step = 0; step < 200; ++step) {
      now += Nanos(random() % 8);
      const Units cost = 1 + random() % std::min<Units>(limit.rate, 5);
      const Verdict verdict = log.decide(limit, cost, now);
      ASSERT_EQ(verdict, model.decide(cost, now)) << "seed " << seed + round;
      ASSERT_GE(model.in_use(now), exact.in_use(now)) << "usage was given back early; seed " << seed + round;
      if (!verdict.allowed) continue;
      log.append(now, cost, per, most);
      model.consume(cost, now);
      exact.consume(cost, now);
      ASSERT_LE(log.size(), most);
    }
  }
}

// A compaction held all checks for as long as it takes to copy a log of a million runs. Now it copies some at a time,
// and what is appended, expires, is merged, dropped or replaced in between is in the copy all the same.
TEST(SlidingLogPropertyTest, ACopyByPiecesIsTheLogAsItIsAtItsEnd) {
  const std::uint64_t seed = testing::test_seed();
  for (std::uint64_t round = 0; round < 3000; ++round) {
    std::mt19937_64 random(seed + round);
    const std::size_t most_runs = 2 + random() % 40;
    const std::size_t at_once = 1 + random() % 8;
    const Nanos per(1 + random() % 100);
    SlidingLog log = SlidingLog::fresh();
    Time now{};
    const auto change = [&] {
      now += Nanos(random() % 4);
      if (random() % 30 == 0) log = SlidingLog::fresh();
      if (random() % 30 == 0) now += Nanos(random() % 60);
      if (random() % 15 == 0) log.keep_newest(random() % 40, now, per);
      log.append(now, 1 + random() % 3, per, most_runs);
    };
    for (std::uint64_t i = random() % 100; i > 0; --i) change();
    SlidingLog copy = SlidingLog::fresh();
    for (int piece = 0; !log.copy_more(copy, at_once); ++piece) {
      for (std::uint64_t i = random() % (at_once + 1); i > 0 && piece < 1000; --i) change();
    }
    ASSERT_EQ(copy, log) << "seed " << seed + round;
    // And it goes on as the log does.
    for (int i = 0; i < 20; ++i) {
      now += Nanos(random() % 8);
      ASSERT_EQ(copy.spent(now, per), log.spent(now, per)) << "seed " << seed + round;
      copy.append(now, 1, per, most_runs);
      log.append(now, 1, per, most_runs);
      ASSERT_EQ(copy, log) << "seed " << seed + round;
    }
  }
}

}  // namespace
}  // namespace flint::algorithm
