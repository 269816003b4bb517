#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/engine_fixture.h"

/// list, top and history.
namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::EngineFixture;
using testing::fixed_window;
using ::testing::IsEmpty;
using testing::keys_of;
using testing::must;
using testing::token_bucket;

std::vector<std::string> keys(EngineFixture& engine, const ListQuery& query) {
  return keys_of(must(engine->list(query)));
}

TEST(List, IsInByteOrderAndPaged) {
  EngineFixture engine;
  EXPECT_THAT(keys(engine, {}), IsEmpty());
  for (const char* key : {"b", "a/2", "a", "a/1", "ab", "c"}) must(engine.limit(key, token_bucket(1, 1s)));
  EXPECT_THAT(keys(engine, {}), ElementsAre("a", "a/1", "a/2", "ab", "b", "c"));
  EXPECT_THAT(keys(engine, {.prefix = "a", .after = "", .max_rows = 10}), ElementsAre("a", "a/1", "a/2", "ab"));
  EXPECT_THAT(keys(engine, {.prefix = "a/", .after = "", .max_rows = 10}), ElementsAre("a/1", "a/2"));
  EXPECT_THAT(keys(engine, {.prefix = "", .after = "a/1", .max_rows = 2}), ElementsAre("a/2", "ab"));
  EXPECT_THAT(keys(engine, {.prefix = "a", .after = "a", .max_rows = 10}), ElementsAre("a/1", "a/2", "ab"));
  EXPECT_THAT(keys(engine, {.prefix = "a/", .after = "a/1", .max_rows = 10}), ElementsAre("a/2"));
  EXPECT_THAT(keys(engine, {.prefix = "a/", .after = "0", .max_rows = 10}), ElementsAre("a/1", "a/2"));
  EXPECT_THAT(keys(engine, {.prefix = "a/", .after = "b", .max_rows = 10}), IsEmpty());
  EXPECT_THAT(keys(engine, {.prefix = "x", .after = "", .max_rows = 10}), IsEmpty());
  EXPECT_THAT(keys(engine, {.prefix = "", .after = "", .max_rows = 0}), IsEmpty());
}

TEST(List, PagesOfAnySizeMakeUpTheWhole) {
  EngineFixture engine;
  std::vector<std::string> all;
  for (int i = 0; i < 1'000; ++i) {
    all.push_back("key " + std::to_string(i));
    must(engine.limit(all.back(), token_bucket(1, 1s)));
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(keys(engine, {}), all);
  for (const std::size_t size : {1U, 7U, 255U, 256U, 257U, 1'000U}) {
    std::vector<std::string> paged;
    for (std::string after;;) {
      const auto page = keys(engine, {.prefix = "key", .after = after, .max_rows = size});
      if (page.empty()) break;
      EXPECT_LE(page.size(), size);
      paged.insert(paged.end(), page.begin(), page.end());
      after = page.back();
    }
    EXPECT_EQ(paged, all) << size;
  }
}

TEST(Top, RanksByCountAndThenByKey) {
  EngineFixture engine;
  for (const char* key : {"d", "c", "b", "a", "idle"}) must(engine.limit(key, token_bucket(3, 1h)));
  for (const char* key : {"d", "c", "b"}) EXPECT_TRUE(engine.allows(key));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(engine.allows("a"));
  EXPECT_THAT(keys_of(must(engine->top(TopBy::kAllowed, 20))), ElementsAre("a", "b", "c", "d"))
      << "ties in byte order, and keys that have none left out";
  EXPECT_THAT(keys_of(must(engine->top(TopBy::kAllowed, 2))), ElementsAre("a", "b"));
  EXPECT_THAT(keys_of(must(engine->top(TopBy::kAllowed, 0))), IsEmpty());
  EXPECT_THAT(must(engine->top(TopBy::kDenied, 20)), IsEmpty());

  for (int i = 0; i < 2; ++i) EXPECT_FALSE(engine.allows("c", 3));
  EXPECT_FALSE(engine.allows("d", 3));
  must(engine->tick());
  EXPECT_FALSE(engine.allows("d", 3));
  EXPECT_FALSE(engine.allows("d", 3));
  const auto denied = must(engine->top(TopBy::kDenied, 20));
  EXPECT_THAT(keys_of(denied), ElementsAre("d", "c")) << "those that no record holds yet count too";
  EXPECT_EQ(denied[0].total_denied, 3U);
}

TEST(Top, OfManyKeysFindsTheMost) {
  EngineFixture engine;
  for (int i = 0; i < 700; ++i) {
    const std::string key = std::to_string(i);
    must(engine.limit(key, fixed_window(10, 1h)));
    for (int grants = 0; grants < i % 7; ++grants) EXPECT_TRUE(engine.allows(key));
  }
  const auto top = must(engine->top(TopBy::kAllowed, 3));
  EXPECT_THAT(keys_of(top), ElementsAre("104", "111", "118"));
  EXPECT_EQ(top[0].total_allowed, 6U);
}

// A ranking of 10,000 keys, which the API gives, kept every check waiting while all of them were described.
TEST(Top, DescribesAPageOfKeysAtATime) {
  EngineFixture engine;
  for (int i = 0; i < 700; ++i) {
    must(engine.limit(std::to_string(i), fixed_window(1, 1h)));
    EXPECT_TRUE(engine.allows(std::to_string(i)));
  }
  const std::uint64_t before = engine.clock.reads();
  EXPECT_EQ(must(engine->top(TopBy::kAllowed, 700)).size(), 700U);
  EXPECT_EQ(engine.clock.reads() - before, 3U) << "once each time that the mutex is taken";
}

TEST(History, IsNewestLastAndLimited) {
  EngineFixture engine;
  must(engine.limit("k", token_bucket(10, 1h)));
  must(engine.limit("other", token_bucket(10, 1h)));
  for (const Units cost : {1U, 2U, 3U}) {
    EXPECT_TRUE(engine.allows("k", cost));
    EXPECT_TRUE(engine.allows("other", 4 - cost));
  }
  must(engine.reset("k"));
  must(engine.limit("k", token_bucket(20, 1h, 30)));
  EXPECT_THAT(engine.history("k"),
              ElementsAre("configured 0 x1 10/3600000ms token_bucket", "allowed 1 x1", "allowed 2 x1", "allowed 3 x1",
                          "reset 0 x1", "configured 0 x1 20/3600000ms burst 30 token_bucket"));
  EXPECT_THAT(engine.history("k", 2), ElementsAre("reset 0 x1", "configured 0 x1 20/3600000ms burst 30 token_bucket"));
  EXPECT_THAT(engine.history("k", 0), IsEmpty());
}

TEST(History, TellsWhenAndInWhichOrder) {
  EngineFixture engine;
  must(engine.limit("k", token_bucket(1, 1h)));
  engine.clock.advance(1s);
  EXPECT_TRUE(engine.allows("k"));
  engine.clock.advance(1s);
  EXPECT_FALSE(engine.allows("k"));
  const WallTime denied_at = engine.clock.wall();
  engine.clock.advance(1s);
  must(engine.reset("k"));
  const std::vector<Event> events = must(engine->history("k", 10));
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(events[1].at, denied_at - 1s);
  EXPECT_EQ(events[2].kind, EventKind::kDenied);
  EXPECT_EQ(events[2].at, denied_at) << "not when it was written";
  EXPECT_EQ(events[3].at, engine.clock.wall());
  EXPECT_EQ(events[2].seq, events[3].seq) << "it went with the reset";
  EXPECT_LT(events[0].seq, events[1].seq);
}

TEST(History, GoesOnAcrossRestarts) {
  EngineFixture engine;
  must(engine.limit("k", token_bucket(10, 1h)));
  EXPECT_TRUE(engine.allows("k", 1));
  engine.reopen();
  EXPECT_TRUE(engine.allows("k", 2));
  engine.kill();
  engine.open();
  EXPECT_TRUE(engine.allows("k", 3));
  EXPECT_THAT(engine.history("k"),
              ElementsAre("configured 0 x1 10/3600000ms token_bucket", "allowed 1 x1", "allowed 2 x1", "allowed 3 x1"));
}

TEST(History, IsWhatTheLogRetainsAfterCompaction) {
  EngineFixture engine;
  must(engine.limit("k", token_bucket(10, 1h)));
  EXPECT_TRUE(engine.allows("k", 1));
  must(engine->compact());
  EXPECT_TRUE(engine.allows("k", 2));
  must(engine->compact());
  EXPECT_TRUE(engine.allows("k", 3));
  const auto events = engine.history("k");
  EXPECT_EQ(events.back(), "allowed 3 x1");
  EXPECT_LT(events.size(), 4U) << "what is before the previous snapshot is gone";
  engine.reopen();
  EXPECT_EQ(engine.history("k"), events);
}

}  // namespace
}  // namespace flint::limiter
