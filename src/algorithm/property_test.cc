#include <gtest/gtest.h>

#include <random>

#include "testing/consuming.h"
#include "testing/differential.h"
#include "testing/seed.h"

namespace flint::algorithm {
namespace {

using testing::consume;
using testing::Differential;
using testing::Grant;
using testing::pick_algorithm;
using testing::pick_limit;
using testing::pick_up_to;
using testing::reference::Int128;

/// A schedule of some length, from one seed.
class RandomSource {
 public:
  RandomSource(std::uint64_t seed, int steps) : random_(seed), steps_(steps) {}
  std::uint64_t pick(std::uint64_t bound) { return random_() % bound; }
  bool more() { return steps_-- > 0; }

 private:
  std::mt19937_64 random_;
  int steps_;
};

using Schedule = Differential<RandomSource>;

TEST(AlgorithmPropertyTest, EveryAnswerIsTheReferenceModels) {
  const std::uint64_t seed = testing::test_seed();
  for (std::uint64_t i = 0; i < 6000; ++i) {
    RandomSource source(seed + i, 60);
    Schedule schedule(source, kAlgorithms[i % kAlgorithms.size()], {.reconfigures = i % 2 == 0});
    ASSERT_EQ(schedule.run(), "") << "schedule " << i;
  }
}

/// Visits the length and the sum of every interval that begins and ends with a grant; no other one can hold more.
/// `grants` are in the order of time.
template <typename Visit>
void for_every_interval(const std::vector<Grant>& grants, Visit visit) {
  for (std::size_t first = 0; first < grants.size(); ++first) {
    Int128 sum = 0;
    for (std::size_t last = first; last < grants.size(); ++last) {
      sum += grants[last].cost;
      visit(grants[last].time - grants[first].time, sum);
    }
  }
}

void expect_bound(const Limit& limit, const std::vector<Grant>& grants) {
  for_every_interval(grants, [&](Nanos length, Int128 sum) {
    switch (limit.algorithm) {
      case Algorithm::kTokenBucket:
      case Algorithm::kSlidingWindowCounter:
        ASSERT_TRUE(sum <= limit.capacity() + Int128{limit.rate} * length.count() / limit.per.count());
        break;
      case Algorithm::kSlidingWindowLog:
        ASSERT_TRUE(length >= limit.per || sum <= limit.rate);
        break;
      case Algorithm::kFixedWindowCounter:
        ASSERT_TRUE(length >= limit.per || sum <= 2 * Int128{limit.rate});
        break;
      case Algorithm::kConcurrency:
        FAIL() << "no check goes by it";
    }
  });
}

TEST(AlgorithmPropertyTest, TheStatedBoundHoldsOverEveryInterval) {
  const std::uint64_t seed = testing::test_seed();
  for (std::uint64_t i = 0; i < 3000; ++i) {
    RandomSource source(seed + i, 300);
    Schedule schedule(source, kAlgorithms[i % kAlgorithms.size()],
                      {.reconfigures = false, .any_epoch = false, .clock_runs_backward = i % 2 == 0});
    ASSERT_EQ(schedule.run(), "") << "schedule " << i;
    std::vector<Grant> grants = schedule.grants();
    std::stable_sort(grants.begin(), grants.end(), [](const Grant& a, const Grant& b) { return a.time < b.time; });
    ASSERT_NO_FATAL_FAILURE(expect_bound(schedule.limit(), grants)) << "schedule " << i;
  }
}

TEST(AlgorithmPropertyTest, AFixedWindowNeverPassesMoreThanItsRate) {
  const std::uint64_t seed = testing::test_seed();
  for (std::uint64_t i = 0; i < 1000; ++i) {
    RandomSource source(seed + i, 200);
    Schedule schedule(source, Algorithm::kFixedWindowCounter,
                      {.reconfigures = false, .any_epoch = false, .clock_runs_backward = false});
    ASSERT_EQ(schedule.run(), "") << "schedule " << i;
    Time start = Time::min();
    Int128 sum = 0;
    for (const Grant& grant : schedule.grants()) {
      if (start == Time::min() || grant.time - start >= schedule.limit().per) {
        start = grant.time;
        sum = 0;
      }
      sum += grant.cost;
      ASSERT_TRUE(sum <= schedule.limit().rate) << "schedule " << i;
    }
  }
}

TEST(AlgorithmPropertyTest, LookingChangesNoLaterDecision) {
  const std::uint64_t seed = testing::test_seed();
  for (std::uint64_t i = 0; i < 2000; ++i) {
    RandomSource source(seed + i, 0);
    const Limit limit = pick_limit(source, kAlgorithms[i % kAlgorithms.size()]);
    const Time start(Nanos(1'000'000'000));
    State polled = fresh(limit, start);
    State left_alone = polled;
    Time now = start;
    for (int step = 0; step < 50; ++step) {
      for (std::uint64_t polls = source.pick(4); polls > 0; --polls) {
        now += Nanos(static_cast<std::int64_t>(pick_up_to(source, static_cast<std::uint64_t>(limit.per.count()))));
        static_cast<void>(view(polled, limit, now));
        static_cast<void>(decide(polled, limit, limit.capacity(), now));
        // The nearest that a caller comes to writing a refill back without consuming.
        polled = reconfigure(polled, limit, limit, now);
      }
      const Units cost = 1 + pick_up_to(source, limit.capacity() - 1);
      const Verdict verdict = decide(polled, limit, cost, now);
      ASSERT_EQ(verdict, decide(left_alone, limit, cost, now)) << "schedule " << i;
      if (!verdict.allowed) continue;
      consume(polled, limit, cost, now);
      consume(left_alone, limit, cost, now);
      ASSERT_EQ(polled, left_alone) << "schedule " << i;
    }
  }
}

/// Takes all that is left, if anything is.
Units drain(State& state, const Limit& limit, Time now) {
  const Units remaining = view(state, limit, now).remaining;
  if (remaining > 0) consume(state, limit, remaining, now);
  return remaining;
}

/// What a change of the capacity can add to what passes: a lower one forgets what is beyond it.
Units rise(const Limit& from, const Limit& to) {
  return to.capacity() > from.capacity() ? to.capacity() - from.capacity() : 0;
}

TEST(AlgorithmPropertyTest, FlappingLimitsAtOneInstantPassWhatTheyRiseBy) {
  const std::uint64_t seed = testing::test_seed();
  for (std::uint64_t i = 0; i < 2000; ++i) {
    RandomSource source(seed + i, 0);
    const Time now(std::chrono::hours(1));
    Limit limit = pick_limit(source, kAlgorithms[i % kAlgorithms.size()]);
    State state = fresh(limit, now);
    ASSERT_EQ(drain(state, limit, now), limit.capacity());
    for (int step = 0; step < 20; ++step) {
      const Limit to = pick_limit(source, pick_algorithm(source));
      state = reconfigure(state, limit, to, now);
      ASSERT_EQ(drain(state, to, now), rise(limit, to)) << "schedule " << i;
      limit = to;
    }
  }
}

TEST(AlgorithmPropertyTest, FlappingTokenBucketsPassNoMoreThanTheirRisesAndTheRefillOfEach) {
  const std::uint64_t seed = testing::test_seed();
  for (std::uint64_t i = 0; i < 1000; ++i) {
    RandomSource source(seed + i, 0);
    Limit limit = pick_limit(source, Algorithm::kTokenBucket);
    Time now{};
    State state = fresh(limit, now);
    Int128 passed = 0;
    Int128 refill = 0;
    Int128 rises = limit.capacity();
    for (int step = 0; step < 100; ++step) {
      Limit to = pick_limit(source, Algorithm::kTokenBucket);
      to.per = limit.per;
      state = reconfigure(state, limit, to, now);
      rises += rise(limit, to);
      limit = to;
      passed += drain(state, limit, now);
      ASSERT_TRUE(passed <= rises + refill / limit.per.count()) << "schedule " << i;
      const Nanos wait(static_cast<std::int64_t>(pick_up_to(source, static_cast<std::uint64_t>(limit.per.count()))));
      refill += Int128{limit.rate} * wait.count();
      now += wait;
    }
  }
}

TEST(AlgorithmPropertyTest, FlappingSlidingLogsPassNoMoreThanTheLargestRateAndTheRisesInAnyWindow) {
  const std::uint64_t seed = testing::test_seed();
  for (std::uint64_t i = 0; i < 500; ++i) {
    RandomSource source(seed + i, 0);
    Limit limit = pick_limit(source, Algorithm::kSlidingWindowLog);
    Time now{};
    State state = fresh(limit, now);
    std::vector<Grant> grants;
    std::vector<Int128> rises;
    Units largest = limit.rate;
    for (int step = 0; step < 60; ++step) {
      Limit to = pick_limit(source, Algorithm::kSlidingWindowLog);
      to.per = limit.per;
      state = reconfigure(state, limit, to, now);
      rises.push_back(rise(limit, to));
      limit = to;
      largest = std::max(largest, limit.rate);
      grants.push_back({now, drain(state, limit, now)});
      now += Nanos(static_cast<std::int64_t>(pick_up_to(source, static_cast<std::uint64_t>(limit.per.count()))));
    }
    for (std::size_t first = 0; first < grants.size(); ++first) {
      Int128 passed = 0;
      Int128 most = largest;
      for (std::size_t last = first; last < grants.size(); ++last) {
        passed += grants[last].cost;
        if (last > first) most += rises[last];
        ASSERT_TRUE(grants[last].time - grants[first].time >= limit.per || passed <= most) << "schedule " << i;
      }
    }
  }
}

// Symptom: 900,000 units of 1,000,000 a day in use, lowered to 10 a minute: denied for 62 days.
TEST(AlgorithmPropertyTest, ALoweredLimitDeniesNoLongerThanItTakesFromEmptyToFull) {
  const Time now(std::chrono::hours(1));
  for (const Algorithm before : kAlgorithms) {
    for (const Algorithm after : kAlgorithms) {
      // What is in use is in the window of a sliding counter, and fades in the next one.
      const Nanos empty_to_full = std::chrono::minutes(after == Algorithm::kSlidingWindowCounter ? 2 : 1);
      const Limit large{.rate = 1'000'000, .per = std::chrono::hours(24), .algorithm = before, .burst = {}};
      const Limit small{.rate = 10, .per = std::chrono::minutes(1), .algorithm = after, .burst = {}};
      State state = fresh(large, now);
      consume(state, large, 900'000, now);
      state = reconfigure(state, large, small, now);
      EXPECT_EQ(view(state, small, now).remaining, 0U);
      EXPECT_EQ(view(state, small, now).reset_after, empty_to_full);
      EXPECT_EQ(view(state, small, now + empty_to_full).remaining, 10U);
    }
  }
}

TEST(AlgorithmPropertyTest, TheSameEventsGiveTheSameState) {
  const std::uint64_t seed = testing::test_seed();
  for (std::uint64_t i = 0; i < 500; ++i) {
    RandomSource source(seed + i, 0);
    const Limit limit = pick_limit(source, Algorithm::kSlidingWindowLog);
    Time now{};
    SlidingLog decided = SlidingLog::fresh();
    SlidingLog replayed = SlidingLog::fresh();
    for (int step = 0; step < 200; ++step) {
      now += Nanos(static_cast<std::int64_t>(pick_up_to(source, static_cast<std::uint64_t>(limit.per.count()))));
      const Units cost = 1 + pick_up_to(source, limit.rate - 1);
      if (!decided.decide(limit, cost, now).allowed) continue;
      consume(decided, limit, cost, now);
      replayed.append(now, cost, limit.per);
      ASSERT_EQ(replayed.spent(now, limit.per), decided.spent(now, limit.per));
      // A snapshot at any moment loses nothing.
      if (source.pick(8) == 0) {
        std::vector<std::byte> bytes(8 + replayed.size() * SlidingLog::kMaxRunBytes);
        base::Writer out(bytes);
        replayed.encode_runs(out, 0, replayed.size());
        base::Reader in(out.written());
        replayed = SlidingLog::fresh();
        ASSERT_TRUE(replayed.decode_runs(in, limit.per)) << "schedule " << i;
      }
      ASSERT_EQ(replayed, decided) << "schedule " << i;
    }
  }
}

}  // namespace
}  // namespace flint::algorithm
