#include "base/rate_string.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "testing/choices.h"
#include "testing/seed.h"
#include "testing/values.h"

namespace flint {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::must;
using testing::Random;
using ::testing::StartsWith;

constexpr Nanos kDay = 24h;
constexpr auto kBucket = Algorithm::kTokenBucket;
constexpr auto kLog = Algorithm::kSlidingWindowLog;
constexpr auto kFixed = Algorithm::kFixedWindowCounter;
constexpr auto kCounter = Algorithm::kSlidingWindowCounter;

std::string why(std::string_view text) { return parse_limit(text).status().message(); }

TEST(RateString, ReadsWhatPeopleWrite) {
  const std::pair<const char*, Limit> cases[] = {
      {"100/m", {100, 1min}},
      {"100 per minute", {100, 1min}},
      {"100 / minute", {100, 1min}},
      {"10/s burst 20", {10, 1s, kBucket, 20}},
      {"5/15m", {5, 15min}},
      {"5 per 15 minutes", {5, 15min}},
      {"5/15 m", {5, 15min}},
      {"1000/day fixed_window_counter", {1000, kDay, kFixed}},
      {"1000 per day sliding_window_log", {1000, kDay, kLog}},
      {"1_000_000/d sliding_window_counter", {1'000'000, kDay, kCounter}},
      {"10/s token_bucket burst 20", {10, 1s, kBucket, 20}},
      {"10/s burst 20 token_bucket", {10, 1s, kBucket, 20}},
      {"  10  /  s   burst   20  ", {10, 1s, kBucket, 20}},
      {"10per s", {10, 1s}},
      {"10per 2s", {10, 2s}},
      {"10 PER Minute BURST 20 Token_Bucket", {10, 1min, kBucket, 20}},
      {"007/02s", {7, 2s}},
      {"1/250ms", {1, 250ms}},
      {"1/366d", {1, 366 * kDay}},
      {"1/527040m", {1, 366 * kDay}},
      {"1099511627776/ms", {kMaxUnits, 1ms}},
      {"1/s burst 1_099_511_627_776", {1, 1s, kBucket, kMaxUnits}},
      {"0000000000000000000000000000001/s", {1, 1s}},
  };
  for (const auto& [text, limit] : cases) {
    const Result<Limit> parsed = parse_limit(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.status().message();
    EXPECT_EQ(*parsed, limit) << text;
    EXPECT_TRUE(validate_limit(*parsed).ok()) << text;
  }
}

TEST(RateString, KnowsEachNameOfAUnit) {
  const std::pair<Nanos, std::vector<const char*>> units[] = {
      {1ms, {"ms", "msec", "msecs", "millisecond", "milliseconds"}},
      {1s, {"s", "sec", "secs", "second", "seconds", "Second", "SECS"}},
      {1min, {"m", "min", "mins", "minute", "minutes", "Minutes", "MIN"}},
      {1h, {"h", "hr", "hrs", "hour", "hours", "HR", "Hours"}},
      {kDay, {"d", "day", "days", "Day", "DAYS"}},
  };
  for (const auto& [length, names] : units) {
    for (const std::string name : names) {
      EXPECT_EQ(must(parse_limit("3/" + name)), (Limit{3, length})) << name;
      EXPECT_EQ(must(parse_limit("3 per 2 " + name)), (Limit{3, 2 * length})) << name;
    }
  }
  for (const std::string name : {"S", "M", "H", "D", "MS", "Ms", "ss", "ds", "mss", "minutess", "minut", "us", "ns",
                                 "minute_", "hour2", "daily", "per"}) {
    EXPECT_EQ(why("3/" + name), "limit has an unknown unit of time, \"" + name +
                                    "\". Write ms, s, m, h or d in lower case, or a word such as minute.");
  }
  for (const std::string name : {"w", "week", "weeks", "Month", "mo", "years", "y"}) {
    EXPECT_EQ(why("3/" + name),
              "limit has an unknown unit of time, \"" + name + "\". Write days, such as 7d or 30d, or calendar month.");
  }
}

TEST(RateString, SaysWhatIsWrongAndWhatToWriteInstead) {
  const std::string like_this = " Write it like 100/m or 10/s burst 20.";
  const std::string unit = " Write ms, s, m, h or d in lower case, or a word such as minute.";
  const std::string whole = " Write whole numbers: 1/2s for 0.5/s, 90m for 1.5h.";
  const std::string commas = " Separate rates with commas, like 10/s, 1000/h.";
  const std::string then =
      " After the period, write burst 20 or token_bucket, sliding_window_log, fixed_window_counter, "
      "sliding_window_counter or concurrency.";
  const std::pair<const char*, std::string> cases[] = {
      {"", "limit must not be empty." + like_this},
      {"   ", "limit must not be empty." + like_this},
      {"m", "limit needs a whole number of units first, not \"m\"." + like_this},
      {"/m", "limit needs a whole number of units first, not \"/\"." + like_this},
      {"-5/s", "limit needs a whole number of units first, not \"-\"." + like_this},
      {"+5/s", "limit needs a whole number of units first, not \"+\"." + like_this},
      {"_5/s", "limit needs a whole number of units first, not \"_\"." + like_this},
      {".5/s", "limit needs a whole number of units first, not \".\"." + whole},
      {"1.5/s", "limit needs \"/\" or \"per\" after \"1\", not \".\"." + whole},
      {"100", "limit needs \"/\" or \"per\" after \"100\"." + like_this},
      {"100 m", "limit needs \"/\" or \"per\" after \"100\", not \"m\"." + like_this},
      {"100 requests per minute", "limit needs \"/\" or \"per\" after \"100\", not \"requests\"." + like_this},
      {"10r/s", "limit needs \"/\" or \"per\" after \"10\", not \"r\"." + like_this},
      {"100-M", "limit needs \"/\" or \"per\" after \"100\", not \"-\"." + like_this},
      {"1e3/s", "limit needs \"/\" or \"per\" after \"1\", not \"e3\"." + like_this},
      {"0x10/s", "limit needs \"/\" or \"per\" after \"0\", not \"x10\"." + like_this},
      {"10k/s", "limit needs \"/\" or \"per\" after \"10\", not \"k\"." + like_this},
      {"10 perminute", "limit needs \"/\" or \"per\" after \"10\", not \"perminute\"." + like_this},
      {"1,000/h",
       "limit needs \"/\" or \"per\" after \"1\", not \",\". Write numbers without commas, like 1000/h or 1_000/h."},
      {"1__0/s", "limit needs a digit on both sides of each \"_\", not \"1__0\". Write it like 1_000/h."},
      {"10_/s", "limit needs a digit on both sides of each \"_\", not \"10_\". Write it like 1_000/h."},
      {"100/", "limit needs a unit of time after \"/\"." + unit},
      {"100 per", "limit needs a unit of time after \"per\"." + unit},
      {"100/60", "limit needs a unit of time after \"60\"." + unit},
      {"100/60, 5/s", "limit needs a unit of time after \"60\", not \",\"." + unit},
      {"100//m", "limit needs a unit of time after \"/\", not \"/\"." + unit},
      {"100/-1m", "limit needs a unit of time after \"/\", not \"-\"." + unit},
      {"100/1.5h", "limit needs a unit of time after \"1\", not \".\"." + whole},
      {"100/0m", "limit must have a period from 1ms to 366d, not \"0m\"." + like_this},
      {"100/367 days", "limit must have a period from 1ms to 366d, not \"367 days\"." + like_this},
      {"100/18446744073709551617s",
       "limit must have a period from 1ms to 366d, not \"18446744073709551617s\"." + like_this},
      {"0/s", "limit must have a rate from 1 to 1099511627776, not \"0\"." + like_this},
      {"1099511627777/s", "limit must have a rate from 1 to 1099511627776, not \"1099511627777\"." + like_this},
      {"18446744073709551617/s",
       "limit must have a rate from 1 to 1099511627776, not \"18446744073709551617\"." + like_this},
      {"10/s burst", "limit needs a whole number after \"burst\"." + like_this},
      {"10/s burst=20", "limit needs a whole number after \"burst\", not \"=\"." + like_this},
      {"10/s burst burst", "limit needs a whole number after \"burst\", not \"burst\"." + like_this},
      {"10/s burst 0", "limit must have a burst from 1 to 1099511627776, not \"0\"." + like_this},
      {"10/s burst 20 burst 20", "limit has two bursts. Write one."},
      {"10/s token_bucket token_bucket", "limit has two algorithms. Write one."},
      {"10/s burst 20 sliding_window_log",
       "limit must not have a burst with sliding_window_log. Leave out the burst, or choose token_bucket."},
      {"10/s sliding_window_log burst 20",
       "limit must not have a burst with sliding_window_log. Leave out the burst, or choose token_bucket."},
      {"10/s burst20", "limit cannot continue with \"burst20\"." + then},
      {"10/s fixed_window", "limit cannot continue with \"fixed_window\"." + then},
      {"10/1m30s", "limit has an unknown unit of time, \"m30s\"." + unit},
      {"10/1m 30s", "limit cannot continue with \"30\"." + then},
      {"10/s 20", "limit cannot continue with \"20\"." + then},
      {"10/s.", "limit cannot continue with \".\"." + then},
      {"10/s/s", "limit cannot continue with \"/\"." + then},
      {"10/s per s", "limit cannot continue with \"per\"." + then},
      {"10/s; 100/m", "limit cannot continue with \";\"." + commas},
      {"10/s | 100/m", "limit cannot continue with \"|\"." + commas},
      {"10/s and 100/m", "limit cannot continue with \"and\"." + commas},
      {"10/s,", "limit needs a whole number of units after \",\"." + like_this},
      {",10/s", "limit needs a whole number of units first, not \",\"." + like_this},
      {"10/s,,100/m", "limit needs a whole number of units after \",\", not \",\"." + like_this},
      {"10/s, 100/m, 20/1000ms", "limit must not have two rates per 1s. Keep one of them."},
      {"10/d fixed_window_counter, 9/24h", "limit must not have two rates per 1d. Keep one of them."},
      {"10/s\n", "limit must be printable ASCII: the byte at offset 4 is not." + like_this},
      {"10\t/s", "limit must be printable ASCII: the byte at offset 2 is not." + like_this},
      {"\x1b[31m10/s", "limit must be printable ASCII: the byte at offset 0 is not." + like_this},
      {"10/s\xff", "limit must be printable ASCII: the byte at offset 4 is not." + like_this},
      {"\u0661\u0660/s", "limit must be printable ASCII: the byte at offset 0 is not." + like_this},
      {"10/\u00b5s", "limit must be printable ASCII: the byte at offset 3 is not." + like_this},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_EQ(why(text), message) << text;
    EXPECT_EQ(parse_limit(text).status().field(), "limit") << text;
    EXPECT_EQ(parse_limit(text).code(), Code::kInvalidArgument) << text;
  }
  EXPECT_THAT(why(std::string_view("10/s\0", 5)), HasSubstr("the byte at offset 4"));
}

TEST(RateString, RepeatsOnlyAPieceOfALongText) {
  const std::string digits(500, '9');
  EXPECT_THAT(why(digits + "/s"), HasSubstr("not a text of 500 bytes."));
  EXPECT_THAT(why("1/" + digits + "d"), HasSubstr("not a text of 501 bytes."));
  EXPECT_THAT(why("1/s " + std::string(500, 'x')), HasSubstr("cannot continue with a text of 500 bytes."));
  EXPECT_THAT(why("1/" + std::string(500, 'x')), HasSubstr("unknown unit of time, a text of 500 bytes."));
  EXPECT_EQ(must(parse_limit("1/s" + std::string(base::kMaxRateStringBytes - 3, ' '))), (Limit{1, 1s}));
  EXPECT_THAT(why("1/s" + std::string(base::kMaxRateStringBytes - 2, ' ')),
              StartsWith("limit must be at most 1024 bytes, not 1025. Write it like"));
  EXPECT_THAT(why(std::string(10'000'000, '\n')), StartsWith("limit must be at most 1024 bytes, not 10000000."));
}

TEST(RateString, HasSeveralRatesBetweenCommas) {
  const Limit limit = must(parse_limit("10/s burst 20 ,1000/h,5/d fixed_window_counter"));
  EXPECT_EQ(limit, (Limit{10, 1s, kBucket, 20, {{1000, 1h}, {5, kDay, kFixed}}}));
  EXPECT_EQ(limit.lowest_capacity(), 5U);
  EXPECT_EQ(format_limit(limit), "10/s burst 20, 1000/h, 5/d fixed_window_counter");
  std::string text = "1/s";
  for (std::size_t count = 2; count <= kMaxWindows; ++count) text += ", 1/" + std::to_string(count) + "s";
  EXPECT_EQ(must(parse_limit(text)).window_count(), kMaxWindows);
  EXPECT_EQ(why(text + ", 9/9s"), "limit must have at most 8 rates. Leave out some.");
}

Limit calendar(Units rate, Align align, const char* timezone = "") {
  Limit limit{.rate = rate, .algorithm = kFixed};
  limit.align = align;
  limit.timezone = timezone;
  return limit;
}

TEST(RateString, HasCalendarWindows) {
  const std::pair<const char*, Limit> cases[] = {
      {"1000/calendar day", calendar(1000, Align::kDay)},
      {"1_000 per Calendar WEEK in UTC", calendar(1000, Align::kWeek)},
      {"7/calendar month in Europe/Berlin", calendar(7, Align::kMonth, "Europe/Berlin")},
      {"7 per calendar year in Etc/GMT+12 fixed_window_counter", calendar(7, Align::kYear, "Etc/GMT+12")},
  };
  for (const auto& [text, limit] : cases) {
    EXPECT_EQ(must(parse_limit(text)), limit) << text;
    EXPECT_EQ(must(parse_limit(format_limit(limit))), limit) << text;
  }
  Limit several = must(parse_limit("10/s, 7/calendar month in Asia/Kathmandu,9/d"));
  EXPECT_EQ(several.further[0], calendar(7, Align::kMonth, "Asia/Kathmandu"));
  EXPECT_EQ(format_limit(several), "10/s, 7/calendar month in Asia/Kathmandu, 9/d");
  const std::string like_this = " Write it like 1000 per calendar month in Europe/Berlin.";
  EXPECT_EQ(why("7/calendar"), "limit needs day, week, month or year after \"calendar\"." + like_this);
  EXPECT_EQ(why("7/calendar hour"),
            "limit needs day, week, month or year after \"calendar\", not \"hour\"." + like_this);
  EXPECT_EQ(why("7/calendar day in"), "limit has an unknown time zone, \"\"." + like_this);
  EXPECT_EQ(why("7/calendar day in Nowhere/Land"), "limit has an unknown time zone, \"Nowhere/Land\"." + like_this);
  EXPECT_EQ(why("7/calendar day in ../../etc/passwd"),
            "limit has an unknown time zone, \"../../etc/passwd\"." + like_this);
  EXPECT_EQ(why("7/calendar day burst 9"), "limit cannot continue with \"burst\"." + like_this);
  EXPECT_EQ(why("7/calendar day token_bucket"), "limit cannot continue with \"token_bucket\"." + like_this);
  EXPECT_EQ(why("7/calendar day, 9/calendar day in Europe/Berlin"),
            "limit must not have two rates per calendar day. Keep one of them.");
  EXPECT_EQ(why("7/2 calendar day"),
            "limit has an unknown unit of time, \"calendar\". Write ms, s, m, h or d in lower "
            "case, or a word such as minute.");
}

TEST(RateString, IsAsShortAsItCanBe) {
  const std::pair<Limit, const char*> cases[] = {
      {{100, 1min}, "100/m"},
      {{5, 15min}, "5/15m"},
      {{1, 90s}, "1/90s"},
      {{1, 1500ms}, "1/1500ms"},
      {{1, 11ms}, "1/11ms"},
      {{1, 1ms}, "1/ms"},
      {{1, 10s}, "1/10s"},
      {{1, 36h}, "1/36h"},
      {{10, kDay, kFixed}, "10/d fixed_window_counter"},
      {{10, 1h, kLog}, "10/h sliding_window_log"},
      {{10, 7 * kDay, kCounter}, "10/7d sliding_window_counter"},
      {{10, 1s, kBucket, 20}, "10/s burst 20"},
      {{10, 1s, kBucket, 10}, "10/s burst 10"},
      {{kMaxUnits, kMaxPeriod, kBucket, kMaxUnits}, "1099511627776/366d burst 1099511627776"},
  };
  for (const auto& [limit, text] : cases) {
    EXPECT_EQ(format_limit(limit), text);
    EXPECT_EQ(must(parse_limit(text)), limit);
  }
}

Limit random_limit(Random& random) {
  Limit limit;
  limit.rate = 1 + random.any_up_to(kMaxUnits - 1);
  const std::uint64_t longest = kMaxPeriod / 1ms;
  const Nanos unit = random.any_of(std::array<Nanos, 5>{1ms, 1s, 1min, 1h, kDay});
  const std::uint64_t count = 1 + random.any_up_to(longest / static_cast<std::uint64_t>(unit / 1ms) - 1);
  limit.per = static_cast<std::int64_t>(count) * unit;
  limit.algorithm = random.any_of(kAlgorithms);
  if (limit.algorithm == kBucket && random.one_in(2)) limit.burst = 1 + random.any_up_to(kMaxUnits - 1);
  return limit;
}

TEST(RateStringProperty, EveryLimitIsReadBackFromItsText) {
  Random random(testing::test_seed());
  for (std::uint64_t n = 0; n < 20'000 * testing::test_effort(); ++n) {
    Limit limit = random_limit(random);
    for (std::uint64_t more = random.pick(kMaxWindows); random.one_in(2) && more > 0; --more) {
      limit.further.push_back(random_limit(random));
      if (!validate_limit(limit).ok()) limit.further.pop_back();  // a period twice
    }
    ASSERT_TRUE(validate_limit(limit).ok());
    const std::string text = format_limit(limit);
    const Result<Limit> parsed = parse_limit(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.status().message();
    ASSERT_EQ(*parsed, limit) << text;
    ASSERT_EQ(format_limit(*parsed), text);
  }
}

/// The grammar of the header, said again as a regular expression, with some of its words. What it takes twice or out of
/// range is for others to find.
bool has_the_form(const std::string& text) {
  static const std::regex form = [] {
    const std::string number = "[0-9]+(?:_[0-9]+)*";
    const std::string unit = "(?:ms|s|m|[Mm][Ss][Ee][Cc][Ss]?|[Hh][Oo][Uu][Rr][Ss]?)";
    const std::string per = number + " *(?:/ *|[Pp][Ee][Rr] +)(?:" + number + " *)?" + unit;
    const std::string algorithm = "(?:token_bucket|TOKEN_BUCKET)";
    const std::string burst = " +[Bb][Uu][Rr][Ss][Tt] +" + number + "(?: *" + algorithm + ")?";
    const std::string window = " *" + per + "(?: +" + algorithm + ")?(?:" + burst + ")? *";
    return std::regex(window + "(?:," + window + ")*");
  }();
  return std::regex_match(text, form);
}

TEST(RateStringProperty, TakesTheGrammarAndNothingElse) {
  // Pieces that make most rows of them wrong in one place only.
  constexpr auto kPieces = std::to_array<std::string_view>(
      {"1", "20", "1_0",   "0",     "/",       "/",     "per ",         "PER",          "s",
       "m", "ms", "msecs", "Hour ", " burst ", "BURST", "token_bucket", "TOKEN_BUCKET", ",",
       " ", " ",  "_",     "x"});
  constexpr auto kStarts =
      std::to_array<std::string_view>({"", "1/s", "1 per 2 m", "1/s burst 5", "1/s token_bucket", "3/5ms,"});
  Random random(testing::test_seed());
  std::uint64_t taken = 0;
  for (std::uint64_t n = 0; n < 50'000 * testing::test_effort(); ++n) {
    std::string text(random.any_of(kStarts));
    for (std::uint64_t left = random.pick(7); left > 0; --left) text += random.any_of(kPieces);
    const Result<Limit> parsed = parse_limit(text);
    const std::string message = parsed.status().message();
    // What has the form and is refused all the same has a number out of range, or something twice.
    const bool judged = message.find("must have a ") != message.npos || message.find("has two ") != message.npos ||
                        message.find("must not have two ") != message.npos;
    const bool formed = has_the_form(text);
    ASSERT_EQ(formed, parsed.ok() || (formed && judged)) << text << ": " << message;
    if (parsed.ok()) {
      ++taken;
      ASSERT_TRUE(validate_limit(*parsed).ok()) << text;
      continue;
    }
    ASSERT_THAT(message, AllOf(StartsWith("limit "), EndsWith("."))) << text;
    ASSERT_LT(message.size(), 220U) << text;
    ASSERT_TRUE(base::is_printable_ascii(message)) << text;
  }
  EXPECT_GT(taken, 1'000U);
}

TEST(RateStringProperty, AnyBytesAreReadOrRefusedInASentence) {
  Random random(testing::test_seed());
  for (std::uint64_t n = 0; n < 20'000 * testing::test_effort(); ++n) {
    std::string text = format_limit(random_limit(random));
    for (std::uint64_t left = 1 + random.pick(3); left > 0; --left) {
      const std::size_t at = random.pick(text.size() + 1);
      const char byte = static_cast<char>(random.one_in(2) ? random.pick(256) : "/_, .smhd0"[random.pick(10)]);
      if (at == text.size() || random.one_in(3)) {
        text.insert(at, 1, byte);
      } else {
        text[at] = byte;
      }
    }
    const Result<Limit> parsed = parse_limit(text);
    if (parsed.ok()) continue;
    ASSERT_LT(parsed.status().message().size(), 200U);
    ASSERT_TRUE(base::is_printable_ascii(parsed.status().message()));
  }
}

}  // namespace
}  // namespace flint
