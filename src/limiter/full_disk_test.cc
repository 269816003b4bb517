#include "testing/engine_fixture.h"

/// A limiter whose directory was opened on a full disk.
namespace flint::limiter {
namespace {

using testing::must;

constexpr Nanos kHour = std::chrono::hours(1);

class FullAtOpen : public ::testing::TestWithParam<SyncMode> {
 protected:
  FullAtOpen() : engine_(GetParam()) {
    must(engine_.limit("key", testing::fixed_window(10, kHour)));
    must(engine_.limit("once", testing::fixed_window(1, kHour)));
    must(engine_->flush());
    EXPECT_TRUE(engine_.allows("key"));
    EXPECT_TRUE(engine_.allows("once"));
    engine_.kill();
    engine_.disk().set_capacity(engine_.disk().used_bytes());
    engine_.tuning.look_for_room_every = std::chrono::milliseconds(0);
    engine_.open();
  }
  void make_room() { engine_.disk().set_capacity({}); }

  testing::EngineFixture engine_;
};

// A directory on a full disk did not open after a kill: nothing was denied any more.
TEST_P(FullAtOpen, DenialsAndQuestionsAreAnswered) {
  EXPECT_TRUE(engine_->stats().waits_for_room);
  EXPECT_EQ(engine_.remaining("key"), 9U);
  EXPECT_EQ(engine_.history("key").size(), 2U);
  EXPECT_EQ(must(engine_->list({})).size(), 2U);
  EXPECT_FALSE(engine_.allows("once"));
  EXPECT_EQ(engine_.check_all({{"key", 1}, {"once", 1}}).denied_key, "once");
  EXPECT_TRUE(engine_->health().ok());
  EXPECT_TRUE(engine_->doctor().ok) << "nothing is damaged";
  EXPECT_EQ(must(engine_->top(TopBy::kDenied, 5)).size(), 1U);
  EXPECT_EQ(engine_.status("once").total_denied, 2U);
}

TEST_P(FullAtOpen, WhatMustBeLoggedIsRefusedAndConsumesNothing) {
  EXPECT_EQ(engine_.try_check("key").code(), Code::kDiskFull);
  EXPECT_EQ(engine_.try_check_all({{"key", 1}}).code(), Code::kDiskFull);
  EXPECT_EQ(engine_.limit("new", testing::fixed_window(1, kHour)).code(), Code::kDiskFull);
  EXPECT_EQ(engine_.limit("key", testing::fixed_window(11, kHour)).code(), Code::kDiskFull);
  EXPECT_EQ(engine_.reset("once").code(), Code::kDiskFull);
  EXPECT_EQ(engine_->compact().code(), Code::kDiskFull);
  EXPECT_EQ(engine_->flush().code(), Code::kDiskFull);
  EXPECT_EQ(engine_.remaining("key"), 9U);
  EXPECT_EQ(engine_.remaining("once"), 0U);
  EXPECT_EQ(engine_.status("key").limit.rate, 10U);
  EXPECT_EQ(engine_->status("new").code(), Code::kLimitNotFound);
}

// A key whose first record did not fit was listed without a limit, or kept the next key from being replayed.
TEST_P(FullAtOpen, ANewKeyThatCannotBeLoggedLeavesNothing) {
  ASSERT_EQ(must(engine_->list({})).size(), 2U);
  for (const char* key : {"new", "another", "new"}) {
    EXPECT_EQ(engine_.limit(key, testing::fixed_window(1, kHour)).code(), Code::kDiskFull);
  }
  EXPECT_EQ(must(engine_->list({})).size(), 2U);
  EXPECT_EQ(engine_->stats().keys, 2U);
  EXPECT_EQ(engine_.try_check("new").code(), Code::kLimitNotFound);
  make_room();
  must(engine_->compact());
  must(engine_.limit("later", testing::fixed_window(3, kHour)));
  must(engine_.limit("new", testing::fixed_window(4, kHour)));
  EXPECT_TRUE(engine_.allows("later"));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(testing::keys_of(must(engine_->list({}))), (std::vector<std::string>{"key", "later", "new", "once"}));
    EXPECT_EQ(engine_.remaining("later"), 2U);
    EXPECT_EQ(engine_.remaining("new"), 4U);
    engine_.reopen();
  }
}

TEST_P(FullAtOpen, WithRoomItGoesOnAndLogsWhatWasDeniedMeanwhile) {
  EXPECT_FALSE(engine_.allows("once"));
  EXPECT_FALSE(engine_.allows("once"));
  EXPECT_EQ(engine_.try_check("key").code(), Code::kDiskFull);
  make_room();
  EXPECT_EQ(engine_.check("key").remaining, 8U);
  EXPECT_FALSE(engine_->stats().waits_for_room);
  must(engine_->flush());
  engine_.lose_power(testing::Survives::kOnlySynced);
  engine_.open();
  EXPECT_EQ(engine_.remaining("key"), 8U);
  EXPECT_EQ(engine_.status("once").total_denied, 2U);
}

TEST_P(FullAtOpen, TheSameLimitAgainIsNotConfirmedBeforeItIsDurable) {
  const Status again = engine_.limit("key", testing::fixed_window(10, kHour));
  // Its last record is a check that nothing proves durable. Batch promises the operating system's hands, and it is
  // there.
  EXPECT_EQ(again.code(), GetParam() == SyncMode::kAlways ? Code::kDiskFull : Code::kOk);
  make_room();
  EXPECT_TRUE(engine_.limit("key", testing::fixed_window(10, kHour)).ok());
}

INSTANTIATE_TEST_SUITE_P(Modes, FullAtOpen, ::testing::Values(SyncMode::kAlways, SyncMode::kBatch),
                         [](const auto& param) { return param.param == SyncMode::kAlways ? "Always" : "Batch"; });

}  // namespace
}  // namespace flint::limiter
