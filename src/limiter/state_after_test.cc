#include "limiter/state_after.h"

#include <gtest/gtest.h>

#include "testing/choices.h"
#include "testing/seed.h"

namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using testing::kAlgorithms;
using testing::Random;

constexpr Time kNow{Nanos(1'795'458'122'123'456'789)};

Limit random_limit(Random& random) {
  Limit limit;
  limit.algorithm = random.any_of(kAlgorithms);
  limit.rate = 1 + random.any_up_to(random.one_in(4) ? kMaxUnits - 1 : 20);
  limit.per = std::chrono::milliseconds(1 + random.any_up_to(random.one_in(4) ? kMaxPeriod / 1ms - 1 : 2'000));
  if (limit.algorithm == Algorithm::kTokenBucket && random.one_in(2)) limit.burst = 1 + random.any_up_to(30);
  return limit;
}

/// What a record keeps of a state is the state: replay, which sees nothing but records, arrives at the very same one.
TEST(StateAfter, ReplayArrivesAtTheStatesThatWereLogged) {
  Random random(testing::test_seed());
  for (int run = 0; run < 300; ++run) {
    Time now = kNow;
    Limit limit = random_limit(random);
    algorithm::State live = algorithm::fresh(limit, now);
    algorithm::State replayed;
    ASSERT_TRUE(restore_state(describe_state(live, limit, now), limit, 0, now, replayed));
    for (int step = 0; step < 60; ++step) {
      now += Nanos(static_cast<std::int64_t>(random.any_up_to(2 * static_cast<std::uint64_t>(limit.per.count()))));
      if (random.one_in(6)) {
        const Limit to = random_limit(random);
        live = algorithm::reconfigure(live, limit, to, now);
        StateAfter after = describe_state(live, to, now);
        if (keeps_runs(limit, to)) after.second = 0;
        limit = to;
        ASSERT_TRUE(restore_state(after, limit, 0, now, replayed));
      } else {
        const Units cost = 1 + random.any_up_to(limit.capacity() - 1);
        if (!algorithm::decide(live, limit, cost, now).allowed) continue;
        algorithm::State next;
        const StateAfter after = describe_consumed(live, limit, cost, now, next);
        const bool in_place = limit.algorithm == Algorithm::kSlidingWindowLog;
        algorithm::consume(live, limit, cost, now);
        ASSERT_TRUE(in_place || next == live);
        ASSERT_TRUE(restore_state(after, limit, cost, now, replayed));
      }
      ASSERT_TRUE(replayed == live) << "run " << run << ", step " << step;
    }
  }
}

TEST(StateAfter, ARecordThatContradictsTheLimitIsRefused) {
  const Limit bucket{.rate = 10, .per = 1s};
  algorithm::State state;
  EXPECT_TRUE(restore_state({Algorithm::kTokenBucket, 10, 0}, bucket, 1, kNow, state));
  EXPECT_FALSE(restore_state({Algorithm::kFixedWindowCounter, 10, 0}, bucket, 1, kNow, state)) << "another algorithm";
  EXPECT_FALSE(restore_state({Algorithm::kTokenBucket, kMaxUnits + 1, 0}, bucket, 1, kNow, state));
  EXPECT_FALSE(restore_state({Algorithm::kTokenBucket, 10, 1'000'000'000}, bucket, 1, kNow, state)) << "a whole token";
  EXPECT_FALSE(restore_state({Algorithm::kTokenBucket, 0, 1}, bucket, 1, kNow, state)) << "more than full";

  const Limit window{.rate = 10, .per = 1s, .algorithm = Algorithm::kFixedWindowCounter, .burst = {}};
  EXPECT_TRUE(restore_state({Algorithm::kFixedWindowCounter, 0, 10}, window, 1, kNow, state));
  EXPECT_FALSE(restore_state({Algorithm::kFixedWindowCounter, ~std::uint64_t{0}, 1}, window, 1, kNow, state)) << "age";
  EXPECT_FALSE(restore_state({Algorithm::kFixedWindowCounter, 0, kMaxUnits + 1}, window, 1, kNow, state));
}

TEST(StateAfter, ASlidingLogThatDoesNotAddUpIsRefused) {
  const Limit limit{.rate = 10, .per = 1s, .algorithm = Algorithm::kSlidingWindowLog, .burst = {}};
  const auto restored = [&](std::uint64_t spent, std::uint64_t replaced, Units cost, algorithm::State from) {
    return restore_state({Algorithm::kSlidingWindowLog, spent, replaced}, limit, cost, kNow, from);
  };
  algorithm::State three = algorithm::fresh(limit, kNow - 1ms);
  algorithm::consume(three, limit, 3, kNow - 1ms);
  EXPECT_TRUE(restored(5, 0, 2, three));
  EXPECT_FALSE(restored(6, 0, 2, three));
  EXPECT_FALSE(restored(2, 0, 2, three));
  EXPECT_TRUE(restored(7, 1, 0, three)) << "replaced by one run";
  EXPECT_TRUE(restored(0, 1, 0, three)) << "replaced by none";
  EXPECT_FALSE(restored(5, 2, 2, three)) << "neither kept nor replaced";
  EXPECT_FALSE(restored(kMaxUnits + 1, 1, 0, three));
  EXPECT_FALSE(restored(5, 0, 2, algorithm::TokenBucket::fresh(kNow))) << "runs are kept of another algorithm's state";
}

}  // namespace
}  // namespace flint::limiter
