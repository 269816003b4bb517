#include "api/plain_check.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "api/requests.h"
#include "testing/seed.h"

namespace flint::api {
namespace {

TEST(PlainCheck, IsAKeyAndPerhapsACost) {
  const auto check = [](std::string_view body) { return scan_plain_check(body); };
  ASSERT_TRUE(check(R"({"key":"user:1"})"));
  EXPECT_EQ(check(R"({"key":"user:1"})")->key, "user:1");
  EXPECT_EQ(check(R"({"key":"user:1"})")->cost, 1U);
  ASSERT_TRUE(check(" {\t\"key\" : \" a \" ,\n\"cost\": 25 }\r\n"));
  EXPECT_EQ(check(" {\t\"key\" : \" a \" ,\n\"cost\": 25 }\r\n")->key, " a ");
  EXPECT_EQ(check(" {\t\"key\" : \" a \" ,\n\"cost\": 25 }\r\n")->cost, 25U);
  for (const char* body : {"",
                           "{",
                           "{}",
                           "[]",
                           R"({"key")",
                           R"({"key":)",
                           R"({"key":")",
                           R"({"key":"a)",
                           R"({"key":"a")",
                           R"({"key":"a"}x)",
                           R"({"key":"a",})",
                           R"({"key":"a","cost":})",
                           R"({"key":"a","cost":0})",
                           R"({"key":"a","cost":01})",
                           R"({"key":"a","cost":1.0})",
                           R"({"key":"a","cost":1e1})",
                           R"({"key":"a","cost":-1})",
                           R"({"key":"a","cost":1 1})",
                           R"({"key":"a","cost":1234567890123})",
                           R"({"key":"a","cost":"1"})",
                           R"({"key":"a","dry_run":true})",
                           R"({"key":"\u0061"})",
                           "{\"key\":\"\xc3\xa4\"}",
                           "{\"key\":\"a\nb\"}",
                           R"({"key":1})",
                           R"({"Key":"a"})",
                           R"({"key":"a","cost":1,"cost":1})",
                           "{\"key\":\"a\"}\v"}) {
    EXPECT_FALSE(check(body)) << body;
  }
}

/// Texts that are nearly checks: whatever is found in the bytes must be what the strict reader finds.
TEST(PlainCheck, IsReadAsTheStrictReaderDoes) {
  const std::uint64_t seed = testing::test_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&](std::size_t count) { return static_cast<std::size_t>(random() % count); };
  constexpr std::string_view kPieces[] = {"{",
                                          "}",
                                          "[",
                                          "\"key\"",
                                          "\"cost\"",
                                          ":",
                                          ",",
                                          " ",
                                          "\n",
                                          "\"a b\"",
                                          "\"\"",
                                          "12",
                                          "-1.5",
                                          "0",
                                          "e3",
                                          "\"\\",
                                          std::string_view("\0", 1),
                                          "\x80",
                                          "\t",
                                          "\"k\xc3\xa4\""};
  std::size_t found = 0;
  JsonDocument document;
  for (int round = 0; round < 50'000; ++round) {
    std::string body = below(2) == 0 ? R"({"key":"user:1"})" : R"({ "key": "user:1", "cost": 12 })";
    for (std::size_t changes = below(4); changes > 0; --changes) {
      const std::size_t at = below(body.size() + 1);
      const std::string_view piece = kPieces[below(std::size(kPieces))];
      if (below(2) == 0) {
        body.insert(at, piece);
      } else {
        body.erase(at, 1 + below(3));
      }
    }
    const std::optional<PlainCheck> plain = scan_plain_check(body);
    if (!plain) continue;
    ++found;
    ASSERT_TRUE(document.parse(body).ok()) << body;
    const auto strict = read_check(document);
    ASSERT_TRUE(strict.ok()) << body;
    ASSERT_EQ(plain->key, strict->key) << body;
    ASSERT_EQ(plain->cost, strict->cost) << body;
    ASSERT_FALSE(strict->limit || strict->dry_run || !strict->request_id.empty()) << body;
  }
  EXPECT_GT(found, 10'000U);
}

}  // namespace
}  // namespace flint::api
