#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "testing/engine_fixture.h"

/// Many checks in one call, each decided by itself.
namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using testing::EngineFixture;
using ::testing::HasSubstr;
using testing::must;
using testing::token_bucket;

using Results = std::vector<Result<Decision>>;

class CheckBatch : public ::testing::Test {
 protected:
  CheckBatch() {
    must(engine.limit("user", token_bucket(5, 1h)));
    must(engine.limit("org", token_bucket(10, 1h)));
  }

  Results check(const std::vector<BatchCheck>& checks) { return must(engine->check_batch(checks)).value; }

  EngineFixture engine;
};

TEST_F(CheckBatch, EachIsDecidedByItselfInTheOrderGiven) {
  const Results results = check({{"user", 4}, {"org", 2}, {"user", 2}, {"user", 1}});
  ASSERT_EQ(results.size(), 4U);
  EXPECT_TRUE(results[0]->allowed);
  EXPECT_EQ(results[0]->remaining, 1U);
  EXPECT_EQ(results[1]->remaining, 8U);
  EXPECT_FALSE(results[2]->allowed) << "the first one left 1";
  EXPECT_TRUE(results[3]->allowed) << "the denied one consumed nothing";
  EXPECT_EQ(engine.status("user").total_allowed, 2U);
  EXPECT_EQ(engine.status("user").total_denied, 1U);
}

TEST_F(CheckBatch, AnEntryThatFailsLeavesTheOthersAsTheyAre) {
  const Limit unusable{.rate = 0, .per = 1s};
  const Results results =
      check({{"nobody"}, {"user", 6}, {"user", 0}, {"ip:*"}, {"\n"}, {"user", 1, &unusable}, {"user"}});
  ASSERT_EQ(results.size(), 7U);
  EXPECT_EQ(results[0].code(), Code::kLimitNotFound);
  for (std::size_t i = 1; i < 6; ++i) EXPECT_EQ(results[i].code(), Code::kInvalidArgument) << i;
  EXPECT_THAT(results[1].status().message(), HasSubstr("capacity of key \"user\""));
  EXPECT_EQ(results[6]->remaining, 4U);
}

TEST_F(CheckBatch, AnEntryMayCarryALimitOrBeADryRun) {
  const Limit carried = token_bucket(3, 1h);
  const Results results = check({{"new", 2, &carried, true}, {"new", 2, &carried}, {"new", 2, &carried}});
  EXPECT_EQ(results[0]->remaining, 1U);
  EXPECT_EQ(results[1]->remaining, 1U) << "the dry run consumed nothing";
  EXPECT_FALSE(results[2]->allowed);
}

TEST_F(CheckBatch, WaitsOnceForTheNewestRecord) {
  engine.options.sync = SyncMode::kAlways;
  engine.reopen();
  const auto deferred = must(engine->check_batch(std::vector<BatchCheck>{{"user", 4}, {"org"}, {"user", 4}}));
  EXPECT_EQ(deferred.ticket.seq, engine.last_seq());
  must(engine->wait(deferred.ticket));
  EXPECT_EQ(engine->stats().durable_seq, engine.last_seq());
  const auto denied = must(engine->check_batch(std::vector<BatchCheck>{{"user", 4}, {"nobody"}}));
  EXPECT_EQ(denied.ticket.seq, 0U) << "there is nothing to wait for";
}

TEST_F(CheckBatch, MayBeEmptyAndIsBounded) {
  EXPECT_TRUE(check({}).empty());
  std::vector<BatchCheck> checks(kMaxBatchChecks + 1, BatchCheck{"org"});
  EXPECT_EQ(engine->check_batch(checks).status().message(), "checks must be at most 1000, not 1001.");
  EXPECT_EQ(engine.remaining("org"), 10U);
  checks.pop_back();
  const Results results = check(checks);
  ASSERT_EQ(results.size(), kMaxBatchChecks);
  EXPECT_EQ(std::count_if(results.begin(), results.end(), [](const auto& one) { return one->allowed; }), 10);
}

TEST_F(CheckBatch, OnAFullDiskAnswersWhatNeedsNoRoom) {
  must(engine.limit("spent", token_bucket(1, 1h)));
  must(engine.limit("plenty", token_bucket(kMaxUnits, 1h)));
  EXPECT_TRUE(engine.allows("spent"));
  engine.disk().set_capacity(0);
  Results results = check({{"spent"}, {"plenty"}});
  while (results[1].ok()) results = check({{"spent"}, {"plenty"}});
  EXPECT_FALSE(results[0]->allowed);
  EXPECT_EQ(results[1].code(), Code::kDiskFull);
  EXPECT_EQ(engine->check_batch(std::vector<BatchCheck>{{"plenty"}, {"plenty"}}).code(), Code::kDiskFull)
      << "none was decided";
}

TEST_F(CheckBatch, FailsWholeWhereNoCheckIsAnswered) {
  must(engine->close());
  EXPECT_EQ(engine->check_batch(std::vector<BatchCheck>{{"user"}}).code(), Code::kClosed);
}

TEST_F(CheckBatch, LetsOtherCallersDecideInBetween) {
  must(engine.limit("plenty", token_bucket(kMaxUnits, 1h)));
  std::atomic<bool> goes_on = true;
  std::thread other([&] {
    while (goes_on) EXPECT_TRUE(engine->check("plenty", 1).ok());
  });
  const std::vector<BatchCheck> checks(kMaxBatchChecks, BatchCheck{"plenty"});
  for (int i = 0; i < 20; ++i) {
    for (const Result<Decision>& one : check(checks)) EXPECT_TRUE(one->allowed);
  }
  goes_on = false;
  other.join();
  const LimitStatus status = engine.status("plenty");
  EXPECT_EQ(status.total_allowed, status.total_allowed_cost);
  EXPECT_GE(status.total_allowed, 20 * kMaxBatchChecks);
  EXPECT_EQ(status.remaining, kMaxUnits - status.total_allowed_cost);
}

}  // namespace
}  // namespace flint::limiter
