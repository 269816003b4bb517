#include "base/atomic_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

namespace flint::base {
namespace {

TEST(AtomicHistogram, CountsAValueInTheFirstBucketThatHoldsIt) {
  AtomicHistogram<2> histogram({10, 20});
  for (const std::uint64_t value : {0U, 10U, 11U, 21U}) histogram.record(value);
  histogram.record(20, 2);
  const Histogram read = histogram.read();
  ASSERT_EQ(read.buckets.size(), 2U);
  EXPECT_EQ(read.buckets[0].at_most, 10U);
  EXPECT_EQ(read.buckets[0].count, 2U);
  EXPECT_EQ(read.buckets[1].at_most, 20U);
  EXPECT_EQ(read.buckets[1].count, 3U);
  EXPECT_EQ(read.above, 1U);
  EXPECT_EQ(read.sum, 82U);
  EXPECT_EQ(read.count(), 6U);
}

TEST(AtomicHistogram, IsReadWhileItIsWritten) {
  AtomicHistogram<1> histogram({1});
  constexpr std::uint64_t kValues = 10'000;
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < kValues; ++i) histogram.record(i % 2 == 0 ? 1 : 2);
  });
  std::uint64_t last = 0;
  while (last < kValues) {
    const std::uint64_t count = histogram.read().count();
    EXPECT_GE(count, last);
    last = count;
  }
  writer.join();
  EXPECT_EQ(histogram.read().sum, kValues / 2 * 3);
}

TEST(LatencyBounds, AscendFromAMicrosecondToTenSeconds) {
  EXPECT_EQ(kLatencyBounds.front(), 1'000U);
  EXPECT_EQ(kLatencyBounds[1], 2'500U);
  EXPECT_TRUE(std::is_sorted(kLatencyBounds.begin(), kLatencyBounds.end()));
}

}  // namespace
}  // namespace flint::base
