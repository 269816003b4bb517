#include "testing/engine_fixture.h"

/// In batch, a crash loses a bounded time however slow the disk is: changes wait while an event is not durable for
/// longer than max_unsynced.
namespace flint::limiter {
namespace {

using std::chrono::milliseconds;
using testing::must;

class BatchBound : public ::testing::Test {
 protected:
  BatchBound() {
    must(engine_.limit("key", testing::fixed_window(1000, std::chrono::hours(1))));
    must(engine_->flush());
  }
  /// Nobody flushes, as if the one sync took for ever.
  Ticket check() { return must(engine_->check("key", 1)).ticket; }

  testing::EngineFixture engine_;
};

// 288,728 events were not durable under load, where the last 100 ms or 100 events were promised.
TEST_F(BatchBound, ACheckWaitsForItsOwnEventWhileOneIsTooOld) {
  EXPECT_EQ(check().seq, 0U);
  engine_.clock.advance(engine_.options.max_unsynced);
  EXPECT_EQ(check().seq, 0U);
  engine_.clock.advance(Nanos(1));
  const Ticket ticket = check();
  EXPECT_EQ(ticket.seq, engine_.last_seq());
  EXPECT_FALSE(engine_->is_durable(ticket));
  must(engine_->wait(ticket));
  EXPECT_TRUE(engine_->is_durable(ticket));
  EXPECT_EQ(check().seq, 0U);
}

TEST_F(BatchBound, SoDoAllOtherChanges) {
  const std::vector<CheckItem> items = {{"key", 1}};
  check();
  engine_.clock.advance(engine_.options.max_unsynced + Nanos(1));
  EXPECT_NE(must(engine_->check_all(items)).ticket.seq, 0U);
  EXPECT_NE(must(engine_->reset("key")).seq, 0U);
  EXPECT_NE(must(engine_->limit("other", testing::sliding_log(1, std::chrono::hours(1)))).seq, 0U);
}

TEST_F(BatchBound, DenialsAndQuestionsDoNotWait) {
  must(engine_.limit("once", testing::fixed_window(1, std::chrono::hours(1))));
  check();
  must(engine_->check("once", 1));
  engine_.clock.advance(engine_.options.max_unsynced + Nanos(1));
  const auto denied = must(engine_->check("once", 1));
  EXPECT_FALSE(denied.value.allowed);
  EXPECT_EQ(denied.ticket.seq, 0U);
  EXPECT_EQ(engine_.remaining("once"), 0U);
}

TEST_F(BatchBound, TheAgeIsInTheStatsAndTheDoctorSpeaksOfIt) {
  EXPECT_EQ(engine_->stats().oldest_unsynced, Nanos(0));
  check();
  engine_.clock.advance(milliseconds(1500));
  EXPECT_EQ(engine_->stats().oldest_unsynced, milliseconds(1500));
  ASSERT_EQ(engine_->doctor().findings.size(), 1U);
  EXPECT_THAT(engine_->doctor().findings.front().message, ::testing::HasSubstr("1500ms old"));
  must(engine_->flush());
  EXPECT_EQ(engine_->stats().oldest_unsynced, Nanos(0));
  EXPECT_TRUE(engine_->doctor().findings.empty());
}

TEST(BatchBoundProperty, WhatWasAcknowledgedWithoutBeingDurableSpansNoMoreThanTheBound) {
  constexpr std::uint64_t kSeed = 20261126;
  for (std::uint64_t round = 0; round < 1000; ++round) {
    testing::EngineFixture engine;
    must(engine.limit("key", testing::fixed_window(kMaxUnits, std::chrono::hours(1000))));
    testing::Random random(kSeed + round);
    // The oldest check that was answered without being durable. A full segment makes everything durable, too.
    storage::Seq first_at_risk = 0;
    WallTime answered_at{};
    for (int step = 0; step < 150; ++step) {
      engine.clock.advance(milliseconds(random.pick(400)));
      if (random.one_in(20)) must(engine->flush());
      const Ticket ticket = must(engine->check("key", 1)).ticket;
      if (ticket.seq != 0) continue;  // not answered yet
      const Stats stats = engine->stats();
      if (first_at_risk <= stats.durable_seq) {
        first_at_risk = stats.last_seq;
        answered_at = engine.clock.wall();
      }
      ASSERT_LE(engine.clock.wall() - answered_at, engine.options.max_unsynced) << "seed " << kSeed + round;
    }
  }
}

}  // namespace
}  // namespace flint::limiter
