#include "limiter/key_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "testing/choices.h"
#include "testing/seed.h"

namespace flint::limiter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Random;

class KeyOrderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    bool complete = true;
    EXPECT_TRUE(changes_.take(complete).empty());
    EXPECT_FALSE(complete) << "nobody had asked for it";
  }
  void add(std::string_view key) { changes_.added(key); }
  void remove(std::string_view key) { changes_.removed(key); }
  std::vector<std::string> page(std::string_view from, bool inclusive, std::string_view prefix = "",
                                std::size_t most = SIZE_MAX) {
    bool complete = false;
    order_.apply(changes_.take(complete));
    EXPECT_TRUE(complete);
    const std::vector<std::string_view> names = order_.page(prefix, from, inclusive, most);
    return {names.begin(), names.end()};
  }

  NameChanges changes_;
  KeyOrder order_;
};

TEST_F(KeyOrderTest, IsThatOfTheBytes) {
  for (const char* key : {"b", "a/b", "a", "\xc3\xa4", "B", "a-b", "ab"}) add(key);
  EXPECT_THAT(page("", false), ElementsAre("B", "a", "a-b", "a/b", "ab", "b", "\xc3\xa4"))
      << "bytes are unsigned: a letter beyond ASCII is after all of it";
  EXPECT_THAT(page("a", false), ElementsAre("a-b", "a/b", "ab", "b", "\xc3\xa4"));
  EXPECT_THAT(page("a", true), ElementsAre("a", "a-b", "a/b", "ab", "b", "\xc3\xa4"));
  EXPECT_THAT(page("aa", true), ElementsAre("ab", "b", "\xc3\xa4"));
  EXPECT_THAT(page("\xc3\xa4", false), IsEmpty());
}

TEST_F(KeyOrderTest, APageEndsWithThePrefixAndWithItsSize) {
  for (const char* key : {"b", "a/b", "a", "a-b", "ab"}) add(key);
  EXPECT_THAT(page("a", true, "a"), ElementsAre("a", "a-b", "a/b", "ab"));
  EXPECT_THAT(page("a", true, "a", 2), ElementsAre("a", "a-b"));
  EXPECT_THAT(page("a", true, "a", 0), IsEmpty());
}

TEST_F(KeyOrderTest, HoldsWhatASetOfStringsHolds) {
  Random random(testing::test_seed());
  std::set<std::string> model;
  for (int i = 0; i < 5'000; ++i) {
    const std::string key = "k" + std::to_string(random.pick(3'000)) + std::string(random.pick(40), 'x');
    if (random.one_in(3)) {
      if (model.erase(key) > 0) remove(key);
    } else if (model.insert(key).second) {
      add(key);
    }
    const std::string from = "k" + std::to_string(random.pick(3'000));
    const bool inclusive = random.one_in(2);
    const auto wanted = inclusive ? model.lower_bound(from) : model.upper_bound(from);
    const std::vector<std::string> got = page(from, inclusive, "", 1);
    ASSERT_EQ(got.empty() ? "" : got.front(), wanted == model.end() ? "" : *wanted);
  }
  EXPECT_EQ(order_.size(), model.size());
}

// Where nobody lists any more, the names of keys that came and went would be kept for ever.
TEST_F(KeyOrderTest, WhatNobodyAsksForIsNotNotedForLong) {
  for (int i = 0; i < 70'000; ++i) add("key " + std::to_string(i));
  bool complete = true;
  static_cast<void>(changes_.take(complete));
  EXPECT_FALSE(complete);
  add("one");
  EXPECT_EQ(changes_.take(complete).size(), 1U);
  EXPECT_TRUE(complete);
}

}  // namespace
}  // namespace flint::limiter
