#include "base/arithmetic.h"

#include <gtest/gtest.h>

#include <random>

#include "testing/seed.h"

namespace flint::base {
namespace {

using testing::test_seed;

constexpr std::uint64_t kMax64 = std::numeric_limits<std::uint64_t>::max();
constexpr std::int64_t kMaxSigned = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMinSigned = std::numeric_limits<std::int64_t>::min();

TEST(ArithmeticTest, DivisionsRoundTheWayTheySay) {
  static_assert(div_floor(0, 7) == 0 && div_ceil(0, 7) == 0);
  static_assert(div_floor(14, 7) == 2 && div_ceil(14, 7) == 2);
  static_assert(div_floor(15, 7) == 2 && div_ceil(15, 7) == 3);
  static_assert(div_floor(multiply(kMax64, kMax64), kMax64) == kMax64);
  static_assert(div_ceil(multiply(kMax64, kMax64) + 1, kMax64) == Uint128{kMax64} + 1);
}

TEST(ArithmeticTest, DivisionsBracketTheDividend) {
  std::mt19937_64 random(test_seed());
  for (int i = 0; i < 100'000; ++i) {
    const Uint128 dividend = multiply(random() >> (random() % 64), random() >> (random() % 64));
    const std::uint64_t divisor = (random() >> (random() % 64)) | 1;
    const Uint128 floor = div_floor(dividend, divisor);
    const Uint128 ceil = div_ceil(dividend, divisor);
    ASSERT_TRUE(floor * divisor <= dividend && dividend - floor * divisor < divisor);
    ASSERT_TRUE(ceil == floor + (floor * divisor == dividend ? 0 : 1));
  }
}

TEST(ArithmeticTest, AddsStopAtTheEndsOfTheirRange) {
  static_assert(checked_add<std::uint64_t>(kMax64 - 1, 1) == kMax64);
  static_assert(!checked_add<std::uint64_t>(kMax64, 1));
  static_assert(!checked_add<std::int64_t>(kMinSigned, -1));
  static_assert(saturating_add<std::uint64_t>(kMax64, 1) == kMax64);
  static_assert(saturating_add<std::int64_t>(kMaxSigned, 1) == kMaxSigned);
  static_assert(saturating_add<std::int64_t>(kMinSigned, -1) == kMinSigned);
  static_assert(saturating_add<std::int64_t>(kMaxSigned, kMinSigned) == -1);
  static_assert(saturating_add(Time::max(), Nanos(1)) == Time::max());
  static_assert(saturating_add(Time(Nanos(5)), Nanos(-7)) == Time(Nanos(-2)));
}

TEST(ArithmeticTest, ElapsedSpansAllOfTime) {
  static_assert(elapsed(Time::min(), Time::max()) == kMax64);
  static_assert(elapsed(Time(Nanos(-3)), Time(Nanos(4))) == 7);
  static_assert(saturating_nanos(7) == Nanos(7));
  static_assert(saturating_nanos(static_cast<Uint128>(kMaxSigned)) == Nanos::max());
  static_assert(saturating_nanos(Uint128{1} << 100) == Nanos::max());
}

}  // namespace
}  // namespace flint::base
