#include <gtest/gtest.h>

#include <array>

#include "algorithm/algorithm.h"
#include "testing/choices.h"
#include "testing/consuming.h"
#include "testing/seed.h"

namespace flint::algorithm {
namespace {

using namespace std::chrono_literals;
using testing::hex;
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
TEST(RecordedState, ReplayArrivesAtTheStatesThatWereLogged) {
  Random random(testing::test_seed());
  for (int run = 0; run < 300; ++run) {
    Time now = kNow;
    Limit limit = random_limit(random);
    State live = fresh(limit, now);
    State replayed;
    WindowSpace space;
    ASSERT_TRUE(restore(replayed, describe(live, limit, now, space), limit, 0, now));
    for (int step = 0; step < 60; ++step) {
      now += Nanos(static_cast<std::int64_t>(random.any_up_to(2 * static_cast<std::uint64_t>(limit.per.count()))));
      if (random.one_in(6)) {
        const Limit to = random_limit(random);
        const State before = live;
        live = reconfigure(before, limit, to, now);
        const RecordedState after = describe_reconfigured(live, before, limit, to, now, space);
        limit = to;
        ASSERT_TRUE(restore(replayed, after, limit, 0, now));
      } else {
        const Units cost = 1 + random.any_up_to(limit.capacity() - 1);
        const Outcome outcome = decide(live, limit, cost, now);
        if (!outcome.allowed) continue;
        consume(live, limit, cost, now, outcome);
        ASSERT_TRUE(restore(replayed, outcome.after, limit, cost, now));
      }
      ASSERT_TRUE(replayed == live) << "run " << run << ", step " << step;
    }
  }
}

TEST(RecordedState, ARecordThatContradictsTheLimitIsRefused) {
  const Limit bucket{.rate = 10, .per = 1s};
  State state;
  EXPECT_TRUE(restore(state, {Algorithm::kTokenBucket, 10, 0}, bucket, 1, kNow));
  EXPECT_FALSE(restore(state, {Algorithm::kFixedWindowCounter, 10, 0}, bucket, 1, kNow)) << "another algorithm";
  EXPECT_FALSE(restore(state, {Algorithm::kTokenBucket, kMaxUnits + 1, 0}, bucket, 1, kNow));
  EXPECT_FALSE(restore(state, {Algorithm::kTokenBucket, 10, 1'000'000'000}, bucket, 1, kNow)) << "a whole token";
  EXPECT_FALSE(restore(state, {Algorithm::kTokenBucket, 0, 1}, bucket, 1, kNow)) << "more than full";

  const Limit window{.rate = 10, .per = 1s, .algorithm = Algorithm::kFixedWindowCounter, .burst = {}};
  EXPECT_TRUE(restore(state, {Algorithm::kFixedWindowCounter, 0, 10}, window, 1, kNow));
  EXPECT_FALSE(restore(state, {Algorithm::kFixedWindowCounter, ~std::uint64_t{0}, 1}, window, 1, kNow)) << "age";
  EXPECT_FALSE(restore(state, {Algorithm::kFixedWindowCounter, 0, kMaxUnits + 1}, window, 1, kNow));

  const Limit counter{.rate = 10, .per = 1s, .algorithm = Algorithm::kSlidingWindowCounter, .burst = {}};
  EXPECT_TRUE(restore(state, {Algorithm::kSlidingWindowCounter, 0, 10, 10}, counter, 1, kNow));
  EXPECT_FALSE(restore(state, {Algorithm::kSlidingWindowCounter, ~std::uint64_t{0}, 1, 0}, counter, 1, kNow)) << "age";
  EXPECT_FALSE(restore(state, {Algorithm::kSlidingWindowCounter, 0, kMaxUnits + 1, 0}, counter, 1, kNow));
  EXPECT_FALSE(restore(state, {Algorithm::kSlidingWindowCounter, 0, 1, kMaxUnits + 1}, counter, 1, kNow));
}

TEST(RecordedState, ASlidingLogThatDoesNotAddUpIsRefused) {
  const Limit limit{.rate = 10, .per = 1s, .algorithm = Algorithm::kSlidingWindowLog, .burst = {}};
  const auto restored = [&](std::uint64_t spent, std::uint64_t replaced, Units cost, State from) {
    return restore(from, {Algorithm::kSlidingWindowLog, spent, replaced}, limit, cost, kNow);
  };
  State three = fresh(limit, kNow - 1ms);
  testing::consume(three, limit, 3, kNow - 1ms);
  EXPECT_TRUE(restored(5, 0, 2, three));
  EXPECT_FALSE(restored(6, 0, 2, three));
  EXPECT_FALSE(restored(2, 0, 2, three));
  EXPECT_TRUE(restored(7, 1, 0, three)) << "replaced by one run";
  EXPECT_TRUE(restored(0, 1, 0, three)) << "replaced by none";
  EXPECT_FALSE(restored(5, 2, 2, three)) << "neither kept nor replaced";
  EXPECT_FALSE(restored(kMaxUnits + 1, 1, 0, three));
  EXPECT_FALSE(restored(5, 0, 2, TokenBucket::fresh(kNow))) << "runs are kept of another algorithm's state";
}

std::string encoded(const State& state) {
  std::array<std::byte, 64> bytes;
  base::Writer out(bytes);
  encode(out, state);
  return hex(out.written());
}

TEST(SnapshotState, GoldenBytes) {
  EXPECT_EQ(encoded(TokenBucket{kNow, 30, 1000}), "1531423aa6bfea181ee807");
  EXPECT_EQ(encoded(FixedWindow{kNow, 128}), "1531423aa6bfea188001");
  EXPECT_EQ(encoded(SlidingCounter{kNow, 128, 5}), "1531423aa6bfea18800105");
  EXPECT_EQ(encoded(SlidingLog::fresh()), "");
  SlidingLog log = SlidingLog::fresh();
  log.append(kNow, 1, 1s);
  log.append(kNow + 300ns, 200, 1s);
  std::array<std::byte, 64> bytes;
  base::Writer out(bytes);
  log.encode_runs(out, 0, 2);
  EXPECT_EQ(hex(out.written()), "1531423aa6bfea1801ac02c801");
}

TEST(SnapshotState, DecodesToTheStateThatWasEncoded) {
  Random random(testing::test_seed());
  for (int run = 0; run < 3000; ++run) {
    const Limit limit = random_limit(random);
    State state = fresh(limit, kNow);
    for (std::uint64_t step = 0; step < 5; ++step) {
      const Units cost = 1 + random.any_up_to(limit.capacity() - 1);
      const Time now = kNow + Nanos(static_cast<std::int64_t>(step * random.any_up_to(1'000'000'000)));
      if (decide(state, limit, cost, now).allowed) testing::consume(state, limit, cost, now);
    }
    std::vector<std::byte> bytes(200);
    base::Writer out(bytes);
    encode(out, state);
    base::Reader in(out.written());
    State got;
    ASSERT_TRUE(decode(in, limit, got) && in.done()) << "run " << run;
    const auto* log = std::get_if<SlidingLog>(&state);
    if (log != nullptr && !log->empty()) {
      base::Writer runs(bytes);
      log->encode_runs(runs, 0, log->size());
      base::Reader from(runs.written());
      ASSERT_TRUE(std::get<SlidingLog>(got).decode_runs(from, limit.per)) << "run " << run;
    }
    ASSERT_TRUE(got == state) << "run " << run;
    EXPECT_EQ(seen(got, Time{}), seen(state, Time{}));
  }
}

}  // namespace
}  // namespace flint::algorithm
