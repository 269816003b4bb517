#include "limiter/keys.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>

#include "limiter/pending_denials.h"
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
  EXPECT_EQ(first.key.view(), "first");
}

TEST(Keys, ClearedItStartsAnew) {
  Keys table;
  table.add("a");
  table.clear();
  EXPECT_EQ(table.size(), 0U);
  EXPECT_EQ(table.find("a"), nullptr);
  EXPECT_EQ(table.add("a").id, 0U);
}

TEST(Keys, FindsOrAddsInOneStep) {
  Keys table;
  const Keys::Place added = table.find_or_add("a");
  EXPECT_TRUE(added.is_new);
  EXPECT_EQ(added.entry->key.view(), "a");
  const Keys::Place found = table.find_or_add("a");
  EXPECT_FALSE(found.is_new);
  EXPECT_EQ(found.entry, added.entry);
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(table.find(KeyId{1}), nullptr) << "what a look-up needed for itself is no key";
  EXPECT_EQ(table.next(1), nullptr);
}

TEST(Keys, ARemovedKeyLeavesItsIdToTheNextNewOne) {
  Keys table;
  for (const char* key : {"a", "b", "c", "d"}) table.add(key);
  KeyEntry& d = *table.find("d");
  table.remove(*table.find("c"));
  table.remove(*table.find("a"));
  EXPECT_EQ(table.find("a"), nullptr);
  EXPECT_EQ(table.find(KeyId{0}), nullptr);
  EXPECT_EQ(table.size(), 2U);
  EXPECT_EQ(table.end_id(), 4U);
  EXPECT_EQ(table.next(0), table.find("b"));
  EXPECT_EQ(table.next(2), &d);
  EXPECT_EQ(table.find("d"), &d) << "the others stay where they are";
  EXPECT_EQ(table.next_id(), 0U) << "the one that was given back last";
  EXPECT_EQ(table.add("e").id, 0U);
  EXPECT_EQ(table.add("f").id, 2U);
  EXPECT_EQ(table.add("g").id, 4U);
}

TEST(Keys, ARemovedKeyLeavesNothingToTheNextOne) {
  Limits limits;
  Keys table;
  KeyEntry& old = table.add("old");
  old.usage = {limits.rule({.rate = 1, .per = 1s}), algorithm::TokenBucket{Time(1s), 1, 0}};
  old.add_allowed(7, WallTime(1s));
  old.add_would_deny({.count = 3});
  old.last_seq = 9;
  table.remove(old);
  EXPECT_EQ(limits.size(), 0U);
  const KeyEntry& young = table.add("young");
  EXPECT_EQ(young.id, 0U);
  EXPECT_FALSE(young.usage.rule.is_set());
  EXPECT_EQ(young.counters(), Counters());
  EXPECT_EQ(young.last_seq, 0U);
}

/// What the table holds after any history, by a map of keys and a map of ids.
class KeysModel {
 public:
  /// Stamps what it adds, so that an entry is told from another one under the same name or id.
  void find_or_add(const std::string& key) {
    const auto known = ids_.find(key);
    const KeyId next = table.next_id();
    const Keys::Place place = table.find_or_add(key);
    ASSERT_EQ(place.is_new, known == ids_.end()) << key;
    if (!place.is_new) return;
    ASSERT_EQ(place.entry->id, next);
    ASSERT_FALSE(keys_.contains(next)) << "an id that another key has";
    ASSERT_EQ(place.entry->last_seq, 0U) << "a removed key's past";
    place.entry->last_seq = ++stamp_;
    ids_[key] = next;
    keys_[next] = {key, place.entry, stamp_};
  }
  void remove(const std::string& key) {
    KeyEntry* entry = table.find(key);
    const auto known = ids_.find(key);
    ASSERT_EQ(entry == nullptr, known == ids_.end()) << key;
    if (entry == nullptr) return;
    table.remove(*entry);
    keys_.erase(known->second);
    ids_.erase(known);
  }
  void look_up(const std::string& key) {
    const KeyEntry* entry = table.find(key);
    const auto known = ids_.find(key);
    ASSERT_EQ(entry == nullptr, known == ids_.end()) << key;
    if (entry != nullptr) {
      ASSERT_EQ(entry->id, known->second);
    }
  }
  void expect_same_in_order() {
    ASSERT_EQ(table.size(), keys_.size());
    KeyId from = 0;
    for (const auto& [id, key] : keys_) {
      const KeyEntry* entry = table.next(from);
      ASSERT_NE(entry, nullptr);
      ASSERT_EQ(entry, key.entry) << "an entry moved, or is out of order";
      ASSERT_EQ(entry->id, id);
      ASSERT_EQ(entry->key.view(), key.name);
      ASSERT_EQ(entry->last_seq, key.stamp);
      ASSERT_EQ(table.find(id), entry);
      ASSERT_EQ(table.find(key.name), entry);
      for (KeyId gap = from; gap < id; ++gap) ASSERT_EQ(table.find(gap), nullptr);
      from = id + 1;
    }
    ASSERT_EQ(table.next(from), nullptr);
    const KeyId next = table.next_id();
    ASSERT_EQ(table.find(next), nullptr);
    ASSERT_TRUE(next < table.end_id() || table.size() == table.end_id()) << "an id that was given back comes first";
  }

  Keys table;

 private:
  struct Known {
    std::string name;
    const KeyEntry* entry = nullptr;
    storage::Seq stamp = 0;
  };
  std::map<std::string, KeyId> ids_;
  std::map<KeyId, Known> keys_;
  storage::Seq stamp_ = 0;
};

TEST(KeysPropertyTest, HoldsWhatMapsOfKeysAndIdsHold) {
  Random random(testing::test_seed());
  KeysModel model;
  // Few keys, so that each comes and goes often; then many, then fewer again.
  for (const std::uint64_t keys : {10U, 1'000U, 60U}) {
    for (int step = 0; step < 1'500; ++step) {
      const std::string key = "k" + std::to_string(random.pick(keys)) + std::string(random.pick(2) * 30, 'x');
      switch (random.pick(5)) {
        case 0:
        case 1:
          model.find_or_add(key);
          break;
        case 2:
        case 3:
          model.remove(key);
          break;
        default:
          model.look_up(key);
      }
      if (step % 50 == 0) model.expect_same_in_order();
      if (::testing::Test::HasFatalFailure()) return;
    }
    for (std::uint64_t n = 0; n < keys; ++n) model.find_or_add("k" + std::to_string(n));
    model.expect_same_in_order();
    if (::testing::Test::HasFatalFailure()) return;
  }
  model.table.clear();
  EXPECT_EQ(model.table.size(), 0U);
  EXPECT_EQ(model.table.next(0), nullptr);
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

TEST(KeyName, HoldsNamesOfEveryLength) {
  KeyName name;
  EXPECT_EQ(name.view(), "");
  for (const std::size_t bytes : {1U, 21U, 22U, 23U, 24U, 200U, 512U, 22U, 23U, 1U}) {
    const std::string wanted(bytes, static_cast<char>('a' + bytes % 26));
    name.assign(wanted);
    EXPECT_EQ(name.view(), wanted);
    KeyName moved = std::move(name);
    EXPECT_EQ(moved.view(), wanted);
    name = std::move(moved);
    EXPECT_EQ(name.view(), wanted);
  }
}

TEST(KeyEntry, KeepsTheCountersThatFewKeysHave) {
  const WallTime times[] = {WallTime{} - 1ms, WallTime(1s), WallTime(2s)};
  const Counters all{.allowed = 1,
                     .allowed_cost = 2,
                     .denied = 3,
                     .denied_cost = 4,
                     .last_allowed_at = times[0],
                     .last_denied_at = times[1],
                     .last_reset_at = times[2],
                     .would_deny = 5};
  KeyEntry entry;
  EXPECT_EQ(entry.counters(), Counters());
  entry.set_counters(all);
  EXPECT_EQ(entry.counters(), all);
  entry.add_counters(all);
  Counters twice = all;
  twice.add(all);
  EXPECT_EQ(entry.counters(), twice);
  entry.set_counters({});
  EXPECT_EQ(entry.counters(), Counters()) << "what was there before is gone";
  std::array<Counters, 5> ones;
  ones[0].denied = 1;
  ones[1].denied_cost = 1;
  ones[2].last_denied_at = times[0];
  ones[3].last_reset_at = times[0];
  ones[4].would_deny = 1;
  for (const Counters& one : ones) {
    KeyEntry young;
    young.set_counters(one);
    EXPECT_EQ(young.counters(), one);
  }
}

TEST(KeyEntry, ACorrectedCostIsNeverBelowNothing) {
  KeyEntry entry;
  entry.add_allowed(5, WallTime(1s));
  entry.correct_cost(3, 0);
  EXPECT_EQ(entry.counters().allowed_cost, 8U);
  entry.correct_cost(0, 9);
  EXPECT_EQ(entry.counters().allowed_cost, 0U);
  entry.correct_cost(~std::uint64_t{0}, 0);
  entry.add_allowed(5, WallTime(1s));
  EXPECT_EQ(entry.counters().allowed_cost, ~std::uint64_t{0});
  EXPECT_EQ(entry.counters().allowed, 2U);
}

TEST(KeyEntry, ARecordTakesPendingDenialsAlongOnce) {
  Keys keys;
  KeyEntry& entry = keys.add("k");
  PendingDenials pending;
  for (const Units cost : {1U, 2U, 4U}) pending.add(entry, cost, WallTime(1s));
  entry.note_record(9, pending.take(entry));
  entry.note_record(10, pending.take(entry));
  EXPECT_EQ(entry.counters().denied, 3U);
  EXPECT_EQ(entry.counters().denied_cost, 7U);
  EXPECT_EQ(pending.of(entry), Denials{});
  EXPECT_EQ(entry.last_seq, 10U);
}

}  // namespace
}  // namespace flint::limiter
