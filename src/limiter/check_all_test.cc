#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/engine_fixture.h"

/// One decision over several keys: all consume, or none does.
namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::EngineFixture;
using testing::fixed_window;
using ::testing::HasSubstr;
using testing::must;
using testing::sliding_log;
using testing::to_texts;
using testing::token_bucket;

class CheckAll : public ::testing::Test {
 protected:
  CheckAll() {
    must(engine.limit("user", token_bucket(5, 1h)));
    must(engine.limit("org", sliding_log(10, 1h)));
    must(engine.limit("route", fixed_window(20, 1h)));
  }

  std::vector<Units> remaining() {
    return {engine.remaining("user"), engine.remaining("org"), engine.remaining("route")};
  }

  EngineFixture engine;
};

TEST_F(CheckAll, AllConsumeInOneRecord) {
  const storage::Seq seq = engine.last_seq();
  const CheckAllResult result = engine.check_all({{"user", 1}, {"org", 2}, {"route", 3}});
  EXPECT_TRUE(result.allowed);
  EXPECT_EQ(result.denied_key, std::nullopt);
  ASSERT_EQ(result.results.size(), 3U);
  EXPECT_EQ(result.results[0].key, "user");
  EXPECT_EQ(result.results[0].remaining, 4U);
  EXPECT_EQ(result.results[1].remaining, 8U);
  EXPECT_EQ(result.results[2].remaining, 17U);
  EXPECT_EQ(result.results[2].cost, 3U);
  EXPECT_EQ(engine.last_seq(), seq + 1);
  EXPECT_THAT(remaining(), ElementsAre(4, 8, 17));
  EXPECT_EQ(engine.status("org").total_allowed, 1U);
  EXPECT_EQ(engine.status("org").total_allowed_cost, 2U);
  EXPECT_EQ(engine->stats().allowed, 3U);
}

TEST_F(CheckAll, OneDenialLeavesAllUntouched) {
  EXPECT_TRUE(engine.allows("org", 9));
  const storage::Seq seq = engine.last_seq();
  const CheckAllResult result = engine.check_all({{"user", 3}, {"org", 2}, {"route", 3}});
  EXPECT_FALSE(result.allowed);
  EXPECT_EQ(result.denied_key, "org");
  ASSERT_EQ(result.results.size(), 2U) << "up to the denial, in the order given";
  EXPECT_TRUE(result.results[0].allowed);
  EXPECT_EQ(result.results[0].cost, 3U);
  EXPECT_EQ(result.results[0].remaining, 5U) << "nothing was consumed, and the answer says so";
  EXPECT_EQ(result.results[0].reset_after_ms, 0U);
  EXPECT_EQ(result.results[0].retry_after_ms, 0U);
  EXPECT_FALSE(result.results[1].allowed);
  EXPECT_EQ(result.results[1].remaining, 1U);
  EXPECT_GT(result.results[1].retry_after_ms, 0U);
  EXPECT_THAT(remaining(), ElementsAre(5, 1, 20));
  EXPECT_EQ(engine.last_seq(), seq) << "a denial buys no disk I/O";

  EXPECT_EQ(engine.status("user").total_denied, 0U);
  EXPECT_EQ(engine.status("org").total_denied, 1U);
  EXPECT_EQ(engine.status("org").total_denied_cost, 2U);
  EXPECT_EQ(engine.status("route").total_denied, 0U) << "only the key that denied counts";
  EXPECT_EQ(engine->stats().denied, 1U);
}

TEST_F(CheckAll, OnlyTheFirstDenialIsNamedAndCounted) {
  EXPECT_TRUE(engine.allows("user", 5));
  EXPECT_TRUE(engine.allows("org", 10));
  EXPECT_EQ(engine.check_all({{"org", 1}, {"user", 1}}).denied_key, "org");
  EXPECT_EQ(engine.check_all({{"user", 1}, {"org", 1}}).denied_key, "user");
  EXPECT_EQ(engine.status("org").total_denied, 1U);
  EXPECT_EQ(engine.status("user").total_denied, 1U);
}

TEST_F(CheckAll, AnErrorInAnyItemFailsTheWholeWithNothingCounted) {
  EXPECT_TRUE(engine.allows("user", 5));
  const auto before = engine.statuses();
  const auto refused = [&](std::vector<CheckItem> items, Code code, const char* what) {
    const Status status = engine.try_check_all(items).status();
    EXPECT_EQ(status.code(), code) << what;
    EXPECT_THAT(status.message(), HasSubstr(what));
  };
  // A denial of the first key does not hide the error of the second.
  refused({{"user", 1}, {"nobody", 1}}, Code::kLimitNotFound, "nobody");
  refused({{"user", 1}, {"", 1}}, Code::kInvalidArgument, "key");
  refused({{"user", 1}, {"org", 0}}, Code::kInvalidArgument, "cost");
  refused({{"user", 1}, {"org", 11}}, Code::kInvalidArgument, "capacity");
  refused({{"user", 1}, {"org", 1}, {"user", 1}}, Code::kInvalidArgument, "user");
  refused({}, Code::kInvalidArgument, "items");
  EXPECT_EQ(engine.statuses(), before);
}

TEST_F(CheckAll, TakesUpTo128Keys) {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i <= kMaxCheckAllItems; ++i) {
    keys.push_back("key " + std::to_string(i));
    must(engine.limit(keys.back(), token_bucket(kMaxUnits, kMaxPeriod)));
  }
  std::vector<CheckItem> items;
  for (const std::string& key : keys) items.push_back({key, kMaxUnits});
  EXPECT_EQ(engine.try_check_all(items).code(), Code::kInvalidArgument);
  items.pop_back();
  EXPECT_TRUE(engine.check_all(items).allowed);
  const auto before = engine.statuses();
  engine.kill();
  engine.open();
  EXPECT_EQ(engine.statuses(), before) << "the largest record there is can be replayed";
}

TEST_F(CheckAll, TakesPendingDenialsOfItsKeysAlong) {
  EXPECT_TRUE(engine.allows("user", 5));
  EXPECT_FALSE(engine.allows("user"));
  EXPECT_FALSE(engine.allows("user"));
  must(engine.reset("org"));
  engine.clock.advance(1h);
  EXPECT_TRUE(engine.check_all({{"org", 1}, {"user", 1}}).allowed);
  const auto history = engine.history("user");
  must(engine->tick());
  EXPECT_EQ(engine.history("user"), history) << "nothing was left for the tick";
  EXPECT_EQ(engine.status("user").total_denied, 2U);
  engine.kill();
  engine.open();
  EXPECT_EQ(engine.status("user").total_denied, 2U);
}

TEST_F(CheckAll, HistoryShowsEachKeyItsOwnPart) {
  EXPECT_TRUE(engine.check_all({{"user", 1}, {"org", 2}, {"route", 3}}).allowed);
  EXPECT_EQ(engine.history("org").back(), "allowed 2 x1");
  EXPECT_EQ(engine.history("route").back(), "allowed 3 x1");
}

TEST_F(CheckAll, AFullDiskConsumesOfNone) {
  const auto before = engine.statuses();
  engine.disk().fail_every(testing::Call::kWrite, {.error = ENOSPC, .partly = {}});
  engine.disk().fail_every(testing::Call::kAllocate, {.error = ENOSPC, .partly = {}});
  // Until what was allocated is full.
  Result<CheckAllResult> result = engine.try_check_all({{"user", 1}, {"org", 1}});
  for (int i = 0; i < 2000 && result.ok(); ++i) {
    must(engine->health());
    engine.clock.advance(1h);
    result = engine.try_check_all({{"user", 1}, {"org", 1}});
  }
  ASSERT_EQ(result.code(), Code::kDiskFull);
  EXPECT_EQ(engine.remaining("user"), 5U);
  EXPECT_EQ(engine.remaining("org"), 10U);
  EXPECT_EQ(engine.status("user").total_allowed, engine.status("org").total_allowed);
  engine.disk().stop_failing();
  EXPECT_TRUE(engine.check_all({{"user", 1}, {"org", 1}}).allowed) << "there is room again";
  EXPECT_EQ(engine.statuses().size(), before.size());
}

}  // namespace
}  // namespace flint::limiter
