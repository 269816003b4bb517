#include "flint/limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/period.h"

namespace flint {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr Nanos kDay = 24h;

std::string message_for(const Limit& limit) { return validate_limit(limit).message(); }

TEST(LimitTest, AlgorithmNamesAreReadBack) {
  for (const auto algorithm : {Algorithm::kTokenBucket, Algorithm::kSlidingWindowLog, Algorithm::kFixedWindowCounter}) {
    EXPECT_EQ(parse_algorithm(algorithm_name(algorithm)), algorithm);
  }
  EXPECT_EQ(algorithm_name(Algorithm::kSlidingWindowLog), "sliding_window_log");
  for (const char* name : {"", "token", "Token_Bucket", "token_bucket ", "tokenbucket"}) {
    EXPECT_EQ(parse_algorithm(name), std::nullopt) << name;
  }
}

TEST(LimitTest, AcceptsTheEndsOfEveryRange) {
  for (const Units units : {Units{1}, kMaxUnits}) {
    for (const Nanos per : {kMinPeriod, kMaxPeriod}) {
      EXPECT_TRUE(validate_limit({.rate = units, .per = per}).ok());
      EXPECT_TRUE(validate_limit({.rate = 1, .per = per, .burst = units}).ok());
      EXPECT_TRUE(validate_limit({.rate = units, .per = per, .algorithm = Algorithm::kSlidingWindowLog}).ok());
    }
  }
}

TEST(LimitTest, NamesTheFieldWhatIsAllowedAndWhatWasGiven) {
  EXPECT_EQ(message_for({.rate = 0, .per = 1s}), "rate must be from 1 to 1099511627776, not 0.");
  EXPECT_EQ(message_for({.rate = kMaxUnits + 1, .per = 1s}),
            "rate must be from 1 to 1099511627776, not 1099511627777.");
  EXPECT_EQ(message_for({.rate = 1, .per = 1s, .burst = 0}), "burst must be from 1 to 1099511627776, not 0.");
  EXPECT_EQ(message_for({.rate = 1, .per = 1500us}),
            "per must be a whole number of milliseconds from 1ms to 366d, not 1500us.");
  EXPECT_EQ(message_for({.rate = 1, .per = kMaxPeriod + 1ms}),
            "per must be a whole number of milliseconds from 1ms to 366d, not 31622400001ms.");
  EXPECT_THAT(message_for({.rate = 1, .per = 0s}), HasSubstr("not 0s"));
  EXPECT_THAT(message_for({.rate = 1, .per = -1s}), HasSubstr("not -1s"));
  EXPECT_THAT(message_for({.rate = 1, .per = 1s, .algorithm = Algorithm::kFixedWindowCounter, .burst = 2}),
              HasSubstr("burst is for token_bucket only"));
  EXPECT_THAT(message_for({.rate = 1, .per = 1s, .algorithm = static_cast<Algorithm>(9)}), HasSubstr("algorithm"));
}

TEST(LimitTest, CapacityIsTheBurstOrTheRate) {
  EXPECT_EQ((Limit{.rate = 5, .per = 1s}).capacity(), 5U);
  EXPECT_EQ((Limit{.rate = 5, .per = 1s, .burst = 9}).capacity(), 9U);
}

TEST(LimitTest, AcceptsKeysOfPrintableText) {
  for (const std::string& key :
       {std::string("a"), std::string("api:user-42"), std::string("route:/v1/chat?x=%20"), std::string(" a "),
        std::string("schl\u00fcssel \u9375 \U0001F511"), std::string(kMaxKeyBytes, 'k'), std::string("\u00a1")}) {
    EXPECT_TRUE(validate_key(key).ok()) << key << ": " << validate_key(key).message();
  }
}

TEST(LimitTest, RefusesKeysAndSaysWhy) {
  const auto why = [](std::string_view key) { return validate_key(key).message(); };
  EXPECT_EQ(why(""), "key must be 1 to 512 bytes, not 0.");
  EXPECT_EQ(why(std::string(kMaxKeyBytes + 1, 'k')), "key must be 1 to 512 bytes, not 513.");
  EXPECT_THAT(why("ab\xff"), HasSubstr("UTF-8: the byte at offset 2"));
  EXPECT_THAT(why("\xc0\x80"), HasSubstr("UTF-8"));
  EXPECT_THAT(why(std::string_view("a\0b", 3)), HasSubstr("control characters: there is one at byte offset 1"));
  EXPECT_THAT(why("12345678\n"), HasSubstr("byte offset 8"));
  EXPECT_THAT(why("\x7f"), HasSubstr("control"));
  EXPECT_THAT(why("\u00fc\u0085"), HasSubstr("byte offset 2"));
  EXPECT_THAT(why(" "), HasSubstr("blank"));
  EXPECT_THAT(why("            "), HasSubstr("blank"));
  EXPECT_THAT(why(" \u00a0\u3000"), HasSubstr("blank"));
  EXPECT_EQ(validate_key("").code(), Code::kInvalidArgument);
}

TEST(LimitTest, ReadsPeriods) {
  const std::pair<const char*, Nanos> cases[] = {
      {"1ms", 1ms},         {"250ms", 250ms},         {"10s", 10s}, {"10", 10s},
      {"1m", 1min},         {"90m", 90min},           {"1h", 1h},   {"1d", kDay},
      {"366d", 366 * kDay}, {"31622400", kMaxPeriod}, {"007s", 7s}};
  for (const auto& [text, per] : cases) {
    const Result<Nanos> parsed = parse_period(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.status().message();
    EXPECT_EQ(*parsed, per) << text;
  }
}

TEST(LimitTest, RefusesWhatIsNoPeriod) {
  for (const char* text : {"",
                           "s",
                           "ms",
                           "0",
                           "0ms",
                           "367d",
                           "31622401",
                           "1.5s",
                           "-1s",
                           "+1s",
                           " 1s",
                           "1s ",
                           "1 s",
                           "1S",
                           "1us",
                           "1w",
                           "1m30s",
                           "9223372036854775807",
                           "9223372036854775808d",
                           "99999999999999999999999999ms",
                           "106752d",
                           "0x10"}) {
    const Result<Nanos> parsed = parse_period(text);
    EXPECT_EQ(parsed.code(), Code::kInvalidArgument) << text;
    EXPECT_THAT(parsed.status().message(), HasSubstr("per must be an integer and a unit")) << text;
    EXPECT_THAT(parsed.status().message(), HasSubstr(std::string("not \"") + text + "\"")) << text;
  }
}

TEST(LimitTest, MessagesDoNotRepeatHostileText) {
  EXPECT_THAT(parse_period("1\x1b[31m").status().message(), HasSubstr("not a text of 6 bytes."));
  EXPECT_THAT(parse_period(std::string(1000, 'x')).status().message(), HasSubstr("not a text of 1000 bytes."));
}

TEST(LimitTest, FormatsDurationsInTheLargestExactUnit) {
  const std::pair<Nanos, const char*> cases[] = {
      {250ms, "250ms"}, {1000ms, "1s"},       {90s, "90s"},       {60s, "1m"},  {3600s, "1h"},        {24h, "1d"},
      {36h, "36h"},     {kMaxPeriod, "366d"}, {1500us, "1500us"}, {1ns, "1ns"}, {Nanos::zero(), "0s"}};
  for (const auto& [duration, text] : cases) {
    EXPECT_EQ(base::format_period(duration), text);
    if (validate_limit({.rate = 1, .per = duration}).ok()) {
      EXPECT_EQ(*parse_period(text), duration);
    }
  }
}

}  // namespace
}  // namespace flint
