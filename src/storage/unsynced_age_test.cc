#include "storage/unsynced_age.h"

#include <gtest/gtest.h>

#include <vector>

#include "testing/test_store.h"

namespace flint::storage {
namespace {

using testing::test_effort;
using testing::test_seed;

constexpr Nanos kMost = std::chrono::milliseconds(10);

/// A log of which every record's time is kept, beside what UnsyncedAge remembers of it.
class Timeline {
 public:
  void pass(Nanos time) { now_ += time; }
  void append() {
    appended_.push_back(now_);
    age_.appended(last_seq(), now_);
  }
  void begin_sync() {
    target_ = last_seq();
    age_.sync_begins();
  }
  void end_sync() { durable_ = std::max(durable_.load(), target_); }
  /// As when a segment is started: everything is made durable, also while a sync runs.
  void sync_all() {
    age_.sync_begins();
    durable_ = last_seq();
  }

  [[nodiscard]] Nanos true_age() const {
    return durable_ == last_seq() ? Nanos(0) : now_ - appended_[static_cast<std::size_t>(durable_)];
  }
  [[nodiscard]] Nanos age() const { return age_.age(last_seq(), now_); }
  [[nodiscard]] bool exceeds_most() { return age_.exceeds_most(now_); }
  [[nodiscard]] Seq last_seq() const { return appended_.size(); }

 private:
  Time now_{std::chrono::hours(1)};
  std::vector<Time> appended_;
  Seq target_ = 0;
  std::atomic<Seq> durable_ = 0;
  UnsyncedAge age_{durable_, kMost};
};

TEST(UnsyncedAge, NothingHasNoAge) {
  Timeline log;
  log.pass(std::chrono::hours(1));
  EXPECT_EQ(log.age(), Nanos(0));
  EXPECT_FALSE(log.exceeds_most());
}

TEST(UnsyncedAge, OnlyMoreThanTheMostIsTooMuch) {
  Timeline log;
  log.append();
  log.pass(kMost);
  EXPECT_FALSE(log.exceeds_most());
  log.pass(Nanos(1));
  EXPECT_TRUE(log.exceeds_most());
  EXPECT_EQ(log.age(), kMost + Nanos(1));
}

TEST(UnsyncedAge, ARecordAgesWhileItsSyncRuns) {
  Timeline log;
  log.append();
  log.begin_sync();
  log.pass(kMost + Nanos(1));
  log.append();
  EXPECT_TRUE(log.exceeds_most());
  log.end_sync();
  EXPECT_FALSE(log.exceeds_most());
  EXPECT_EQ(log.age(), Nanos(0));
  log.pass(Nanos(3));
  EXPECT_EQ(log.age(), Nanos(3));
}

// Records of the store's own are not reported: the seal of a log that had been idle for an hour looked an hour old.
TEST(UnsyncedAge, WhatIsNotReportedHasNoAge) {
  std::atomic<Seq> durable = 1;
  UnsyncedAge age(durable, kMost);
  age.appended(1, Time(std::chrono::hours(1)));
  age.sync_begins();
  age.sync_begins();
  EXPECT_EQ(age.age(2, Time(std::chrono::hours(2))), Nanos(0));
}

TEST(UnsyncedAge, IsExactWhateverHappens) {
  std::mt19937_64 random(test_seed());
  for (std::uint64_t round = 0; round < 1000 * test_effort(); ++round) {
    Timeline log;
    bool syncing = false;
    for (int step = 0; step < 60; ++step) {
      switch (random() % 8) {
        case 0:
          if (!syncing) log.begin_sync();
          syncing = true;
          break;
        case 1:
          if (syncing) log.end_sync();
          syncing = false;
          break;
        case 2:
          if (random() % 8 == 0) log.sync_all();
          break;
        case 3:
          log.pass(std::chrono::milliseconds(random() % 8));
          break;
        default:
          log.append();
          ASSERT_EQ(log.exceeds_most(), log.true_age() > kMost) << "round " << round << ", step " << step;
      }
      ASSERT_EQ(log.age(), log.true_age()) << "round " << round << ", step " << step;
    }
  }
}

}  // namespace
}  // namespace flint::storage
