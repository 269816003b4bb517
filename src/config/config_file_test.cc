#include "config/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/limits_text.h"

namespace flint::config {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> problems(std::string_view text) {
  std::vector<std::string> lines;
  for (const Problem& problem : parse_limits(text, "f").problems) lines.push_back(describe(problem));
  return lines;
}

TEST(LimitsFile, HoldsLimitsAsARequestDoes) {
  const ConfigFile file = parse_limits(R"(
[[limits]]
key = "api:user-42"
limit = "100/m burst 150"

[[limits]]
key = "ip:*"
rate = 5
per = "10s"
algorithm = "fixed_window_counter"
override = true

[[limits]]
key = "seconds"
rate = 1
per = 60
)",
                                       "f");
  ASSERT_THAT(file.problems, IsEmpty());
  ASSERT_EQ(file.limits.size(), 3U);
  EXPECT_EQ(file.limits[0].key, "api:user-42");
  EXPECT_EQ(file.limits[0].limit, (Limit{.rate = 100, .per = 1min, .burst = 150}));
  EXPECT_EQ(file.limits[1].limit, (Limit{.rate = 5, .per = 10s, .algorithm = Algorithm::kFixedWindowCounter}));
  EXPECT_TRUE(file.limits[1].options.overrides);
  EXPECT_EQ(file.limits[2].limit.per, 1min);
  EXPECT_EQ(file.limits[0].json, R"({"key":"api:user-42","limit":"100/m burst 150"})");
}

TEST(LimitsFile, NoLimitsAreNoProblem) {
  EXPECT_THAT(problems(""), IsEmpty());
  EXPECT_THAT(problems("# nothing yet\n"), IsEmpty());
  EXPECT_THAT(problems("limits = []\n"), IsEmpty());
}

TEST(LimitsFile, EverythingThatIsWrongIsSaidWithTheLineOfItsValue) {
  EXPECT_THAT(
      problems("[[limits]]\nkey = \"a\"\nrate = 0\nper = \"1m\"\n"
               "[[limits]]\nkey = \"b\"\nlimit = \"often\"\n"
               "[[limits]]\nkey = \"\"\nlimit = \"1/s\"\n"
               "[[limits]]\nkey = \"c\"\nlimit = \"1/s\"\nrats = 5\nbursts = 6\n"
               "[[limits]]\nlimit = \"1/s\"\n"
               "[[limits]]\nkey = \"d\"\n\nrate = 1\nper = \"1s\"\noverride = true\n"
               "[[limits]]\nkey = \"d\"\nlimit = \"1/s\"\n"
               "[[limits]]\nkey = \"d\"\nlimit = \"2/s\"\n"),
      ElementsAre(HasSubstr("f:3: rate must be an integer from 1 to 1099511627776, not 0."), HasSubstr("f:7: limit "),
                  HasSubstr("f:9: key must be 1 to 512 bytes"),
                  HasSubstr("f:14: \"rats\" is not a field of a limit: it has key, limit, windows, rate, per"),
                  HasSubstr("f:15: \"bursts\" is not a field of a limit"), "f:16: key is missing.",
                  HasSubstr("f:23: override is for patterns"), "f:28: The key \"d\" has a limit on line 25 already."));
}

TEST(LimitsFile, ValuesOfAnotherTypeAreRefused) {
  const auto refused = [](const std::string& field) { return problems("[[limits]]\nkey = \"k\"\n" + field + "\n"); };
  EXPECT_THAT(refused("limit = 5"), ElementsAre("f:3: limit must be a string, not an integer."));
  EXPECT_THAT(refused("rate = \"5\"\nper = 1"), ElementsAre(HasSubstr("f:3: rate must be an integer from 1 to")));
  EXPECT_THAT(refused("rate = -5\nper = 1"), ElementsAre(HasSubstr("f:3: rate must be an integer from 1 to")));
  EXPECT_THAT(refused("rate = 1.5\nper = 1"), ElementsAre(HasSubstr("f:3: rate must be an integer from 1 to")));
  EXPECT_THAT(refused("rate = 1\nper = 0"), ElementsAre(HasSubstr("f:4: per must be an integer and a unit")));
  EXPECT_THAT(refused("rate = 1\nper = inf"), ElementsAre("f:4: per must not be infinite or no number."));
  EXPECT_THAT(refused("rate = 1\nper = 2026-11-27"), ElementsAre("f:4: per must not be a date or time."));
  EXPECT_THAT(refused("rate = 1\nper = [1]"), ElementsAre(HasSubstr("f:4: per must be a duration")));
  EXPECT_THAT(refused("rate = { a = 1 }\nper = 1"), ElementsAre(HasSubstr("f:3: rate must be an integer")));
  EXPECT_THAT(refused("rate = 1\nper = 1\noverride = \"yes\""),
              ElementsAre("f:5: override must be true or false, not a string."));
  EXPECT_THAT(refused("limit = \"1/s\"\nburst = 2"), ElementsAre(HasSubstr("f:3: limit takes the place of")));
}

TEST(LimitsFile, WhatIsNoLimitsFileIsSaidToBeNone) {
  EXPECT_THAT(problems("[[limits]\nkey = 1"), ElementsAre(HasSubstr("f:1: This is not TOML: ")));
  EXPECT_THAT(problems("\n\n{\"limits\":[]}"), ElementsAre(HasSubstr("f:3: This is not TOML: ")));
  EXPECT_THAT(problems("[[limits]]\nkey = \"\xff\"\n"), ElementsAre("f:2: This is not valid UTF-8."));
  EXPECT_THAT(problems("limits = 5"), ElementsAre(HasSubstr("f:1: limits must be tables, each under [[limits]]")));
  EXPECT_THAT(problems("limits = [\n1,\n]"), ElementsAre(HasSubstr("f:2: A limit must be a table")));
  EXPECT_THAT(problems("[limits]\nkey = \"k\""), ElementsAre(HasSubstr("f:1: limits must be tables")));
  EXPECT_THAT(problems("bind = \"x\"\n[limit]\n"),
              ElementsAre(HasSubstr("f:1: \"bind\" has no place in a limits file"),
                          HasSubstr("f:2: \"limit\" has no place in a limits file")));
  EXPECT_THAT(problems("[[limits]]\nkey = \"k\"\nkey = \"l\"\n"), ElementsAre(HasSubstr("f:3: This is not TOML: ")));
  EXPECT_THAT(problems(std::string(5000, '[')), ElementsAre(HasSubstr("f:1: This is not TOML: ")));
}

TEST(ConfigText, HasOptionsBesideLimits) {
  const ConfigFile file = parse_config(
      "bind = \"127.0.0.1:1\"\nthreads = 2\nno-map = true\n[[limits]]\nkey = \"k\"\nlimit = \"1/s\"\n", "f");
  ASSERT_THAT(file.problems, IsEmpty());
  ASSERT_EQ(file.options.size(), 3U);
  EXPECT_EQ(file.limits.size(), 1U);
  for (const FileOption& option : file.options) {
    if (option.name == "bind") {
      EXPECT_EQ(option.value + "@" + std::to_string(option.line), "127.0.0.1:1@1");
    } else if (option.name == "threads") {
      EXPECT_EQ(option.value + "@" + std::to_string(option.line), "2@2");
    } else {
      EXPECT_EQ(option.name + "=" + option.value + "@" + std::to_string(option.line), "no-map=true@3");
    }
  }
  EXPECT_EQ(parse_config("threads = 1.5", "f").problems.size(), 1U);
  EXPECT_EQ(parse_config("[server]\nthreads = 1", "f").problems.size(), 1U);
}

TEST(Problems, OfAnAnswerAreFoundInTheFile) {
  const std::vector<FileLimit> limits =
      parse_limits("[[limits]]\nkey = \"a\"\nlimit = \"1/s\"\n[[limits]]\nrate = 2\nkey = \"b\"\nper = 1\n", "f")
          .limits;
  const auto place = [&](const std::string& message) {
    return describe(problem_of(limits, {Code::kInvalidArgument, message}));
  };
  EXPECT_EQ(place("limits[1].key is odd."), "f:6: key is odd.");
  EXPECT_EQ(place("limits[1].rate is odd."), "f:5: rate is odd.");
  EXPECT_EQ(place("limits[0].burst is odd."), "f:1: burst is odd.");
  EXPECT_EQ(place("limits[0]: it is odd."), "f:1: it is odd.");
  EXPECT_EQ(place("limits[2].key is odd."), "limits[2].key is odd.");
  EXPECT_EQ(place("limits[18446744073709551616].key"), "limits[18446744073709551616].key");
  EXPECT_EQ(place("limits[0"), "limits[0");
  EXPECT_EQ(place("The disk is full."), "The disk is full.");
}

TEST(TomlString, ComesBackAsItWas) {
  for (const std::string key : {"plain", "quo\"te", "back\\slash", "ü€😀", "a = [b] # c", "'", "\xe2\x80\xae"}) {
    const ConfigFile file = parse_limits("[[limits]]\nkey = " + toml_string(key) + "\nlimit = \"1/s\"\n", "f");
    ASSERT_THAT(file.problems, IsEmpty()) << key;
    EXPECT_EQ(file.limits.front().key, key);
  }
}

TEST(ConfigFile, HoldsGates) {
  const ConfigFile file = parse_config(R"(
sync = "batch"
[[gates]]
name = "site"
key = "ip:{client}"
limit = "10/s burst 20"
cost = 2
allow_status = 200
deny_status = 403
trusted_hops = 2
[[gates]]
name = "Api_2"
key = "api:{header:X-Api-Key}"
)",
                                       "f");
  ASSERT_THAT(file.problems, IsEmpty());
  ASSERT_EQ(file.gates.size(), 2U);
  EXPECT_EQ(file.gates[0].name, "site");
  EXPECT_EQ(file.gates[0].key, *api::GateKey::parse("ip:{client}"));
  EXPECT_EQ(*file.gates[0].limit, (Limit{.rate = 10, .per = 1s, .burst = 20}));
  EXPECT_EQ(file.gates[0].cost, 2U);
  EXPECT_EQ(file.gates[0].statuses.deny, 403);
  EXPECT_EQ(file.gates[0].statuses.allow, 200);
  EXPECT_EQ(file.gates[0].trusted_hops, 2U);
  EXPECT_FALSE(file.gates[1].limit);
  EXPECT_EQ(file.gates[1].statuses.deny, 429);
  EXPECT_EQ(file.gates[1].trusted_hops, 1U);
  EXPECT_EQ(file.options.size(), 1U);
}

TEST(ConfigFile, SaysEverythingThatIsWrongWithAGate) {
  std::vector<std::string> lines;
  const std::string text =
      "[[gates]]\nname = \"a b\"\nkey = \"ip:{client\"\nlimit = 5\n"
      "[[gates]]\nname = \"b\"\nkey = \"k\"\nlimit = \"often\"\ncost = 0\ndeny_status = 200\ntrusted_hops = 33\n"
      "[[gates]]\nkeys = \"k\"\nallow_status = 201\n"
      "[[gates]]\nname = \"c\"\nkey = \"k\"\nlimit = \"10/s burst 2, 5/m\"\ncost = 3\n"
      "[[gates]]\nname = \"d\"\nkey = \"k\"\n"
      "[[gates]]\nname = \"d\"\nkey = \"k\"\n"
      "[[gates]]\nname = \"e\"\nkey = \"k\"\nlimit = \"5/m concurrency\"\n";
  for (const Problem& problem : parse_config(text, "f").problems) lines.push_back(describe(problem));
  EXPECT_THAT(
      lines,
      ElementsAre("f:2: name must be a string of 1 to 64 letters, digits, \"-\" and \"_\".",
                  HasSubstr("f:3: key can have {client} and {header:NAME} in it"),
                  "f:4: limit must be a string, not an integer.", HasSubstr("f:8: limit "),
                  HasSubstr("f:9: cost must be an integer from 1 to"),
                  "f:10: deny_status must be an integer from 400 to 599.",
                  "f:11: trusted_hops must be an integer from 0 to 32.", "f:12: name is missing.",
                  "f:12: key is missing.", HasSubstr("f:13: \"keys\" is not a field of a gate: it has name,"),
                  "f:14: allow_status must be 200 or 204.", "f:19: cost is more than the limit ever lets pass: 2.",
                  "f:24: The name \"d\" is that of the gate on line 21 already.",
                  "f:29: limit must not be concurrency, whose slots are taken by reservations only."));
  EXPECT_EQ(describe(parse_config("gates = 5\n", "f").problems.at(0)),
            "f:1: gates must be tables, each under [[gates]], not an integer.");
  EXPECT_EQ(describe(parse_config("gates = [5]\n", "f").problems.at(0)),
            "f:1: A gate must be a table under [[gates]], not an integer.");
  EXPECT_THAT(parse_limits("[[gates]]\nname = \"a\"\nkey = \"k\"\n", "f").problems.at(0).text,
              HasSubstr("has no place in a limits file"));
}

}  // namespace
}  // namespace flint::config
