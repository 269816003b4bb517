#include "cli/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>

namespace flint::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ParseInteger, TakesDecimalDigitsOnly) {
  EXPECT_EQ(*parse_integer("--rate", "0"), 0U);
  EXPECT_EQ(*parse_integer("--rate", "007"), 7U);
  EXPECT_EQ(*parse_integer("--rate", "9223372036854775808"), std::uint64_t{1} << 63);
  EXPECT_EQ(*parse_integer("--rate", "18446744073709551615"), UINT64_MAX);
  for (const char* text : {"", " 5", "5 ", "+5", "-5", "1.5", "1e3", "0x10", "1_000", "1,000", "five", "\xd9\xa3"}) {
    const auto parsed = parse_integer("--rate", text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.code(), Code::kInvalidArgument);
    EXPECT_THAT(parsed.status().message(), HasSubstr("--rate must be a whole number"));
  }
}

TEST(ParseInteger, SaysThatANumberIsTooLarge) {
  EXPECT_THAT(parse_integer("--cost", "18446744073709551616").status().message(), HasSubstr("--cost is too large"));
}

TEST(ParseItem, DigitsBehindTheLastEqualsSignAreTheCost) {
  const auto is = [](const char* text, const char* key, std::uint64_t cost) {
    const auto item = parse_item(text);
    ASSERT_TRUE(item.ok()) << text;
    EXPECT_EQ(item->key, key) << text;
    EXPECT_EQ(item->cost, cost) << text;
  };
  is("user:42", "user:42", 1);
  is("org:acme=10", "org:acme", 10);
  is("page=3=1", "page=3", 1);
  is("a=", "a=", 1);
  is("a=b", "a=b", 1);
  is("a=1.5", "a=1.5", 1);
  is("a=-5", "a=-5", 1);
  is("a=0", "a", 0);
  is("=7", "", 7);
  is("", "", 1);
  EXPECT_THAT(parse_item("a=99999999999999999999").status().message(),
              HasSubstr("The cost in \"a=99999999999999999999\" is too large"));
}

TEST(PercentEncode, LeavesOnlyUnreservedCharacters) {
  EXPECT_EQ(percent_encode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encode("route:/v1/chat?x=1&y#%"), "route%3A%2Fv1%2Fchat%3Fx%3D1%26y%23%25");
  EXPECT_EQ(percent_encode("\xc3\xa9"), "%C3%A9");
}

class ArgumentVector {
 public:
  explicit ArgumentVector(std::vector<std::string> texts) : texts_(std::move(texts)) {
    for (std::string& text : texts_) values_.push_back(text.data());
  }
  int count() const { return static_cast<int>(values_.size()); }
  char** values() { return values_.data(); }
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::vector<std::string> texts_;
  std::vector<char*> values_;
};

TEST(TakeArguments, WipesTheTokenWhereTheSystemShowsIt) {
  ArgumentVector vector({"flint", "--token", "secret", "server", "--token=again", "--tokens=no", "start"});
  EXPECT_THAT(take_arguments(vector.count(), vector.values()),
              ElementsAre("--token", "secret", "server", "--token=again", "--tokens=no", "start"));
  EXPECT_THAT(vector.texts(), ElementsAre("flint", "--token", std::string(6, '\0'), "server",
                                          "--token=" + std::string(5, '\0'), "--tokens=no", "start"));
}

TEST(TakeArguments, ATokenWithoutAValueIsNoTrouble) {
  ArgumentVector vector({"flint", "--token"});
  EXPECT_THAT(take_arguments(vector.count(), vector.values()), ElementsAre("--token"));
}

}  // namespace
}  // namespace flint::cli
