#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "limiter/event_codec.h"
#include "testing/reference_limiter.h"

/// Limits that go by the calendar, from the call to the disk and back. The clock of the fixture begins on
/// 2026-11-23T18:22:02.123456789Z, a Monday.
namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using testing::calendar;
using testing::EngineFixture;
using ::testing::HasSubstr;
using testing::hex;
using testing::must;
using testing::several;
using testing::to_text;
using testing::token_bucket;

constexpr Nanos kDay = 24h;

std::string reset_at(EngineFixture& engine, std::string_view key) { return to_text(engine.status(key).reset_at); }

TEST(CalendarWindows, EndWithTheirUnit) {
  EngineFixture engine;
  const std::pair<Limit, const char*> cases[] = {
      {calendar(5, Align::kDay), "2026-11-24T00:00:00.000Z"},
      {calendar(5, Align::kWeek), "2026-11-30T00:00:00.000Z"},
      {calendar(5, Align::kMonth), "2026-12-01T00:00:00.000Z"},
      {calendar(5, Align::kYear), "2027-01-01T00:00:00.000Z"},
      {calendar(5, Align::kDay, "Asia/Kathmandu"), "2026-11-24T18:15:00.000Z"},
      {calendar(5, Align::kMonth, "America/New_York"), "2026-12-01T05:00:00.000Z"},
  };
  for (const auto& [limit, end] : cases) {
    must(engine.limit("k", limit));
    must(engine.reset("k"));
    const Decision decision = engine.check("k", 2);
    EXPECT_EQ(to_text(decision.reset_at), end);
    EXPECT_EQ(decision.remaining, 3U);
    EXPECT_EQ(reset_at(engine, "k"), end);
  }
}

TEST(CalendarWindows, CountUntilTheirEndAndNoLonger) {
  EngineFixture engine;
  must(engine.limit("k", calendar(3, Align::kDay)));
  EXPECT_TRUE(engine.allows("k", 3));
  const Decision denied = engine.check("k");
  EXPECT_FALSE(denied.allowed);
  EXPECT_EQ(denied.retry_after_ms, 20'277'877U) << "from 18:22:02.123 to midnight, rounded up";
  engine.clock.advance(std::chrono::milliseconds(denied.retry_after_ms.value()) - 1ms);
  EXPECT_FALSE(engine.allows("k"));
  engine.clock.advance(1ms);
  EXPECT_TRUE(engine.allows("k", 3));
  EXPECT_EQ(reset_at(engine, "k"), "2026-11-25T00:00:00.000Z");
}

TEST(CalendarWindows, AWindowThatNobodyUsedIsNoneAndOneThatBeginsLateEndsInTime) {
  EngineFixture engine;
  must(engine.limit("k", calendar(3, Align::kWeek)));
  engine.clock.advance(9 * kDay);
  EXPECT_EQ(engine.remaining("k"), 3U);
  engine.check("k");
  EXPECT_EQ(reset_at(engine, "k"), "2026-12-07T00:00:00.000Z");
}

TEST(CalendarWindows, SurviveRestartsKillsAndCompactions) {
  EngineFixture engine;
  must(engine.limit("k", calendar(9, Align::kMonth, "Australia/Lord_Howe")));
  must(engine.limit("p:*", several({calendar(8, Align::kDay, "America/St_Johns"), token_bucket(5, 1s)})));
  engine.check("k", 2);
  engine.check("p:1", 3);
  engine.check("c", 4, calendar(7, Align::kYear));
  const std::vector<std::string> before = engine.statuses();
  engine.kill();
  engine.open();
  EXPECT_EQ(engine.statuses(), before);
  must(engine->compact());
  engine.reopen();
  EXPECT_EQ(engine.statuses(), before);
  engine.clock.advance(kDay);
  EXPECT_EQ(engine.status("p:1").windows[0].remaining, 8U);
  EXPECT_EQ(engine.remaining("k"), 7U);
  EXPECT_EQ(engine.remaining("c"), 3U);
}

TEST(CalendarWindows, AChangedRateKeepsTheWindowAndAnotherLimitItsUsage) {
  EngineFixture engine;
  must(engine.limit("k", calendar(9, Align::kMonth)));
  engine.check("k", 5);
  must(engine.limit("k", calendar(4, Align::kMonth)));
  EXPECT_EQ(engine.remaining("k"), 0U);
  EXPECT_EQ(reset_at(engine, "k"), "2026-12-01T00:00:00.000Z");
  must(engine.limit("k", calendar(9, Align::kDay, "Asia/Kathmandu")));
  EXPECT_EQ(engine.remaining("k"), 5U);
  EXPECT_EQ(reset_at(engine, "k"), "2026-11-24T18:15:00.000Z");
  const std::vector<std::string> before = engine.statuses();
  engine.kill();
  engine.open();
  EXPECT_EQ(engine.statuses(), before);
  engine.check("k");
  engine.clock.advance(kDay);
  EXPECT_EQ(engine.remaining("k"), 9U);
  engine.check("k", 6);
  must(engine.limit("k", token_bucket(10, 1h)));
  EXPECT_EQ(engine.remaining("k"), 4U);
  must(engine.limit("k", calendar(10, Align::kDay)));
  EXPECT_EQ(engine.remaining("k"), 4U);
}

TEST(CalendarWindows, AChangedPatternCarriesUsageOver) {
  EngineFixture engine;
  must(engine.limit("p:*", token_bucket(10, 1h)));
  engine.check("p:1", 6);
  must(engine.limit("p:*", calendar(8, Align::kDay)));
  EXPECT_EQ(engine.remaining("p:1"), 2U);
  engine.kill();
  engine.open();
  EXPECT_EQ(engine.remaining("p:1"), 2U);
  EXPECT_TRUE(engine.allows("p:1", 2));
  EXPECT_EQ(reset_at(engine, "p:1"), "2026-11-24T00:00:00.000Z");
}

/// A quota for each day and no more, whatever happens to the wall clock within it.
TEST(CalendarWindows, AClockThatIsSetBackGrantsNothingAndFreezesNothing) {
  EngineFixture engine;
  must(engine.limit("k", calendar(3, Align::kDay)));
  EXPECT_TRUE(engine.allows("k", 3));
  engine.clock.set_wall(engine.clock.wall() - 1h);
  EXPECT_FALSE(engine.allows("k"));
  engine.clock.advance(5h + 38min);  // 00:00:02 as it was, 23:00:02 by the clock
  EXPECT_TRUE(engine.allows("k", 3)) << "the next day's quota, early";
  EXPECT_EQ(reset_at(engine, "k"), "2026-11-25T00:00:00.000Z");
  engine.clock.advance(2h);
  EXPECT_FALSE(engine.allows("k")) << "midnight by the clock begins no other day";
  engine.clock.set_wall(engine.clock.wall() - 400 * kDay);
  engine.clock.advance(23h);
  EXPECT_TRUE(engine.allows("k")) << "a clock that was far ahead keeps nobody out for longer than a day";
}

TEST(CalendarWindows, AClockThatIsSetForwardBeginsNoDayTwice) {
  EngineFixture engine;
  must(engine.limit("k", calendar(3, Align::kDay)));
  EXPECT_TRUE(engine.allows("k", 3));
  engine.clock.set_wall(engine.clock.wall() + 1h);
  engine.clock.advance(5h + 38min);  // 01:00:00 by the clock
  EXPECT_TRUE(engine.allows("k", 3));
  EXPECT_EQ(reset_at(engine, "k"), "2026-11-25T00:00:00.000Z");
}

TEST(CalendarWindows, WhatIsWrongWithOneIsNamed) {
  EngineFixture engine;
  const auto why = [&](Limit limit) { return engine.limit("k", limit).message(); };
  const std::uint64_t before = engine.last_seq();
  EXPECT_EQ(why(calendar(1, Align::kDay, "Nowhere/Land")),
            "timezone must be the IANA name of a time zone that this machine knows, such as Europe/Berlin, not "
            "\"Nowhere/Land\".");
  EXPECT_THAT(why(calendar(1, Align::kDay, "../../etc/passwd")), HasSubstr("timezone must be"));
  EXPECT_THAT(why(calendar(1, Align::kDay, std::string(1'000, 'x'))), HasSubstr("not a text of 1000 bytes"));
  EXPECT_THAT(why(calendar(1, static_cast<Align>(9))), HasSubstr("align must be day, week, month or year"));
  EXPECT_THAT(why(calendar(0, Align::kDay)), HasSubstr("rate must be from 1"));
  Limit bucket = calendar(1, Align::kDay);
  bucket.algorithm = Algorithm::kTokenBucket;
  EXPECT_EQ(why(bucket), "align is for fixed_window_counter only, not for token_bucket.");
  Limit period = calendar(1, Align::kDay);
  period.per = 1h;
  EXPECT_EQ(why(period), "per must be left out with align, which says how long the window is.");
  Limit burst = calendar(1, Align::kDay);
  burst.burst = 2;
  EXPECT_THAT(why(burst), HasSubstr("burst is for token_bucket only"));
  Limit without = token_bucket(1, 1s);
  without.timezone = "Europe/Berlin";
  EXPECT_EQ(why(without), "timezone is for a limit with align: leave it out.");
  EXPECT_THAT(why(several({token_bucket(1, 1s), calendar(1, Align::kDay, "X/Y")})),
              HasSubstr("windows[1].timezone must be"));
  EXPECT_EQ(why(several({calendar(1, Align::kDay), calendar(2, Align::kDay, "Europe/Berlin")})),
            "windows must not have two windows of a calendar day: keep one of them.");
  EXPECT_EQ(engine.last_seq(), before);
}

/// As of a machine whose zone data went: the directory names a zone that this machine does not know.
TEST(CalendarWindows, AZoneThatIsNotKnownAnyMoreDeniesItsKeyAndOpens) {
  EngineFixture engine;
  Keys keys;
  Limits limits;
  const Time now(engine.clock.wall().time_since_epoch());
  const Limit gone = calendar(3, Align::kDay, "Europe/Gone");
  keys.add("gone").usage = {limits.rule(gone), algorithm::fresh(gone, now)};
  const Limit both = several({token_bucket(5, 1s), calendar(3, Align::kMonth, "Europe/Gone")});
  keys.add("both").usage = {limits.rule(both), algorithm::fresh(both, now)};
  keys.add("known").usage = {limits.rule(calendar(3, Align::kDay)), algorithm::fresh(calendar(3, Align::kDay), now)};
  must(engine->adopt(std::move(keys)));
  engine.reopen();
  for (const char* key : {"gone", "both"}) {
    const Decision denied = engine.check(key);
    EXPECT_FALSE(denied.allowed) << key;
    EXPECT_EQ(denied.unknown_timezone(), "Europe/Gone");
    EXPECT_EQ(denied.retry_after_ms, 3'600'000U);
    EXPECT_EQ(engine.status(key).total_denied, 1U);
  }
  EXPECT_TRUE(engine.allows("known", 3));
  EXPECT_EQ(engine.check("known").unknown_timezone(), "");
  must(engine->compact());
  engine.kill();
  engine.open();
  EXPECT_FALSE(engine.allows("gone"));
  const std::vector<Finding> findings = engine->doctor().findings;
  EXPECT_TRUE(std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.message.starts_with("the time zone \"Europe/Gone\" of a limit is not known on this machine");
  }));
  must(engine.limit("gone", calendar(3, Align::kDay)));
  EXPECT_TRUE(engine.allows("gone", 3));
}

TEST(CalendarWindows, UtcByNameIsUtc) {
  EngineFixture engine;
  must(engine.limit("k", calendar(3, Align::kDay)));
  const std::uint64_t before = engine.last_seq();
  must(engine.limit("k", calendar(3, Align::kDay, "UTC")));
  EXPECT_EQ(engine.last_seq(), before);
}

TEST(CalendarWindows, GoldenRecords) {
  const Moment at{.time = Time(Nanos(1'795'458'122'123'456'789)), .wall = WallTime(Nanos(1'795'458'122'123'456'789))};
  EventWriter configured(EventType::kConfigured, at);
  configured.configured({.id = 1, .cost = 0, .denials = {}, .after = {algorithm::kCalendarWindow, 0, 0, 0}}, "k",
                        calendar(100, Align::kMonth, "A/B"));
  EXPECT_EQ(hex(configured.written()),
            "1531423aa6bfea18"
            "00"
            "0805"      // id 1, no denials, a calendar window
            "016b"      // the key
            "6403"      // rate, month
            "03412f42"  // the time zone
            "000000");  // age, count, no end yet
  EventWriter allowed(EventType::kAllowed, at);
  allowed.allowed({.id = 1, .cost = 2, .denials = {}, .after = {algorithm::kCalendarWindow, 1'000'000, 2, 128}});
  EXPECT_EQ(hex(allowed.written()),
            "1531423aa6bfea18"
            "00"
            "0805"
            "02"              // cost
            "c0843d028001");  // age, count, length
  for (const EventWriter* event : {&configured, &allowed}) {
    LogEvent decoded;
    ASSERT_TRUE(decode_event({.kind = event->kind(), .seq = 1, .payload = event->written()}, decoded));
  }
}

}  // namespace
}  // namespace flint::limiter
