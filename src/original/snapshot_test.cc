#include "original/snapshot.h"

#include "testing/original_files.h"

namespace flint::original {
namespace {

using testing::bare;
using testing::config;
using testing::left;
using testing::line;
using testing::read;
using testing::read_snapshot_of;
using testing::wrapped;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kConfigs = "{" + config("b", 10, "token_bucket") + "," + config("f", 10, "fixed_window_counter") +
                             "," + config("s", 10, "sliding_window_log") + "}";

std::string used_snapshot(int offset = 0) {
  const std::string at = "\"" + testing::at(0s) + "\"";
  return bare(kConfigs, R"({"b":{"last_refill":)" + at + R"(,"tokens":2.9999999999999996}})",
              R"({"f":{"count":8,"window_start":)" + at + "}}", R"({"s":[)" + at + "," + at + "," + at + R"(]})",
              R"({"b":{"total_allowed":5,"total_denied":2,"total_allowed_cost":8,"total_denied_cost":3,)"
              R"("last_allowed_at":)" +
                  at +
                  R"(,"last_denied_at":null,"last_reset_at":null},"s":{"total_allowed":3,"total_denied":1,)"
                  R"("last_allowed_at":null,"last_denied_at":null,"last_reset_at":null}})",
              offset);
}

TEST(OriginalSnapshot, CarriesUsageAndCounters) {
  for (const std::string& text : {used_snapshot(), wrapped(used_snapshot())}) {
    auto content = read_snapshot_of(text);
    ASSERT_TRUE(content.ok()) << content.status().message();
    EXPECT_EQ(content->report.snapshot.keys, 3U);
    EXPECT_EQ(left(*content, "b"), 2U) << "a hair less than 3 tokens are 2";
    EXPECT_EQ(left(*content, "f"), 2U);
    EXPECT_EQ(left(*content, "s"), 7U);
    const limiter::Counters& counters = content->keys.find("b")->counters();
    EXPECT_EQ(counters.allowed, 5U);
    EXPECT_EQ(counters.allowed_cost, 8U);
    EXPECT_EQ(counters.denied, 2U);
    EXPECT_EQ(counters.denied_cost, 3U);
    EXPECT_EQ(counters.last_allowed_at, testing::now());
    EXPECT_EQ(counters.last_denied_at, std::nullopt);
    EXPECT_EQ(content->keys.find("s")->counters().allowed_cost, 3U) << "the first versions counted checks alone";
  }
}

TEST(OriginalSnapshot, TokensAreNeverMoreThanWritten) {
  for (const auto& [tokens, whole] : std::vector<std::pair<std::string, Units>>{{"0", 0},
                                                                                {"0.0", 0},
                                                                                {"0.9999999999999999", 0},
                                                                                {"1", 1},
                                                                                {"1.5", 1},
                                                                                {"9.999999999999998", 9},
                                                                                {"10.0", 10},
                                                                                {"1e1", 10},
                                                                                {"5e-324", 0},
                                                                                {"1e300", 10}}) {
    auto content =
        read_snapshot_of(bare("{" + config("b", 10, "token_bucket") + "}",
                              R"({"b":{"tokens":)" + tokens + R"(,"last_refill":")" + testing::at(0s) + "\"}}"));
    ASSERT_TRUE(content.ok()) << content.status().message();
    EXPECT_EQ(left(*content, "b"), whole) << tokens;
  }
}

TEST(OriginalSnapshot, WithoutUsageTheQuotaIsFull) {
  auto content = read_snapshot_of(bare(kConfigs));
  for (const std::string key : {"b", "f", "s"}) EXPECT_EQ(left(*content, key), 10U);
}

// What another algorithm left behind counted for nothing.
TEST(OriginalSnapshot, OnlyTheUsageOfTheAlgorithmCounts) {
  auto content = read_snapshot_of(bare("{" + config("k", 10, "fixed_window_counter") + "}",
                                       R"({"k":{"tokens":0.0,"last_refill":")" + testing::at(0s) + "\"}}"));
  EXPECT_EQ(left(*content, "k"), 10U);
}

TEST(OriginalSnapshot, TheLogContinuesIt) {
  const std::string line = testing::line(testing::event("ALLOW", "f", 0s, 1));
  const auto size = static_cast<int>(line.size());
  auto after = read({{"flint.snapshot", wrapped(used_snapshot(0))}, {"flint.aof", line}});
  EXPECT_EQ(left(*after, "f"), 1U);
  auto within = read({{"flint.snapshot", wrapped(used_snapshot(size))}, {"flint.aof", line + line}});
  EXPECT_EQ(left(*within, "f"), 1U);
  EXPECT_EQ(within->report.log.allowed, 1U);
  EXPECT_FALSE(within->report.log.is_newer_than_snapshot);
  // The log was emptied, and the snapshot's position with it, when the original was killed.
  for (const int offset : {size - 1, size + 1, 1'000'000}) {
    auto gone = read({{"flint.snapshot", wrapped(used_snapshot(offset))}, {"flint.aof", line}});
    EXPECT_EQ(left(*gone, "f"), 1U) << offset;
    EXPECT_TRUE(gone->report.log.is_newer_than_snapshot);
  }
}

TEST(OriginalSnapshot, LineNumbersAreOfTheWholeLog) {
  const std::string line = testing::line(testing::event("ALLOW", "f", 0s, 1));
  const auto content = read({{"flint.snapshot", used_snapshot(static_cast<int>(2 * line.size()))},
                             {"flint.aof", line + line + line + "x\n"}});
  EXPECT_THAT(content.status().message(), StartsWith("old/flint.aof:4: "));
}

TEST(OriginalSnapshot, APieceOfItIsNone) {
  for (const std::string& text : {used_snapshot(), wrapped(used_snapshot())}) {
    for (std::size_t cut = 0; cut + 2 < text.size(); ++cut) {
      const auto content = read_snapshot_of(text.substr(0, cut));
      ASSERT_EQ(content.code(), Code::kCorruption) << cut;
      ASSERT_THAT(content.status().message(), StartsWith("old/flint.snapshot:")) << cut;
    }
  }
}

TEST(OriginalSnapshot, AChangedByteIsDamage) {
  const std::string text = wrapped(used_snapshot());
  for (std::size_t i = text.find("\"checksum\""); i < text.size(); i += 3) {
    std::string changed = text;
    changed[i] = changed[i] == '7' ? '8' : '7';
    if (changed[i] == text[i] || std::isspace(text[i]) != 0) continue;
    ASSERT_EQ(read_snapshot_of(changed).code(), Code::kCorruption) << i << changed.substr(i, 20);
  }
}

TEST(OriginalSnapshot, WhatIsWrongIsSaidWithFileAndLine) {
  const std::string time = "\"2026-11-23T11:00:00Z\"";
  const std::string one = config("k", 1, "token_bucket");
  const auto of_bucket = [&](const std::string& bucket) { return bare("{" + one + "}", R"({"k":)" + bucket + "}"); };
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "not valid JSON"},
      {"[]", "must be an object"},
      {"1", "must be an object"},
      {"{}", "format_version is missing"},
      {"{\"format_version\":1}", "aof_offset is missing"},
      {"{\"format_version\":2}", "format_version is 2"},
      {"{\"format_version\":1,\"format_version\":1}", "format_version appears more than once"},
      {"{\"format_version\":\"1\"}", "format_version must be an integer"},
      {"{\"aof_offset\":-1}", "aof_offset must be an integer"},
      {"{\"aof_offset\":1.5}", "aof_offset must be an integer"},
      {"{\"format_version\":1,\"aof_offset\":0}", "state is missing"},
      {"{\"format_version\":1,\"aof_offset\":0,\"state\":{}}", "state.configs is missing"},
      {"{\"state\":[]}", "state must be an object"},
      {"{\"state\":1}", "state must be an object"},
      {"{\"more\":1}", "more is unknown to this Flint"},
      {"{\"snapshot\":{}}", "snapshot"},
      {"{\"snapshot\":\"nonsense\"}", "in snapshot: this is not valid JSON"},
      {"{\"checksum\":\"x\"}", "snapshot is missing"},
      {"{\"state\":{\"configs\":[]}}", "state.configs must be an object"},
      {"{\"state\":{\"leases\":{}}}", "state.leases is unknown to this Flint"},
      {"{\"state\":{\"configs\":{},\"configs\":{}}}", "state.configs appears more than once"},
      {"{\"state\":{\"configs\":{\"k\":1}}}", "state.configs.k must be"},
      {bare("{" + one + "," + one + "}"), "state.configs.k appears more than once"},
      {bare(R"({"k":{"rate":1,"rate":1}})"), "state.configs.k.rate appears more than once"},
      {bare(R"({"k":{"rate":0}})"), "state.configs.k.rate must be an integer from 1"},
      {bare(R"({"k":{"key":"other"}})"), "state.configs.k.key must be the same key"},
      {bare(R"({"k":{"per_millis":99999999999}})"), "state.configs.k.per_millis must be"},
      {bare(R"({"k":{"algorithm":"leaky"}})"), "state.configs.k.algorithm is not an algorithm"},
      {bare(R"({"k":{"algorithm":"sliding_window_counter"}})"), "state.configs.k.algorithm is not an algorithm"},
      {bare(R"({"k":{"burst":1}})"), "state.configs.k.burst is unknown"},
      {bare(R"({"k":{"rate":[]}})"), "must not be an object or an array"},
      {bare(R"({"k":{"rate":1,"per_millis":1}})"), "state.configs.k.algorithm is missing"},
      {bare("{" + config(std::string(513, 'k'), 1, "token_bucket") + "}"), "is refused: key"},
      {bare("{}", R"({"k":{"tokens":1,"last_refill":)" + time + "}}"), "state.configs.k is missing"},
      {of_bucket(R"({"tokens":-1})"), "state.buckets.k.tokens must be a number"},
      {of_bucket(R"({"tokens":"1"})"), "state.buckets.k.tokens must be a number"},
      {of_bucket(R"({"tokens":1e999})"), ""},
      {of_bucket(R"({"tokens":1})"), "must have tokens and last_refill"},
      {of_bucket(R"({"last_refill":1})"), "state.buckets.k.last_refill must be a time"},
      {bare("{" + config("k", 1, "sliding_window_log") + "}", "{}", "{}", R"({"k":[1]})"), "must be a time"},
      {bare("{" + config("k", 1, "sliding_window_log") + "}", "{}", "{}", R"({"k":{}})"), "must be an array"},
      {bare("{" + one + "}", "{}", "{}", "{}", R"({"k":{"total_allowed":-1}})"), "total_allowed must be an integer"},
      {bare("{}") + "}", "something behind"},
  };
  for (const auto& [text, says] : cases) {
    const auto content = read_snapshot_of("\n" + text);
    ASSERT_EQ(content.code(), Code::kCorruption) << text;
    EXPECT_THAT(content.status().message(), StartsWith("old/flint.snapshot:")) << text;
    EXPECT_THAT(content.status().message(), HasSubstr(says)) << text;
  }
  EXPECT_THAT(read_snapshot_of("{\n\n\"x\":1}").status().message(), StartsWith("old/flint.snapshot:3: "));
}

}  // namespace
}  // namespace flint::original
