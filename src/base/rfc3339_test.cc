#include "base/rfc3339.h"

#include <gtest/gtest.h>

#include <ctime>
#include <limits>
#include <random>

#include "base/test_seed.h"

namespace flint::base {
namespace {

WallTime at(std::int64_t nanos) { return WallTime(Nanos(nanos)); }

/// The same by the C library.
std::string by_gmtime(std::int64_t nanos) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::int64_t rest = (nanos % kSecond + kSecond) % kSecond;
  const std::time_t seconds = nanos / kSecond - (nanos % kSecond < 0 ? 1 : 0);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
  char millis[8];
  std::snprintf(millis, sizeof(millis), ".%03dZ", static_cast<int>(rest / 1'000'000));
  return std::string(text) + millis;
}

TEST(Rfc3339Test, FormatsUtcWithMilliseconds) {
  EXPECT_EQ(format_rfc3339(at(0)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_rfc3339(at(1'795'458'122'123'000'000)), "2026-11-23T18:22:02.123Z");
  EXPECT_EQ(format_rfc3339(at(951'782'400'000'000'000)), "2000-02-29T00:00:00.000Z");
}

TEST(Rfc3339Test, RoundsDownAlsoBefore1970) {
  EXPECT_EQ(format_rfc3339(at(1'999'999)), "1970-01-01T00:00:00.001Z");
  EXPECT_EQ(format_rfc3339(at(-1)), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(format_rfc3339(at(-1'000'001)), "1969-12-31T23:59:59.998Z");
}

TEST(Rfc3339Test, IsRightAtBothEndsOfTime) {
  EXPECT_EQ(format_rfc3339(at(std::numeric_limits<std::int64_t>::min())), "1677-09-21T00:12:43.145Z");
  EXPECT_EQ(format_rfc3339(at(std::numeric_limits<std::int64_t>::max())), "2262-04-11T23:47:16.854Z");
}

TEST(Rfc3339Test, AgreesWithTheCLibraryAtAnyTime) {
  std::mt19937_64 random(test_seed());
  for (int i = 0; i < 100'000; ++i) {
    const auto nanos = static_cast<std::int64_t>(random());
    ASSERT_EQ(format_rfc3339(at(nanos)), by_gmtime(nanos)) << nanos;
  }
}

}  // namespace
}  // namespace flint::base
