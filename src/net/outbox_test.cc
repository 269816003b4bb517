#include "net/outbox.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "testing/seed.h"

namespace flint::net {
namespace {

using Answers = Outbox<int>;

void append(Answers& outbox, std::string_view answer) { outbox.tail() += answer; }

void fill(Answers& outbox, Answers::Place place, std::string_view answer) {
  ASSERT_NE(outbox.find(place), nullptr);
  outbox.fill(place, [answer](std::string& out) { out += answer; });
}

TEST(Outbox, HoldsWhatIsBehindAPlaceUntilItIsFilled) {
  Answers outbox;
  append(outbox, "one");
  const Answers::Place two = outbox.reserve(2);
  append(outbox, "three");
  const Answers::Place four = outbox.reserve(4);
  EXPECT_EQ(outbox.sendable(), "one");
  outbox.sent(3);
  EXPECT_EQ(outbox.sendable(), "");
  EXPECT_FALSE(outbox.empty());
  fill(outbox, two, "two");
  EXPECT_EQ(outbox.sendable(), "twothree");
  outbox.sent(5);
  fill(outbox, four, "four");
  EXPECT_EQ(outbox.sendable(), "reefour");
  outbox.sent(7);
  EXPECT_TRUE(outbox.empty());
}

TEST(Outbox, KeepsTheOrderHoweverItsPlacesAreFilled) {
  Answers outbox;
  std::vector<Answers::Place> places;
  for (int i = 0; i < 3; ++i) {
    places.push_back(outbox.reserve(i));
    append(outbox, std::string(1, static_cast<char>('a' + i)));
  }
  fill(outbox, places[2], "2");
  EXPECT_EQ(outbox.sendable(), "");
  fill(outbox, places[0], "0");
  EXPECT_EQ(outbox.sendable(), "0a");
  fill(outbox, places[1], "1");
  EXPECT_EQ(outbox.sendable(), "0a1b2c");
  append(outbox, "!");
  EXPECT_EQ(outbox.sendable(), "0a1b2c!");
}

TEST(Outbox, KnowsWhatWasNotedOfAPlaceUntilItIsFilled) {
  Answers outbox;
  const Answers::Place first = outbox.reserve(5);
  const Answers::Place second = outbox.reserve(6);
  EXPECT_EQ(*outbox.find(first), 5);
  EXPECT_EQ(*outbox.find(second), 6);
  fill(outbox, second, "x");
  EXPECT_EQ(outbox.find(second), nullptr);
  fill(outbox, first, "x");
  EXPECT_EQ(outbox.find(first), nullptr);
  EXPECT_EQ(*outbox.find(outbox.reserve(7)), 7);
}

TEST(Outbox, ForgetsWhatMayNeverBeTold) {
  Answers outbox;
  append(outbox, "told");
  const Answers::Place unsure = outbox.reserve(0);
  append(outbox, "behind");
  const Answers::Place unsure_too = outbox.reserve(0);
  append(outbox, "behind");
  outbox.sent(2);
  outbox.drop_behind(unsure);
  EXPECT_EQ(outbox.find(unsure_too), nullptr);
  fill(outbox, unsure, "503");
  EXPECT_EQ(outbox.sendable(), "ld503");
  EXPECT_EQ(outbox.size(), 5U);
}

TEST(Outbox, KeepsItsPlacesWhenWhatWasSentIsCutOff) {
  Answers outbox;
  const std::string large(100'000, 'x');
  append(outbox, large);
  const Answers::Place held = outbox.reserve(0);
  append(outbox, "behind");
  while (!outbox.sendable().empty()) outbox.sent(std::min<std::size_t>(outbox.sendable().size(), 30'000));
  fill(outbox, held, "held");
  EXPECT_EQ(outbox.size(), 10U);
  EXPECT_EQ(outbox.sendable(), "heldbehind");
}

TEST(Outbox, GrowsWithEachPlaceSoThatTheirNumberIsBounded) {
  Answers outbox;
  std::size_t size = outbox.size();
  for (int i = 0; i < 10; ++i) {
    outbox.reserve(i);
    EXPECT_GT(outbox.size(), size);
    size = outbox.size();
  }
}

/// Any order of appending, reserving, filling and sending: the bytes leave in the order of the requests, as early as
/// they can, and the size is that of what has not left.
TEST(Outbox, AgreesWithASlowModel) {
  std::mt19937_64 random(testing::test_seed());
  for (int round = 0; round < 200; ++round) {
    Answers outbox;
    // What each answer is, once it is there.
    std::vector<std::optional<std::string>> model;
    std::map<std::size_t, Answers::Place> open;
    std::string left;
    for (int step = 0; step < 60; ++step) {
      const std::string bytes(random() % 5, static_cast<char>('a' + random() % 26));
      const std::uint64_t choice = random() % 4;
      if (choice == 0) {
        append(outbox, bytes);
        model.emplace_back(bytes);
      } else if (choice == 1) {
        open[model.size()] = outbox.reserve(static_cast<int>(model.size()));
        model.emplace_back();
      } else if (choice == 2 && !open.empty()) {
        const auto chosen = std::next(open.begin(), static_cast<std::ptrdiff_t>(random() % open.size()));
        ASSERT_EQ(*outbox.find(chosen->second), static_cast<int>(chosen->first));
        fill(outbox, chosen->second, bytes);
        model[chosen->first] = bytes;
        open.erase(chosen);
      } else {
        const std::size_t count = random() % (outbox.sendable().size() + 1);
        left += outbox.sendable().substr(0, count);
        outbox.sent(count);
      }
      std::string expected;
      for (const std::optional<std::string>& answer : model) {
        if (!answer) break;
        expected += *answer;
      }
      ASSERT_EQ(left + std::string(outbox.sendable()), expected);
      ASSERT_EQ(outbox.empty(), open.empty() && left == expected);
    }
    while (!open.empty()) {
      fill(outbox, open.begin()->second, "");
      open.erase(open.begin());
    }
    ASSERT_EQ(outbox.size(), outbox.sendable().size());
  }
}

}  // namespace
}  // namespace flint::net
