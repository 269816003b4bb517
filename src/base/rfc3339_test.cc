#include "base/rfc3339.h"

#include <gtest/gtest.h>

#include <ctime>
#include <limits>
#include <random>

#include "testing/seed.h"

namespace flint::base {
namespace {

using testing::test_seed;

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

TEST(Rfc3339Test, ReadsTimesToTheNanosecond) {
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00Z"), at(0));
  EXPECT_EQ(parse_rfc3339("2026-11-23T18:22:02.123456789Z"), at(1'795'458'122'123'456'789));
  EXPECT_EQ(parse_rfc3339("2026-11-23T18:22:02.1Z"), at(1'795'458'122'100'000'000));
  EXPECT_EQ(parse_rfc3339("2026-11-23t18:22:02z"), at(1'795'458'122'000'000'000));
  EXPECT_EQ(parse_rfc3339("2026-11-23T19:52:02+01:30"), at(1'795'458'122'000'000'000));
  EXPECT_EQ(parse_rfc3339("2026-11-23T17:22:02-01:00"), at(1'795'458'122'000'000'000));
  EXPECT_EQ(parse_rfc3339("2016-12-31T23:59:60Z"), parse_rfc3339("2017-01-01T00:00:00Z"));
  EXPECT_EQ(parse_rfc3339("2024-02-29T00:00:00Z"), at(1'709'164'800'000'000'000));
}

TEST(Rfc3339Test, ReadsNothingElse) {
  for (const std::string_view text : {"",
                                      "2026",
                                      "2026-11-23",
                                      "2026-11-23T18:22Z",
                                      "2026-11-23 18:22:02Z",
                                      "2026-11-23T18:22:02",
                                      "2026-11-23T18:22:02.Z",
                                      "2026-11-23T18:22:02.1234567890Z",
                                      "2026-11-23T18:22:02Zz",
                                      "2026-11-23T18:22:02+01",
                                      "2026-13-23T18:22:02Z",
                                      "2026-11-31T18:22:02Z",
                                      "2026-02-29T18:22:02Z",
                                      "2026-11-00T18:22:02Z",
                                      "2026-11-23T24:22:02Z",
                                      "2026-11-23T18:60:02Z",
                                      "2026-11-23T18:22:61Z",
                                      "+026-11-23T18:22:02Z",
                                      "1969-12-31T23:59:59Z",
                                      "1970-01-01T00:00:00+00:01",
                                      "2300-01-01T00:00:00Z",
                                      "9999-12-31T23:59:59Z"}) {
    EXPECT_EQ(parse_rfc3339(text), std::nullopt) << text;
  }
}

TEST(Rfc3339Test, ReadsWhatItWrites) {
  std::mt19937_64 random(test_seed());
  for (int i = 0; i < 100'000; ++i) {
    constexpr std::uint64_t kMilli = 1'000'000;
    const auto nanos = static_cast<std::int64_t>(random() % (std::uint64_t{1} << 62) / kMilli * kMilli);
    ASSERT_EQ(parse_rfc3339(format_rfc3339(at(nanos))), at(nanos)) << nanos;
  }
}

}  // namespace
}  // namespace flint::base
