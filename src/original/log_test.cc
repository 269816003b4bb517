#include "original/log.h"

#include "testing/original_files.h"

namespace flint::original {
namespace {

using testing::config;
using testing::configured;
using testing::event;
using testing::left;
using testing::line;
using testing::read_log_of;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kHour = "3600000";
/// Long before now: usage of an hour's limit that began there is over.
constexpr std::string_view kEarly = "2026-11-23T10:00:00Z";

std::string start(std::string_view algorithm = "token_bucket") {
  return line(configured("k", 10, kHour, algorithm), kEarly);
}

TEST(OriginalLog, CarriesUsageAndCounters) {
  for (const std::string algorithm : {"token_bucket", "sliding_window_log", "fixed_window_counter"}) {
    SCOPED_TRACE(algorithm);
    auto content = read_log_of(start(algorithm) + line(event("ALLOW", "k", 5s, 4)) + line(event("ALLOW", "k", 4s, 6)) +
                               line(event("DENY", "k", 3s, 2)) + line(event("DENY", "k", 2s, 1)));
    ASSERT_TRUE(content.ok()) << content.status().message();
    EXPECT_EQ(left(*content, "k"), 0U);
    const limiter::Counters& counters = content->keys.find("k")->counters();
    EXPECT_EQ(counters.allowed, 2U);
    EXPECT_EQ(counters.allowed_cost, 10U);
    EXPECT_EQ(counters.denied, 2U);
    EXPECT_EQ(counters.denied_cost, 3U);
    EXPECT_EQ(counters.last_allowed_at, testing::now() - 4s);
    EXPECT_EQ(counters.last_denied_at, testing::now() - 2s);
    EXPECT_EQ(counters.last_reset_at, std::nullopt);
    EXPECT_EQ(content->report.log.events(), 5U);
    EXPECT_EQ(content->report.keys, 1U);
  }
}

TEST(OriginalLog, UsageIsOverWhenItsTimeIs) {
  auto refilled = read_log_of(start() + line(event("ALLOW", "k", 30min, 10)));
  EXPECT_EQ(left(*refilled, "k"), 5U);
  for (const std::string algorithm : {"sliding_window_log", "fixed_window_counter"}) {
    auto over = read_log_of(start(algorithm) + line(event("ALLOW", "k", 60min, 10)));
    EXPECT_EQ(left(*over, "k"), 10U) << algorithm;
    auto not_yet = read_log_of(start(algorithm) + line(event("ALLOW", "k", 59min, 10)));
    EXPECT_EQ(left(*not_yet, "k"), 0U) << algorithm;
  }
}

TEST(OriginalLog, AResetGivesTheQuotaBack) {
  for (const std::string algorithm : {"token_bucket", "sliding_window_log", "fixed_window_counter"}) {
    auto content = read_log_of(start(algorithm) + line(event("ALLOW", "k", 5s, 10)) + line(testing::reset("k", 4s)) +
                               line(event("ALLOW", "k", 0s, 1)));
    ASSERT_TRUE(content.ok()) << content.status().message();
    EXPECT_EQ(left(*content, "k"), 9U) << algorithm;
    EXPECT_EQ(content->keys.find("k")->counters().last_reset_at, testing::now() - 4s);
  }
}

TEST(OriginalLog, AllowAllTakesFromEach) {
  auto content =
      read_log_of(start() + line(configured("org", 5, kHour, "fixed_window_counter")) +
                  line(R"({"type":"ALLOW_ALL","items":[{"key":"k","cost":3},{"key":"org","cost":5}],"at":")" +
                       testing::at(0s) + "\"}"));
  ASSERT_TRUE(content.ok()) << content.status().message();
  EXPECT_EQ(left(*content, "k"), 7U);
  EXPECT_EQ(left(*content, "org"), 0U);
  EXPECT_EQ(content->report.log.allowed_all, 1U);
}

// In the original, another algorithm began with a full quota.
TEST(OriginalLog, AChangedLimitForgivesNobody) {
  auto content = read_log_of(start() + line(event("ALLOW", "k", 5s, 10)) +
                             line(configured("k", 10, kHour, "sliding_window_log"), testing::at(4s)) +
                             line(configured("k", 10, kHour, "fixed_window_counter"), testing::at(3s)));
  EXPECT_EQ(left(*content, "k"), 0U);
  auto lower =
      read_log_of(start() + line(event("ALLOW", "k", 1s, 8)) + line(configured("k", 5, kHour), testing::at(0s)));
  EXPECT_EQ(left(*lower, "k"), 0U);
}

TEST(OriginalLog, MoreThanThereIsIsNotOwed) {
  for (const std::string algorithm : {"token_bucket", "fixed_window_counter"}) {
    auto content = read_log_of(start(algorithm) + line(event("ALLOW", "k", 0s, 9)) + line(event("ALLOW", "k", 0s, 9)));
    EXPECT_EQ(left(*content, "k"), 0U) << algorithm;
  }
}

TEST(OriginalLog, ReadsTheFirstVersions) {
  auto content =
      read_log_of(R"({"ts":"2026-11-23T10:00:00Z","event":{"type":"LIMIT_CONFIGURED","config":{"key":"k","rate":10,)"
                  R"("per_seconds":3600,"algorithm":"token_bucket"}}})"
                  "\n"
                  R"({"ts":"2026-11-23T12:00:00Z","event":{"type":"ALLOW","key":"k","at":"2026-11-23T12:00:00Z"}})"
                  "\r\n\n");
  ASSERT_TRUE(content.ok()) << content.status().message();
  EXPECT_EQ(left(*content, "k"), 9U);
  EXPECT_EQ(content->keys.find("k")->limit().per, 1h);
}

TEST(OriginalLog, ATimeAfterNowCountsAsNow) {
  auto content = read_log_of(start("sliding_window_log") + line(event("ALLOW", "k", -24h, 10)));
  ASSERT_TRUE(content.ok());
  EXPECT_EQ(left(*content, "k"), 0U);
  const limiter::KeyEntry& entry = *content->keys.find("k");
  EXPECT_EQ(algorithm::view(entry.usage.state, entry.limit(), Time(testing::now().time_since_epoch())).reset_after, 1h);
  EXPECT_EQ(entry.counters().last_allowed_at, testing::now());
  EXPECT_EQ(content->report.late_times, 1U);
}

// A clock that was set back: the times of a key never run backward.
TEST(OriginalLog, ATimeBeforeTheLastOneCountsAsThatOne) {
  auto content = read_log_of(start("sliding_window_log") + line(event("ALLOW", "k", 1min, 5)) +
                             line(event("ALLOW", "k", 61min, 5)));
  EXPECT_EQ(left(*content, "k"), 0U);
}

TEST(OriginalLog, ALastLineThatACrashCutOffIsDroppedAndSaid) {
  const std::string whole = start() + line(event("ALLOW", "k", 0s, 4));
  const std::string next = line(event("ALLOW", "k", 0s, 6));
  for (std::size_t cut = 1; cut < next.size(); ++cut) {
    auto content = read_log_of(whole + next.substr(0, cut));
    ASSERT_TRUE(content.ok()) << cut << content.status().message();
    // With all but its end, it is a line.
    const bool is_whole = cut == next.size() - 1;
    EXPECT_EQ(left(*content, "k"), is_whole ? 0U : 6U) << cut;
    EXPECT_EQ(content->report.log.torn_line, is_whole ? 0U : 3U);
  }
  auto ended = read_log_of(whole + next.substr(0, 20) + "\n");
  EXPECT_EQ(ended.code(), Code::kCorruption);
  EXPECT_THAT(ended.status().message(), StartsWith("old/flint.aof:3: "));
  auto glued = read_log_of(whole + next.substr(0, 20) + next);
  EXPECT_THAT(glued.status().message(), StartsWith("old/flint.aof:3: "));
}

struct Wrong {
  std::string text;
  std::string says;
};

TEST(OriginalLog, WhatIsWrongIsSaidWithFileAndLine) {
  const auto of_key = [](std::string_view type, std::string_view rest) {
    return line(R"({"type":")" + std::string(type) + R"(","key":"k")" + std::string(rest) + "}");
  };
  const std::string time = R"(,"at":"2026-11-23T11:00:00Z")";
  std::string edited = line(event("ALLOW", "k", 0s, 4));
  edited.replace(edited.find("\"cost\":4"), 8, "\"cost\":1");
  std::string spaced = line(event("ALLOW", "k", 0s, 4));
  spaced.insert(spaced.size() - 2, " ");
  const std::vector<Wrong> cases{
      {"nonsense\n", "not valid JSON"},
      {"[]\n", "must be an object"},
      {"{}\n", "ts is missing"},
      {"{\"key\":\"\xff\"}\n", "not valid UTF-8"},
      {std::string("\0\0\0\n", 4), "not valid JSON"},
      {std::string(10, '[') + "\n", "levels deep"},
      {"{\"ts\":1,\"event\":{}}\n", "ts must be a string"},
      {"{\"ts\":\"yesterday\",\"event\":{}}\n", "ts must be a time"},
      {"{\"ts\":\"1969-01-01T00:00:00Z\",\"event\":{}}\n", "ts must be a time"},
      {"{\"ts\":\"2200-01-01T00:00:00Z\",\"event\":{}}\n", "ts must be a time"},
      {"{\"version\":2,\"ts\":\"2026-11-23T11:00:00Z\",\"event\":{}}\n", "version is 2"},
      {"{\"ts\":\"2026-11-23T11:00:00Z\",\"event\":{},\"checksum\":\"\"}\n", "version is missing"},
      {"{\"ts\":\"2026-11-23T11:00:00Z\",\"event\":{},\"more\":1}\n", "more is unknown to this Flint"},
      {"{\"ts\":\"2026-11-23T11:00:00Z\",\"event\":[]}\n", "event must be an object"},
      {"{\"ts\":\"2026-11-23T11:00:00Z\",\"ts\":\"2026-11-23T11:00:00Z\"}\n", "ts appears more than once"},
      {edited, "checksum does not match"},
      {spaced, "checksum must be the last member"},
      {line("{}"), "event.type is missing"},
      {line(R"({"type":"BORN"})"), "BORN"},
      {of_key("ALLOW", ""), "event.at is missing"},
      {of_key("ALLOW", time + R"(,"cost":0)"), "event.cost must be an integer from 1"},
      {of_key("ALLOW", time + R"(,"cost":1.5)"), "event.cost must be an integer from 1"},
      {of_key("ALLOW", time + R"(,"cost":-1)"), "event.cost must be an integer from 1"},
      {of_key("ALLOW", time + R"(,"cost":1099511627777)"), "event.cost must be an integer from 1"},
      {of_key("ALLOW", time + R"(,"cost":"1")"), "event.cost must be an integer from 1"},
      {of_key("DENY", time + R"(,"burst":1)"), "event.burst is unknown to this Flint"},
      {of_key("RESET", time + R"(,"cost":1)"), "event.cost is unknown to this Flint"},
      {line(event("ALLOW", "stranger", 0s, 1)), "\"stranger\" has no limit"},
      {line(testing::reset("stranger", 0s)), "Is flint.snapshot, or the beginning of flint.aof, missing?"},
      {line(R"({"type":"ALLOW_ALL","items":{},"at":"2026-11-23T11:00:00Z"})"), "event.items must be an array"},
      {line(R"({"type":"ALLOW_ALL","items":[{"key":"k"}],"at":"2026-11-23T11:00:00Z"})"),
       "event.items[0].cost is missing"},
      {line(R"({"type":"LIMIT_CONFIGURED","config":1})"), "event.config must be an object"},
      {line(configured("k", 0, kHour)), "event.config.rate must be"},
      {line(configured("k", 1, "0")), "event.config.per_millis must be"},
      {line(configured("k", 1, "31622400001")), "event.config.per_millis must be"},
      {line(configured("k", 1, kHour, "leaky")), "event.config.algorithm"},
      {line(configured("k", 1, kHour, "sliding_window_counter")), "event.config.algorithm"},
      {line(configured("", 1, kHour)), "key"},
      {line(configured(std::string(513, 'k'), 1, kHour)), "key"},
      {line(configured("a\\u0007", 1, kHour)), "key"},
      {std::string(5 << 20, 'x'), "longer than"},
  };
  for (const Wrong& wrong : cases) {
    const auto content = read_log_of(start() + "\n" + wrong.text + line(event("ALLOW", "k", 0s, 1)));
    ASSERT_EQ(content.code(), Code::kCorruption) << wrong.says;
    EXPECT_THAT(content.status().message(), StartsWith("old/flint.aof:3: ")) << wrong.says;
    EXPECT_THAT(content.status().message(), HasSubstr(wrong.says));
  }
}

TEST(OriginalLog, AnEmptyOneHoldsNothing) {
  const auto content = read_log_of("");
  ASSERT_TRUE(content.ok());
  EXPECT_EQ(content->report.keys, 0U);
  EXPECT_TRUE(content->report.log.exists);
}

}  // namespace
}  // namespace flint::original
