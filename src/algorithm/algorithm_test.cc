#include "algorithm/algorithm.h"

#include <gtest/gtest.h>

#include "testing/consuming.h"

namespace flint::algorithm {
namespace {

using namespace std::chrono_literals;
using testing::consume;

constexpr Time kStart{Nanos(1h)};
constexpr Time kEndOfTime = Time::max();

Limit bucket(Units rate, Nanos per, std::optional<Units> burst = std::nullopt) {
  return {.rate = rate, .per = per, .algorithm = Algorithm::kTokenBucket, .burst = burst};
}
Limit sliding(Units rate, Nanos per) { return {.rate = rate, .per = per, .algorithm = Algorithm::kSlidingWindowLog}; }
Limit counter(Units rate, Nanos per) {
  return {.rate = rate, .per = per, .algorithm = Algorithm::kSlidingWindowCounter};
}
Limit fixed(Units rate, Nanos per) { return {.rate = rate, .per = per, .algorithm = Algorithm::kFixedWindowCounter}; }

/// One key, checked as the limiter does it.
class Key {
 public:
  explicit Key(const Limit& limit, Time now = kStart) : limit_(limit), state_(fresh(limit, now)) {}

  Verdict check(Units cost, Time now) {
    const Verdict verdict = decide(state_, limit_, cost, now);
    if (verdict.allowed) consume(state_, limit_, cost, now);
    return verdict;
  }
  Units pass_one_by_one(Time now) {
    Units passed = 0;
    while (check(1, now).allowed) ++passed;
    return passed;
  }
  void change(const Limit& to, Time now) {
    state_ = reconfigure(state_, limit_, to, now);
    limit_ = to;
  }
  [[nodiscard]] View look(Time now) const { return view(state_, limit_, now); }
  [[nodiscard]] Units remaining(Time now) const { return look(now).remaining; }
  [[nodiscard]] const State& state() const { return state_; }

 private:
  Limit limit_;
  State state_;
};

TEST(TokenBucketTest, RefillsContinuouslyUpToTheBurst) {
  Key key(bucket(10, 1s, 20));
  EXPECT_EQ(key.pass_one_by_one(kStart), 20U);
  EXPECT_EQ(key.check(1, kStart), (Verdict{false, 0, 2s, 100ms}));
  EXPECT_EQ(key.check(5, kStart), (Verdict{false, 0, 2s, 500ms}));
  EXPECT_EQ(key.remaining(kStart + 100ms - 1ns), 0U);
  EXPECT_EQ(key.check(1, kStart + 100ms), (Verdict{true, 0, 2s, 0s}));
  EXPECT_EQ(key.look(kStart + 100ms + 2s), (View{20, 0s}));
  EXPECT_EQ(key.look(kStart + 100h), (View{20, 0s}));
}

TEST(SlidingLogTest, CountsEachRunForExactlyOnePeriod) {
  Key key(sliding(10, 1s));
  EXPECT_EQ(key.check(4, kStart), (Verdict{true, 6, 1s, 0s}));
  EXPECT_EQ(key.check(6, kStart + 400ms), (Verdict{true, 0, 1s, 0s}));
  EXPECT_EQ(key.check(4, kStart + 500ms), (Verdict{false, 0, 900ms, 500ms}));
  EXPECT_EQ(key.check(5, kStart + 500ms), (Verdict{false, 0, 900ms, 900ms}));
  EXPECT_EQ(key.check(5, kStart + 1s), (Verdict{false, 4, 400ms, 400ms}));
  EXPECT_EQ(key.check(4, kStart + 1s), (Verdict{true, 0, 1s, 0s}));
  EXPECT_EQ(key.look(kStart + 2s), (View{10, 0s}));
}

TEST(FixedWindowTest, StartsAWindowWithTheFirstGrantAfterTheLastOne) {
  Key key(fixed(10, 1s));
  EXPECT_EQ(key.look(kStart + 5s), (View{10, 0s}));
  EXPECT_EQ(key.check(7, kStart + 5s), (Verdict{true, 3, 1s, 0s}));
  EXPECT_EQ(key.check(4, kStart + 5500ms), (Verdict{false, 3, 500ms, 500ms}));
  EXPECT_EQ(key.check(3, kStart + 5999ms), (Verdict{true, 0, 1ms, 0s}));
  EXPECT_EQ(key.look(kStart + 6s), (View{10, 0s}));
  EXPECT_EQ(key.check(10, kStart + 9s), (Verdict{true, 0, 1s, 0s}));
}

TEST(SlidingCounterTest, TheWindowBeforeFadesAsItIsLeftBehind) {
  Key key(counter(10, 1s));
  EXPECT_EQ(key.check(10, kStart), (Verdict{true, 0, 2s, 0s}));
  EXPECT_EQ(key.check(1, kStart + 400ms), (Verdict{false, 0, 1600ms, 700ms})) << "one tenth of the next window";
  EXPECT_EQ(key.check(5, kStart + 1s), (Verdict{false, 0, 1s, 500ms})) << "at the boundary all of it still counts";
  EXPECT_EQ(key.look(kStart + 1s + 499ms), (View{4, 501ms})) << "5.01 in use are 6";
  EXPECT_EQ(key.check(5, kStart + 1500ms), (Verdict{true, 0, 1500ms, 0s}));
  EXPECT_EQ(key.check(6, kStart + 1500ms), (Verdict{false, 0, 1500ms, 700ms})) << "only the next window has room";
  EXPECT_EQ(key.check(2, kStart + 1500ms), (Verdict{false, 0, 1500ms, 200ms}));
  EXPECT_EQ(key.look(kStart + 3s), (View{10, 0s}));
}

TEST(SlidingCounterTest, ALowerRateForgetsTheOldestUnits) {
  Key key(counter(100, 1s));
  ASSERT_TRUE(key.check(60, kStart).allowed);
  ASSERT_TRUE(key.check(40, kStart + 1s).allowed);
  key.change(counter(70, 1s), kStart + 1500ms);
  EXPECT_EQ(key.state(), State(SlidingCounter{kStart + 1s, 40, 60})) << "40 and half of 60 are 70";
  key.change(counter(50, 1s), kStart + 1500ms);
  EXPECT_EQ(key.state(), State(SlidingCounter{kStart + 1s, 40, 20}));
  key.change(counter(30, 1s), kStart + 1500ms);
  EXPECT_EQ(key.state(), State(SlidingCounter{kStart + 1s, 30, 0}));
  EXPECT_EQ(key.remaining(kStart + 1500ms), 0U);
}

TEST(AlgorithmTest, ATimeBeforeWhatTheStateHasSeenIsTakenAsThatTime) {
  for (const Algorithm algorithm : kAlgorithms) {
    const Limit limit{.rate = 10, .per = 1s, .algorithm = algorithm};
    Key key(limit);
    ASSERT_TRUE(key.check(10, kStart).allowed);
    for (const Nanos back : {Nanos(1ns), Nanos(1s), Nanos(1h)}) {
      EXPECT_EQ(decide(key.state(), limit, 3, kStart - back), decide(key.state(), limit, 3, kStart));
      EXPECT_EQ(key.look(kStart - back), key.look(kStart));
    }
  }
}

TEST(AlgorithmTest, EveryLimitDecidesAtBothEndsOfTime) {
  for (const Algorithm algorithm : kAlgorithms) {
    for (const Nanos per : {kMinPeriod, kMaxPeriod}) {
      for (const Units rate : {Units{1}, kMaxUnits}) {
        Key at_end({.rate = rate, .per = per, .algorithm = algorithm}, kEndOfTime);
        EXPECT_TRUE(at_end.check(rate, kEndOfTime).allowed);
        EXPECT_FALSE(at_end.check(1, kEndOfTime).allowed) << "a window that ends beyond the end of time has not ended";
        Key at_begin({.rate = rate, .per = per, .algorithm = algorithm}, Time::min());
        EXPECT_TRUE(at_begin.check(rate, Time::min()).allowed);
        EXPECT_EQ(at_begin.look(kEndOfTime), (View{rate, 0s}));
      }
    }
  }
}

TEST(AlgorithmTest, AWaitThatNanosCannotSayIsTheLongestThatTheyCan) {
  Key key(bucket(1, kMaxPeriod, kMaxUnits));
  EXPECT_EQ(key.check(kMaxUnits, kStart), (Verdict{true, 0, Nanos::max(), 0s}));
  EXPECT_EQ(key.check(2, kStart), (Verdict{false, 0, Nanos::max(), 2 * kMaxPeriod}));
  EXPECT_EQ(key.check(kMaxUnits, kStart).retry_after, Nanos::max());
}

TEST(AlgorithmTest, AStateOfAnotherAlgorithmOrOutOfRangeIsNotValid) {
  EXPECT_TRUE(is_valid(TokenBucket{kStart, 1, 999'999'999}, bucket(1, 1s)));
  EXPECT_FALSE(is_valid(TokenBucket{kStart, 1, 1'000'000'000}, bucket(1, 1s)));
  EXPECT_FALSE(is_valid(TokenBucket{kStart, 0, 1}, bucket(1, 1s)));
  EXPECT_FALSE(is_valid(TokenBucket{kStart, kMaxUnits + 1, 0}, bucket(1, 1s)));
  EXPECT_FALSE(is_valid(FixedWindow{kStart, kMaxUnits + 1}, fixed(1, 1s)));
  EXPECT_FALSE(is_valid(SlidingCounter{kStart, kMaxUnits + 1, 0}, counter(1, 1s)));
  EXPECT_FALSE(is_valid(SlidingCounter{kStart, 0, kMaxUnits + 1}, counter(1, 1s)));
  for (const Algorithm one : kAlgorithms) {
    for (const Algorithm other : kAlgorithms) {
      const Limit limit{.rate = 5, .per = 1s, .algorithm = one};
      EXPECT_EQ(is_valid(fresh(limit, kStart), {.rate = 5, .per = 1s, .algorithm = other}), one == other);
    }
  }
}

TEST(AlgorithmDeathTest, WhatTheContractRulesOutStops) {
  const State state = fresh(bucket(5, 1s), kStart);
  EXPECT_DEATH(static_cast<void>(decide(state, bucket(5, 1s), 6, kStart)), "cost");
  EXPECT_DEATH(static_cast<void>(decide(state, bucket(5, 1s), 0, kStart)), "cost");
  EXPECT_DEATH(static_cast<void>(view(state, fixed(5, 1s), kStart)), "matches");
  for (const Algorithm algorithm : kAlgorithms) {
    const Limit limit{.rate = 5, .per = 1s, .algorithm = algorithm};
    State full = fresh(limit, kStart);
    consume(full, limit, 5, kStart);
    EXPECT_DEATH(consume(full, limit, 1, kStart), "allowed");
  }
}

TEST(AlgorithmRegressionTest, EightIdleSecondsPassSeventeenOfTen) {
  // A stale arrival time clamped to `now - tolerance` instead of `now` lets an idle key save up beyond its burst.
  Key key(bucket(1, 1s, 10));
  ASSERT_TRUE(key.check(1, kStart).allowed);
  EXPECT_EQ(key.remaining(kStart + 8s), 10U);
  EXPECT_EQ(key.pass_one_by_one(kStart + 8s), 10U);
}

TEST(AlgorithmRegressionTest, APolledBucketRefillsTwelveOfAThousandTokens) {
  // A status that writes the refill back rounded down loses the rest each time.
  const Limit limit = bucket(1000, 1s);
  Key key(limit);
  ASSERT_EQ(key.pass_one_by_one(kStart), 1000U);
  Units taken = 0;
  for (Time now = kStart; now < kStart + 500ms; now += 997us) {
    static_cast<void>(key.look(now));
    key.change(limit, now);
    taken += key.check(1, now).allowed ? 1 : 0;
  }
  EXPECT_EQ(taken + key.remaining(kStart + 1s), 1000U);
}

TEST(AlgorithmRegressionTest, ABurstOfOneIsNeverDenied) {
  for (const Limit& limit : {bucket(5, 1s, 1), bucket(1, 1s), sliding(1, 1s), fixed(1, 1s)}) {
    Key key(limit);
    EXPECT_TRUE(key.check(1, kStart).allowed);
    EXPECT_FALSE(key.check(1, kStart).allowed);
    EXPECT_FALSE(key.check(1, kStart + 1ms).allowed);
  }
}

TEST(AlgorithmRegressionTest, ADenialSaysToRetryAtOnce) {
  // A wait below the unit of the clock is truncated to 0, or one division rounds down, and the retry is denied again.
  for (const Limit& limit :
       {bucket(3, 1s), bucket(kMaxUnits, 1ms), bucket(7, kMaxPeriod), bucket(999'999'937, 1s, 5)}) {
    Key key(limit);
    ASSERT_TRUE(key.check(limit.capacity(), kStart).allowed);
    const Nanos wait = key.check(1, kStart).retry_after;
    ASSERT_GE(wait, 1ns);
    EXPECT_FALSE(key.check(1, kStart + wait - 1ns).allowed);
    EXPECT_TRUE(key.check(1, kStart + wait).allowed);
  }
}

TEST(AlgorithmRegressionTest, AWindowIsOneNanosecondTooLongOrTooShort) {
  for (const Limit& limit : {sliding(1, 1s), fixed(1, 1s)}) {
    Key key(limit);
    ASSERT_TRUE(key.check(1, kStart).allowed);
    EXPECT_EQ(key.check(1, kStart + 1s - 1ns), (Verdict{false, 0, 1ns, 1ns}));
    EXPECT_TRUE(key.check(1, kStart + 1s).allowed);
  }
}

TEST(AlgorithmRegressionTest, AnotherAlgorithmGrantsAFreshBudget) {
  for (const Algorithm from : kAlgorithms) {
    for (const Algorithm to : kAlgorithms) {
      for (const Nanos per : {Nanos(1s), Nanos(1h)}) {
        const Limit after{.rate = 15, .per = per, .algorithm = to};
        Key key({.rate = 10, .per = 1s, .algorithm = from});
        ASSERT_TRUE(key.check(8, kStart).allowed);
        key.change(after, kStart);
        EXPECT_EQ(key.remaining(kStart), 7U) << algorithm_name(from) << " to " << algorithm_name(to);
      }
    }
  }
}

// A lower limit cuts usage to its capacity, so that it denies no longer than it takes from empty to full.
TEST(AlgorithmRegressionTest, ASmallerLimitAndBackGrantsTheDifference) {
  for (const Algorithm algorithm : kAlgorithms) {
    const Limit large{.rate = 10, .per = 1s, .algorithm = algorithm};
    const Limit small{.rate = 4, .per = 1s, .algorithm = algorithm};
    Key key(large);
    ASSERT_TRUE(key.check(10, kStart).allowed);
    key.change(small, kStart);
    EXPECT_EQ(key.remaining(kStart), 0U);
    key.change(large, kStart);
    EXPECT_EQ(key.remaining(kStart), 6U) << algorithm_name(algorithm);
  }
}

TEST(AlgorithmRegressionTest, AWallClockSetFarForwardGrantsMoreThanFull) {
  for (const Algorithm algorithm : kAlgorithms) {
    Key key({.rate = kMaxUnits, .per = 1ms, .algorithm = algorithm}, Time::min());
    ASSERT_TRUE(key.check(kMaxUnits, Time::min()).allowed);
    EXPECT_EQ(key.remaining(kEndOfTime), kMaxUnits) << "2^64 ns at the highest rate";
  }
}

}  // namespace
}  // namespace flint::algorithm
