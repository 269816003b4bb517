#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/engine_fixture.h"

/// Requests that are sent again: charged once.
namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using testing::EngineFixture;
using testing::fixed_window;
using ::testing::HasSubstr;
using testing::must;
using testing::to_text;
using testing::to_texts;
using testing::token_bucket;

class RequestIds : public ::testing::Test {
 protected:
  RequestIds() { must(engine.limit("k", fixed_window(10, 1h))); }

  Decision check(std::string_view id, Units cost = 1) { return must(engine.try_check("k", cost, {}, id)); }
  Code refusal(std::string_view key, const CheckOptions& options) { return engine->check(key, 1, options).code(); }

  EngineFixture engine;
};

TEST_F(RequestIds, ARepeatIsNotChargedAndGetsTheFirstDecision) {
  const Decision first = check("order-7", 3);
  EXPECT_EQ(first.remaining, 7U);
  check("other", 2);
  engine.clock.advance(9min);
  const storage::Seq seq = engine.last_seq();
  EXPECT_EQ(to_text(check("order-7", 3)), to_text(first));
  EXPECT_EQ(engine.last_seq(), seq) << "nothing is logged";
  EXPECT_EQ(engine.status("k").total_allowed, 2U);
  EXPECT_EQ(engine->stats().request_ids, 2U);
  engine.clock.advance(1min);
  EXPECT_EQ(check("order-7", 3).remaining, 2U) << "after ten minutes it is another request";
}

TEST_F(RequestIds, AreRememberedAcrossRestartsCrashesAndSnapshots) {
  const Decision first = check("order-7", 3);
  const Limit carried = token_bucket(5, 1h);
  const std::vector<CheckItem> both = {{"k", 1}, {"new", 2, &carried}};
  const CheckAllResult all = must(engine.try_check_all(both, "pair"));
  const auto is_the_same = [&] {
    EXPECT_EQ(to_text(check("order-7", 3)), to_text(first));
    EXPECT_EQ(to_texts(must(engine.try_check_all(both, "pair")).results), to_texts(all.results));
    EXPECT_EQ(engine.remaining("k"), 6U);
  };
  engine.reopen();
  is_the_same();
  engine.kill();
  engine.open();
  is_the_same();
  must(engine->compact());
  engine.reopen();
  is_the_same();
  must(engine->compact());
  must(engine->compact());
  engine.reopen();
  is_the_same();
}

TEST_F(RequestIds, OnlyWhatWasChargedIsRemembered) {
  check("a", 9);
  EXPECT_FALSE(check("b", 2).allowed);
  engine.clock.advance(1h);
  EXPECT_TRUE(check("b", 2).allowed) << "it was denied, and is decided again";
  must(engine.limit("k", fixed_window(10, 1h), {.mode = Mode::kShadow}));
  EXPECT_EQ(check("c", 9).would_deny, true);
  EXPECT_EQ(engine->stats().request_ids, 1U) << "a shadow that lets pass what does not fit charges nothing";
}

TEST_F(RequestIds, AnotherRequestWithTheSameIdIsRefused) {
  check("order-7", 3);
  const Limit carried = token_bucket(5, 1h);
  EXPECT_EQ(engine.try_check("k", 4, {}, "order-7").code(), Code::kRequestIdConflict);
  EXPECT_EQ(engine.try_check("other", 3, carried, "order-7").code(), Code::kRequestIdConflict);
  EXPECT_EQ(engine.try_check("k", 3, carried, "order-7").code(), Code::kRequestIdConflict);
  EXPECT_EQ(engine.try_check_all({{"k", 3}}, "order-7").code(), Code::kRequestIdConflict);
  EXPECT_EQ(engine.remaining("k"), 7U);
}

TEST_F(RequestIds, TheSameLimitInAnotherFormIsTheSameRequest) {
  EXPECT_TRUE(engine.try_check("new", 1, token_bucket(5, 1h, 5), "id").ok());
  EXPECT_TRUE(engine.try_check("new", 1, token_bucket(5, 60min), "id").ok());
}

TEST_F(RequestIds, AreOneToSixtyFourVisibleCharactersOfARealCheck) {
  for (const std::string& id : {std::string("a b"), std::string("\n"), std::string("\xc3\xa9"), std::string(65, 'x')}) {
    EXPECT_EQ(refusal("k", {.request_id = id}), Code::kInvalidArgument) << id;
  }
  EXPECT_TRUE(engine.try_check("k", 1, {}, std::string(64, '~')).ok());
  EXPECT_EQ(refusal("k", {.dry_run = true, .request_id = "id"}), Code::kInvalidArgument);
  EXPECT_EQ(engine->check_all(std::vector<CheckItem>{{"k"}}, {.dry_run = true, .request_id = "id"}).code(),
            Code::kInvalidArgument);
}

TEST_F(RequestIds, InABatchTheSecondIsARepeatOfTheFirst) {
  const std::vector<BatchCheck> checks = {{.key = "k", .cost = 3, .request_id = "a"},
                                          {.key = "k", .cost = 3, .request_id = "a"},
                                          {.key = "k", .cost = 4, .request_id = "a"},
                                          {.key = "k", .cost = 1, .request_id = " "},
                                          {.key = "k", .cost = 1}};
  const auto results = must(engine->check_batch(checks)).value;
  EXPECT_EQ(results[0]->remaining, 7U);
  EXPECT_EQ(to_text(*results[1]), to_text(*results[0]));
  EXPECT_EQ(results[2].code(), Code::kRequestIdConflict);
  EXPECT_EQ(results[3].code(), Code::kInvalidArgument);
  EXPECT_EQ(results[4]->remaining, 6U);
}

TEST_F(RequestIds, ARepeatWaitsUntilTheFirstIsDurable) {
  engine.options.sync = SyncMode::kAlways;
  engine.reopen();
  const auto first = must(engine->check("k", 3, {.request_id = "a"}));
  const auto repeat = must(engine->check("k", 3, {.request_id = "a"}));
  EXPECT_EQ(repeat.ticket.seq, first.ticket.seq);
  EXPECT_GT(first.ticket.seq, 0U);
}

TEST_F(RequestIds, TheLargestCheckAllFitsIntoARecord) {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < kMaxCheckAllItems; ++i) keys.push_back("key " + std::to_string(i));
  std::vector<CheckItem> items;
  for (const std::string& key : keys) {
    must(engine.limit(key, token_bucket(kMaxUnits, kMaxPeriod)));
    items.push_back({key, kMaxUnits});
  }
  const CheckAllResult first = must(engine.try_check_all(items, "all"));
  EXPECT_TRUE(first.allowed);
  engine.reopen();
  EXPECT_EQ(to_texts(must(engine.try_check_all(items, "all")).results), to_texts(first.results));
}

}  // namespace
}  // namespace flint::limiter
