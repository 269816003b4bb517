#include "api/decision_fields.h"

#include <gtest/gtest.h>

namespace flint::api {
namespace {

using namespace std::chrono_literals;

std::string fields(const backend::Answer& answer) {
  std::string text;
  append_decision_fields(text, answer);
  return text;
}

Decision allowed(Units remaining = 7, std::uint64_t reset_after_ms = 1500) {
  return {
      .key = "k", .allowed = true, .cost = 1, .capacity = 10, .remaining = remaining, .reset_after_ms = reset_after_ms};
}

Decision denied(std::optional<std::uint64_t> retry_after_ms, std::uint64_t reset_after_ms = 0) {
  return {.key = "k",
          .allowed = false,
          .cost = 1,
          .capacity = 10,
          .remaining = 0,
          .reset_after_ms = reset_after_ms,
          .retry_after_ms = retry_after_ms};
}

TEST(DecisionFields, SayWhatIsLeftAndWhenItIsBack) {
  EXPECT_EQ(fields(allowed()), "RateLimit: \"default\";r=7;t=2\r\nRateLimit-Policy: \"default\";q=10\r\n");
  EXPECT_EQ(fields(allowed(10, 0)), "RateLimit: \"default\";r=10;t=0\r\nRateLimit-Policy: \"default\";q=10\r\n");
}

TEST(DecisionFields, SayWhenToTryAgainRoundedUpAndAtLeastASecond) {
  for (const auto& [millis, seconds] : {std::pair{1U, 1U}, {1000U, 1U}, {1001U, 2U}, {3'600'000U, 3600U}}) {
    EXPECT_EQ(fields(denied(millis)),
              "RateLimit: \"default\";r=0;t=" + std::to_string(seconds) +
                  "\r\nRateLimit-Policy: \"default\";q=10\r\nRetry-After: " + std::to_string(seconds) + "\r\n");
  }
  // The full quota comes back later than what one cost needs.
  EXPECT_EQ(fields(denied(200, 5000)),
            "RateLimit: \"default\";r=0;t=5\r\nRateLimit-Policy: \"default\";q=10\r\nRetry-After: 1\r\n");
}

TEST(DecisionFields, SayNothingOfABlockedKeyAndOfAShadow) {
  EXPECT_EQ(fields(denied(std::nullopt)), "");
  Decision shadow = allowed();
  shadow.would_deny = true;
  EXPECT_EQ(fields(shadow), "");
  shadow.would_deny = false;
  EXPECT_EQ(fields(shadow), "");
}

TEST(DecisionFields, OfAKeyWithoutRoomSayOnlyWhenToTryAgain) {
  Decision full = denied(1000);
  full.keys_full = true;
  EXPECT_EQ(fields(full), "Retry-After: 1\r\n");
  full.allowed = true;
  full.retry_after_ms = 0;
  EXPECT_EQ(fields(full), "");
}

TEST(DecisionFields, ListEachWindowAsAPolicy) {
  Decision decision = denied(2500, 2500);
  auto details = std::make_shared<DecisionDetails>();
  details->windows = {
      {.limit = {.rate = 5, .per = 1s, .burst = 9}, .remaining = 3, .reset_after_ms = 100},
      {.limit = {.rate = 100, .per = 1500ms}, .remaining = 0, .reset_after_ms = 1000, .retry_after_ms = 2500},
      {.limit = {.rate = 1000, .algorithm = Algorithm::kFixedWindowCounter, .align = Align::kMonth}, .remaining = 9}};
  decision.details = details;
  EXPECT_EQ(fields(decision),
            "RateLimit: \"default-1\";r=3;t=1, \"default-2\";r=0;t=3, \"default-3\";r=9;t=0\r\n"
            "RateLimit-Policy: \"default-1\";q=5;w=1, \"default-2\";q=100, \"default-3\";q=1000\r\n"
            "Retry-After: 3\r\n");
}

TEST(DecisionFields, OfSeveralKeysAreThoseOfTheOneThatMatters) {
  CheckAllResult all{.allowed = true, .denied_key = {}, .results = {allowed(7), allowed(2), allowed(5)}};
  EXPECT_EQ(fields(all), fields(allowed(2)));
  all.results[1].would_deny = true;
  EXPECT_EQ(fields(all), fields(allowed(5)));
  all = {.allowed = false, .denied_key = "k", .results = {allowed(0), denied(4000)}};
  EXPECT_EQ(fields(all), fields(denied(4000)));
}

TEST(DecisionFields, AreThoseOfDecisionsAlone) {
  EXPECT_EQ(fields(Status(Code::kDiskFull, "full.")), "");
  EXPECT_EQ(fields(backend::Done()), "");
  EXPECT_EQ(fields(backend::BatchResult{allowed()}), "");
}

}  // namespace
}  // namespace flint::api
