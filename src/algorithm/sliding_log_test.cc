#include "algorithm/sliding_log.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "base/test_seed.h"

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

// A key of 8 million runs held all checks for 90 to 166 ms during a compaction, and took 128 MB.
TEST(SlidingLogRegressionTest, TheRunsOfAKeyAreBounded) {
  constexpr std::size_t kExtra = 1000;
  SlidingLog log = SlidingLog::fresh();
  for (std::size_t i = 0; i < SlidingLog::kMostRuns + kExtra; ++i) log.append(Time(Nanos(i)), 1, 1h);
  EXPECT_EQ(log.size(), SlidingLog::kMostRuns);
  EXPECT_EQ(log.run(0), (LogRun{Time(Nanos(kExtra)), kExtra + 1}));
  EXPECT_EQ(log.run(1), (LogRun{Time(Nanos(kExtra + 1)), 1}));
  EXPECT_EQ(log.spent(Time(1h), 1h), SlidingLog::kMostRuns + kExtra);
  EXPECT_LE(log.memory(), 4 * SlidingLog::kMostRuns * kBytesPerRun);
}

/// The bound as it is said: the runs in a list, the two oldest of which become one at the later time.
class BoundedModel {
 public:
  BoundedModel(Nanos per, std::size_t most) : per_(per), most_(most) {}

  void append(Time time, Units cost) {
    std::erase_if(runs_, [&](const LogRun& run) { return time >= run.time + per_; });
    if (!runs_.empty() && runs_.back().time == time) {
      runs_.back().cost += cost;
      return;
    }
    runs_.push_back({time, cost});
    if (runs_.size() <= most_) return;
    runs_[1].cost += runs_[0].cost;
    runs_.erase(runs_.begin());
  }
  [[nodiscard]] Units spent(Time now) const {
    Units sum = 0;
    for (const LogRun& run : runs_) sum += now < run.time + per_ ? run.cost : 0;
    return sum;
  }
  [[nodiscard]] const std::vector<LogRun>& runs() const { return runs_; }

 private:
  const Nanos per_;
  const std::size_t most_;
  std::vector<LogRun> runs_;
};

TEST(SlidingLogPropertyTest, MergedRunsAreThoseOfTheModelAndGrantNothing) {
  const std::uint64_t seed = base::test_seed();
  for (std::uint64_t round = 0; round < 1000; ++round) {
    std::mt19937_64 random(seed + round);
    const std::size_t most = 1 + random() % 6;
    const Nanos per(1 + random() % 60);
    const Limit limit = limit_of(1 + random() % 40, per);
    SlidingLog log = SlidingLog::fresh();
    BoundedModel model(per, most);
    BoundedModel exact(per, SIZE_MAX);
    Time now{};
    for (int step = 0; step < 200; ++step) {
      now += Nanos(random() % 8);
      const Units cost = 1 + random() % std::min<Units>(limit.rate, 5);
      const Verdict verdict = log.decide(limit, cost, now);
      ASSERT_EQ(verdict.allowed, model.spent(now) + cost <= limit.rate) << "seed " << seed + round;
      ASSERT_GE(model.spent(now), exact.spent(now)) << "usage was given back early; seed " << seed + round;
      if (!verdict.allowed) {
        const Time retry = now + verdict.retry_after;
        ASSERT_LE(model.spent(retry) + cost, limit.rate) << "seed " << seed + round;
        ASSERT_GT(model.spent(retry - Nanos(1)) + cost, limit.rate) << "seed " << seed + round;
        continue;
      }
      log.append(now, cost, per, most);
      model.append(now, cost);
      exact.append(now, cost);
      ASSERT_EQ(log.size(), model.runs().size()) << "seed " << seed + round;
      for (std::size_t i = 0; i < log.size(); ++i) ASSERT_EQ(log.run(i), model.runs()[i]) << "seed " << seed + round;
    }
  }
}

}  // namespace
}  // namespace flint::algorithm
