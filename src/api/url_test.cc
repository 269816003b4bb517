#include "api/url.h"

#include <gtest/gtest.h>

namespace flint::api {
namespace {

TEST(PercentDecoding, TakesTwoHexadecimalDigitsAndNothingElse) {
  EXPECT_EQ(percent_decode("a%2Fb%2fc+%C3%A9%00"), std::string("a/b/c+é\0", 9));
  for (const char* text : {"%", "a%", "%4", "%g0", "%0g", "%%41", "%+1", "% 1", "%-1"}) {
    EXPECT_FALSE(percent_decode(text)) << text;
    EXPECT_FALSE(is_percent_encoded(text)) << text;
  }
  EXPECT_TRUE(is_percent_encoded("%41%5a"));
}

Result<Query> parse(std::string_view text, std::initializer_list<std::string_view> names) {
  return Query::parse(text, {names.begin(), names.size()});
}

TEST(Query, GivesDecodedValues) {
  const Result<Query> query = parse("prefix=api%3A+x&limit=7&after=", {"prefix", "limit", "after"});
  ASSERT_TRUE(query.ok());
  EXPECT_EQ(query->text("prefix"), "api: x");
  EXPECT_EQ(query->text("after"), "");
  EXPECT_EQ(*query->number("limit", 1, 10), 7U);
}

TEST(Query, MayBeAbsent) {
  const Result<Query> query = parse("", {"limit"});
  ASSERT_TRUE(query.ok());
  EXPECT_EQ(query->text("limit"), std::nullopt);
  EXPECT_EQ(*query->number("limit", 20, 100), 20U);
}

TEST(Query, RefusesWhatItWasNotAskedForByName) {
  const auto message = [](std::string_view text) { return parse(text, {"by", "limit"}).status().message(); };
  EXPECT_EQ(message("colour=red"), "The query argument colour is not an argument of this request.");
  EXPECT_EQ(message("%62y=x"), "The query argument (a name of 4 bytes) is not an argument of this request.");
  EXPECT_EQ(message("&by=x"), "The query argument (a name of 0 bytes) is not an argument of this request.");
  EXPECT_EQ(message("by=x&by=x"), "by appears more than once in the query.");
  EXPECT_EQ(message("by"), "by has no value: write by=.");
  EXPECT_EQ(message("by=%zz"), "by contains a '%' without two hexadecimal digits after it.");
  EXPECT_EQ(message("by=%ff"), "by is not valid UTF-8.");
}

TEST(Query, TakesIntegersInRangeOnly) {
  for (const char* text : {"0", "-1", "+1", "1.0", "1e1", " 1", "1 ", "", "0x1", "101", "99999999999999999999"}) {
    const Result<Query> query = parse("limit=" + std::string(text), {"limit"});
    ASSERT_TRUE(query.ok());
    EXPECT_EQ(query->number("limit", 1, 100).status().message(), "limit must be an integer from 1 to 100.") << text;
  }
  EXPECT_EQ(*parse("limit=100", {"limit"})->number("limit", 1, 100), 100U);
}

}  // namespace
}  // namespace flint::api
