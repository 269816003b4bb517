#include "net/outbox.h"

#include <gtest/gtest.h>

#include <vector>

namespace flint::net {
namespace {

void append(Outbox& outbox, std::string_view answer, std::uint64_t seq = 0) {
  const std::uint64_t begin = outbox.end();
  outbox.tail() += answer;
  if (seq != 0) outbox.hold(begin, seq);
}

std::size_t release_to(Outbox& outbox, std::uint64_t durable) {
  return outbox.release([durable](std::uint64_t seq) { return seq <= durable; }, [](Outbox::AskedAt) {});
}

TEST(Outbox, HoldsAnAnswerAndWhatIsBehindIt) {
  Outbox outbox;
  append(outbox, "one");
  append(outbox, "two", 7);
  append(outbox, "three");
  append(outbox, "four", 9);
  EXPECT_EQ(outbox.sendable(), "one");
  outbox.sent(3);
  EXPECT_EQ(outbox.sendable(), "");
  EXPECT_EQ(release_to(outbox, 6), 0U);
  EXPECT_EQ(release_to(outbox, 8), 1U);
  EXPECT_EQ(outbox.sendable(), "twothree");
  outbox.sent(5);
  EXPECT_EQ(release_to(outbox, 9), 1U);
  EXPECT_EQ(outbox.sendable(), "reefour");
  outbox.sent(7);
  EXPECT_TRUE(outbox.empty());
}

TEST(Outbox, TellsWhenTheReleasedAnswersWereAskedFor) {
  using Time = std::chrono::steady_clock::time_point;
  Outbox outbox;
  const Time asked_at(std::chrono::seconds(5));
  for (const Outbox::AskedAt asked : {Outbox::AskedAt(asked_at), Outbox::AskedAt(), Outbox::AskedAt(asked_at)}) {
    outbox.tail() += "x";
    outbox.hold(outbox.end() - 1, 1, asked);
  }
  std::vector<Outbox::AskedAt> released;
  outbox.release([](std::uint64_t) { return true; }, [&](Outbox::AskedAt asked) { released.push_back(asked); });
  EXPECT_EQ(released, (std::vector<Outbox::AskedAt>{asked_at, std::nullopt, asked_at}));
}

TEST(Outbox, HoldsAnOlderRecordAsLongAsTheOneBefore) {
  Outbox outbox;
  append(outbox, "new", 9);
  append(outbox, "old", 2);
  EXPECT_EQ(outbox.last_held(), 9U);
  EXPECT_EQ(release_to(outbox, 8), 0U);
  EXPECT_EQ(release_to(outbox, 9), 2U);
}

TEST(Outbox, ForgetsWhatMayNeverBeTold) {
  Outbox outbox;
  append(outbox, "told");
  append(outbox, "unsure", 3);
  append(outbox, "behind");
  append(outbox, "unsure too", 4);
  outbox.sent(2);
  EXPECT_EQ(outbox.drop_held(), 2U);
  append(outbox, "503");
  EXPECT_EQ(outbox.sendable(), "ld503");
  EXPECT_EQ(outbox.drop_held(), 0U);
}

TEST(Outbox, KeepsItsPlacesWhenWhatWasSentIsCutOff) {
  Outbox outbox;
  const std::string large(100'000, 'x');
  append(outbox, large);
  append(outbox, "held", 5);
  append(outbox, "behind");
  while (!outbox.sendable().empty()) outbox.sent(std::min<std::size_t>(outbox.sendable().size(), 30'000));
  EXPECT_EQ(outbox.size(), 10U);
  EXPECT_EQ(release_to(outbox, 5), 1U);
  EXPECT_EQ(outbox.sendable(), "heldbehind");
}

}  // namespace
}  // namespace flint::net
