#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/assert.h"
#include "flint/decision.h"
#include "flint/status.h"
#include "flint/version.h"

namespace flint {
namespace {

TEST(NamesTest, EveryCodeHasANameOfItsOwn) {
  std::set<std::string_view> names;
  constexpr int kCodes = static_cast<int>(Code::kReservationsFull) + 1;
  for (int i = 0; i < kCodes; ++i) names.insert(code_name(static_cast<Code>(i)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kCodes));
  EXPECT_EQ(code_name(Code::kInvalidArgument), "invalid_argument");
  EXPECT_EQ(code_name(Code::kStorageFailed), "storage_failed");
  for (const std::string_view name : names) {
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos) << name;
  }
}

TEST(NamesTest, EventKinds) {
  EXPECT_EQ(event_kind_name(EventKind::kConfigured), "configured");
  EXPECT_EQ(event_kind_name(EventKind::kAllowed), "allowed");
  EXPECT_EQ(event_kind_name(EventKind::kDenied), "denied");
  EXPECT_EQ(event_kind_name(EventKind::kReset), "reset");
  EXPECT_EQ(event_kind_name(EventKind::kWouldDeny), "would_deny");
  EXPECT_EQ(event_kind_name(EventKind::kCharged), "charged");
  EXPECT_EQ(event_kind_name(EventKind::kReserved), "reserved");
  EXPECT_EQ(event_kind_name(EventKind::kSettled), "settled");
  EXPECT_EQ(event_kind_name(EventKind::kExpired), "expired");
}

TEST(NamesTest, VersionIsTheProjects) {
  EXPECT_THAT(std::string(version()), ::testing::MatchesRegex("[0-9]+.[0-9]+.[0-9]+"));
}

TEST(NamesDeathTest, AFailedAssertionNamesFileLineAndCondition) {
  const int apples = 2;
  EXPECT_DEATH(FLINT_ASSERT(apples == 3), "names_test.cc:[0-9]+: .*apples == 3");
  FLINT_ASSERT(apples == 2);
}

}  // namespace
}  // namespace flint
