#include "limiter/pending_denials.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "testing/choices.h"
#include "testing/seed.h"

namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using testing::Random;

TEST(PendingDenials, AreSummedUpAndTakenOnce) {
  Keys keys;
  KeyEntry& entry = keys.add("k");
  PendingDenials pending;
  EXPECT_EQ(pending.of(entry), Denials{});
  pending.add(entry, 3, WallTime(1s));
  pending.add(entry, 4, WallTime(2s));
  const Denials both{.count = 2, .cost = 7, .last = WallTime(2s)};
  EXPECT_EQ(pending.of(entry), both);
  EXPECT_EQ(pending.take(entry), both);
  EXPECT_EQ(pending.take(entry), Denials{});
  EXPECT_EQ(pending.of(entry), Denials{});
  EXPECT_FALSE(pending.empty()) << "the key keeps its place until the next tick";
  pending.drop_taken();
  EXPECT_TRUE(pending.empty());
}

TEST(PendingDenials, DoNotWrapAround) {
  Keys keys;
  KeyEntry& entry = keys.add("k");
  PendingDenials pending;
  pending.add(entry, ~Units{0}, WallTime(1s));
  pending.add(entry, 5, WallTime(1s));
  EXPECT_EQ(pending.of(entry).cost, ~std::uint64_t{0});
}

TEST(PendingDenials, AreThoseThatNoRecordTookAlong) {
  Random random(testing::test_seed());
  Keys keys;
  for (int n = 0; n < 40; ++n) keys.add(std::to_string(n));
  PendingDenials pending;
  std::map<KeyId, std::uint64_t> model;
  for (int step = 0; step < 3'000; ++step) {
    KeyEntry& entry = *keys.find(static_cast<KeyId>(random.pick(40)));
    switch (random.pick(8)) {
      case 0: {
        const std::uint64_t known = model.contains(entry.id) ? model[entry.id] : 0;
        ASSERT_EQ(pending.take(entry).count, known);
        model.erase(entry.id);
        break;
      }
      case 1: {
        pending.drop_taken();
        const auto some = pending.some(1 + random.pick(5));
        ASSERT_LE(some.size(), model.size());
        ASSERT_EQ(some.empty(), model.empty());
        for (const PendingDenials::Item& item : some) {
          ASSERT_EQ(item.denials.count, model[item.entry->id]);
          model.erase(item.entry->id);
        }
        pending.drop(some.size());
        break;
      }
      default:
        pending.add(entry, 1, WallTime(1s));
        ++model[entry.id];
    }
    for (KeyId id = 0; id < 40; ++id) {
      ASSERT_EQ(pending.of(*keys.find(id)).count, model.contains(id) ? model[id] : 0) << "step " << step;
    }
  }
}

}  // namespace
}  // namespace flint::limiter
