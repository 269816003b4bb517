#include "limiter/keys.h"

#include <gtest/gtest.h>

#include <set>

#include "testing/choices.h"
#include "testing/seed.h"

namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using testing::Random;

TEST(Keys, FindsByKeyAndById) {
  Keys table;
  EXPECT_EQ(table.find("a"), nullptr);
  EXPECT_EQ(table.find(KeyId{0}), nullptr);
  KeyEntry& a = table.add("a");
  KeyEntry& b = table.add("b");
  EXPECT_EQ(a.id, 0U);
  EXPECT_EQ(b.id, 1U);
  EXPECT_EQ(table.find("a"), &a);
  EXPECT_EQ(table.find(KeyId{1}), &b);
  EXPECT_EQ(table.find(KeyId{2}), nullptr);
  EXPECT_EQ(table.next_id(), 2U);
  EXPECT_EQ(table.size(), 2U);
  EXPECT_FALSE(table.full());
}

TEST(Keys, EntriesStayWhereTheyAre) {
  Keys table;
  KeyEntry& first = table.add("first");
  for (int i = 0; i < 10'000; ++i) table.add(std::to_string(i));
  EXPECT_EQ(table.find("first"), &first);
  EXPECT_EQ(first.key, "first");
}

TEST(Keys, ClearedItStartsAnew) {
  Keys table;
  table.add("a");
  table.clear();
  EXPECT_EQ(table.size(), 0U);
  EXPECT_EQ(table.find("a"), nullptr);
  EXPECT_EQ(table.add("a").id, 0U);
}

TEST(Keys, HoldsWhatASetOfStringsHolds) {
  Random random(testing::test_seed());
  Keys table;
  std::set<std::string> model;
  for (int i = 0; i < 5'000; ++i) {
    const std::string key = "k" + std::to_string(random.pick(3'000)) + std::string(random.pick(40), 'x');
    if (model.insert(key).second) table.add(key);
    const std::string from = "k" + std::to_string(random.pick(3'000));
    ASSERT_EQ(table.find(from) != nullptr, model.contains(from));
  }
  EXPECT_EQ(table.size(), model.size());
}

TEST(Counters, DoNotWrapAround) {
  Counters counters;
  counters.denied_cost = ~std::uint64_t{0} - 1;
  counters.add_denied({.count = 2, .cost = 5, .last = WallTime(1s)});
  EXPECT_EQ(counters.denied, 2U);
  EXPECT_EQ(counters.denied_cost, ~std::uint64_t{0});
  counters.allowed_cost = ~std::uint64_t{0} - 1;
  counters.add_allowed(5, WallTime(2s));
  EXPECT_EQ(counters.allowed_cost, ~std::uint64_t{0});
  EXPECT_EQ(counters.last_denied_at, WallTime(1s));
  EXPECT_EQ(counters.last_allowed_at, WallTime(2s));
}

TEST(KeyEntry, ARecordTakesPendingDenialsAlongOnce) {
  KeyEntry entry;
  entry.pending = {.count = 3, .cost = 7, .last = WallTime(1s)};
  entry.note_record(9);
  entry.note_record(10);
  EXPECT_EQ(entry.counters.denied, 3U);
  EXPECT_EQ(entry.counters.denied_cost, 7U);
  EXPECT_EQ(entry.pending, Denials{});
  EXPECT_EQ(entry.last_seq, 10U);
}

}  // namespace
}  // namespace flint::limiter
