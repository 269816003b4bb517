#include "original/usage.h"

#include "testing/original_files.h"

namespace flint::original {
namespace {

using namespace std::chrono_literals;

const Limit kBucket{.rate = 10, .per = 1h, .algorithm = Algorithm::kTokenBucket, .burst = {}};

TEST(OriginalUsage, AFailedCallChangesNothing) {
  Usage usage(testing::now());
  EXPECT_EQ(usage.configure("k", {.rate = 0, .per = 1h}, testing::now()).code(), Code::kInvalidArgument);
  EXPECT_EQ(usage.configure(" ", kBucket, testing::now()).code(), Code::kInvalidArgument);
  EXPECT_EQ(usage.allow("k", 1, testing::now()).code(), Code::kInvalidArgument);
  EXPECT_EQ(usage.deny("k", 1, testing::now()).code(), Code::kInvalidArgument);
  EXPECT_EQ(usage.reset("k", testing::now()).code(), Code::kInvalidArgument);
  EXPECT_EQ(usage.size(), 0U);
  EXPECT_EQ(usage.late(), 0U);
}

TEST(OriginalUsage, ASlidingLogHoldsNoMoreThanALimiterMay) {
  Usage usage(testing::now());
  const Limit kSliding{.rate = kMaxUnits, .per = 1h, .algorithm = Algorithm::kSlidingWindowLog, .burst = {}};
  ASSERT_TRUE(usage.configure("k", kSliding, testing::now()).ok());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(usage.allow("k", kMaxUnits, testing::now()).ok());
  limiter::Keys keys = usage.take();
  const limiter::KeyEntry& entry = *keys.find("k");
  const auto& log = std::get<algorithm::SlidingLog>(entry.usage.state);
  EXPECT_EQ(log.spent(Time(testing::now().time_since_epoch()), 1h), kMaxUnits);
  EXPECT_EQ(entry.counters().allowed, 3U);
}

TEST(OriginalUsage, ASnapshotHoldsAKeyOnce) {
  Usage usage(testing::now());
  const algorithm::State fresh = algorithm::fresh(kBucket, Time());
  ASSERT_TRUE(usage.restore("k", kBucket, fresh, {}).ok());
  EXPECT_EQ(usage.restore("k", kBucket, fresh, {}).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace flint::original
