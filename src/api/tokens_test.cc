#include "api/tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flint::api {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(Secret, IsEqualOrNot) {
  EXPECT_TRUE(same_secret("abc", "abc"));
  for (const char* given : {"", "a", "ab", "abd", "abcd", "abcabc", "Abc"}) EXPECT_FALSE(same_secret(given, "abc"));
  EXPECT_FALSE(same_secret("", "")) << "no secret lets nobody in";
}

TEST(Tokens, AreOneALineWithTheirRoles) {
  const Result<Tokens> tokens = Tokens::parse(
      "# for the web service\r\n\ncheck one\n  metrics\ttwo \nadmin three\n#four\nfive\n#\ncheck check\nmetrics");
  ASSERT_TRUE(tokens.ok()) << tokens.status().message();
  EXPECT_EQ(tokens->size(), 7U);
  EXPECT_EQ(tokens->role_of("one"), Role::kCheck);
  EXPECT_EQ(tokens->role_of("two"), Role::kMetrics);
  EXPECT_EQ(tokens->role_of("three"), Role::kAdmin);
  EXPECT_EQ(tokens->role_of("#four"), Role::kAdmin) << "a token may begin with any character";
  EXPECT_EQ(tokens->role_of("five"), Role::kAdmin);
  EXPECT_EQ(tokens->role_of("check"), Role::kCheck) << "the name of a role may be a token";
  EXPECT_EQ(tokens->role_of("metrics"), Role::kAdmin);
  for (const char* none : {"", "On", "on", "onee", "check one", "#", "admin"})
    EXPECT_FALSE(tokens->role_of(none)) << none;
  EXPECT_EQ(tokens->shortest(), 3U);
}

TEST(Tokens, OfNoneLetNobodyIn) { EXPECT_FALSE(Tokens().role_of("")); }

TEST(Tokens, SayWhichLineIsWrongAndKeepSecretsToThemselves) {
  const std::string long_token(kMaxTokenBytes + 1, 's');
  std::string many;
  for (std::size_t i = 0; i <= kMaxTokens; ++i) many += "s3cret" + std::to_string(i) + "\n";
  const std::pair<std::string, std::string> cases[] = {
      {"", "no token"},
      {"\n# s3cret\n", "no token"},
      {"good\nreader s3cret", "Line 2 of the tokens does not begin with a role"},
      {"s3cret other", "Line 1 of the tokens does not begin with a role"},
      {"Check s3cret", "Line 1 of the tokens does not begin with a role"},
      {"check s3cret more", "Line 1 of the tokens has a token that cannot be used"},
      {"\n\ncheck s3cr\xc3\xa9t", "Line 3 of the tokens has a token that cannot be used"},
      {std::string("s3cret\0", 7), "Line 1 of the tokens has a token that cannot be used"},
      {long_token, "1 to 512 visible"},
      {"check s3cret\nadmin s3cret", "Line 2 of the tokens has the token of another line"},
      {many, "Line 65 of the tokens is one too many"},
  };
  for (const auto& [text, why] : cases) {
    const Result<Tokens> tokens = Tokens::parse(text);
    ASSERT_FALSE(tokens.ok()) << text;
    EXPECT_THAT(tokens.status().message(), AllOf(HasSubstr(why), Not(HasSubstr("s3cr")))) << text;
  }
  EXPECT_TRUE(Tokens::parse(std::string(kMaxTokenBytes, 's')).ok());
}

TEST(Tokens, ThatAClientTakesMayDoTheMost) {
  EXPECT_EQ(Tokens::parse("check one\nadmin two\nadmin three")->most_able(), "two");
  EXPECT_EQ(Tokens::parse("metrics one\ncheck two")->most_able(), "one");
}

TEST(Roles, AdmitAdminEverywhere) {
  EXPECT_TRUE(Roles{}.admit(Role::kAdmin));
  EXPECT_FALSE(Roles{}.admit(Role::kCheck));
  EXPECT_FALSE(Roles{}.admit(Role::kMetrics));
  EXPECT_TRUE(Roles{.check = true}.admit(Role::kCheck));
  EXPECT_FALSE(Roles{.check = true}.admit(Role::kMetrics));
  EXPECT_TRUE(Roles{.metrics = true}.admit(Role::kMetrics));
}

}  // namespace
}  // namespace flint::api
