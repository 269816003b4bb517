#include "base/calendar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "base/rfc3339.h"
#include "testing/choices.h"
#include "testing/seed.h"

namespace flint::base {
namespace {

using namespace std::chrono_literals;
using testing::Random;

/// `2018-11-04T03:00Z`
WallTime at(int year, unsigned month, unsigned day, int hour = 0, int minute = 0) {
  const std::chrono::sys_days date{std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day)};
  return WallTime(Nanos(date.time_since_epoch()) + hour * 1h + minute * 1min);
}

std::string unit(Align align, const char* timezone, WallTime time) {
  const auto unit = calendar_unit(align, timezone, time);
  if (!unit) return "unknown";
  const auto shown = [](WallTime one) { return format_rfc3339(one).substr(0, 16); };
  return shown(unit->begin) + " " + shown(unit->end);
}

TEST(Calendar, UnitsOfUtc) {
  const WallTime time = at(2024, 2, 28, 23, 59);
  EXPECT_EQ(unit(Align::kDay, "", time), "2024-02-28T00:00 2024-02-29T00:00");
  EXPECT_EQ(unit(Align::kWeek, "", time), "2024-02-26T00:00 2024-03-04T00:00") << "from Monday on";
  EXPECT_EQ(unit(Align::kMonth, "", time), "2024-02-01T00:00 2024-03-01T00:00");
  EXPECT_EQ(unit(Align::kYear, "UTC", time), "2024-01-01T00:00 2025-01-01T00:00");
  EXPECT_EQ(unit(Align::kWeek, "", at(2024, 3, 3, 23, 59)), "2024-02-26T00:00 2024-03-04T00:00") << "a Sunday";
  EXPECT_EQ(unit(Align::kWeek, "", at(2024, 3, 4)), "2024-03-04T00:00 2024-03-11T00:00") << "a Monday";
}

TEST(Calendar, LeapDays) {
  EXPECT_EQ(unit(Align::kDay, "", at(2024, 2, 29, 12)), "2024-02-29T00:00 2024-03-01T00:00");
  EXPECT_EQ(unit(Align::kDay, "", at(2023, 2, 28, 12)), "2023-02-28T00:00 2023-03-01T00:00");
  EXPECT_EQ(unit(Align::kMonth, "", at(2100, 2, 28, 12)), "2100-02-01T00:00 2100-03-01T00:00");
  EXPECT_EQ(unit(Align::kYear, "", at(2000, 12, 31, 12)), "2000-01-01T00:00 2001-01-01T00:00");
}

TEST(Calendar, DaysOf23And25Hours) {
  EXPECT_EQ(unit(Align::kDay, "Europe/Berlin", at(2026, 3, 29, 12)), "2026-03-28T23:00 2026-03-29T22:00");
  EXPECT_EQ(unit(Align::kDay, "Europe/Berlin", at(2026, 10, 25, 12)), "2026-10-24T22:00 2026-10-25T23:00");
  EXPECT_EQ(unit(Align::kDay, "America/New_York", at(2026, 3, 8, 12)), "2026-03-08T05:00 2026-03-09T04:00");
  EXPECT_EQ(unit(Align::kMonth, "Europe/Berlin", at(2026, 3, 15)), "2026-02-28T23:00 2026-03-31T22:00");
  EXPECT_EQ(unit(Align::kYear, "Europe/Berlin", at(2026, 7, 1)), "2025-12-31T23:00 2026-12-31T23:00");
}

TEST(Calendar, OddOffsets) {
  EXPECT_EQ(unit(Align::kDay, "Asia/Kathmandu", at(2026, 5, 5, 12)), "2026-05-04T18:15 2026-05-05T18:15");
  EXPECT_EQ(unit(Align::kDay, "America/St_Johns", at(2026, 1, 5, 12)), "2026-01-05T03:30 2026-01-06T03:30");
  // Summer time is half an hour there.
  EXPECT_EQ(unit(Align::kDay, "Australia/Lord_Howe", at(2026, 4, 4, 14)), "2026-04-04T13:00 2026-04-05T13:30");
  EXPECT_EQ(unit(Align::kDay, "Australia/Lord_Howe", at(2026, 10, 3, 14)), "2026-10-03T13:30 2026-10-04T13:00");
}

/// Samoa went from 29 December 2011 straight to the 31st.
TEST(Calendar, ASkippedDayHasNoUnit) {
  EXPECT_EQ(unit(Align::kDay, "Pacific/Apia", at(2011, 12, 30, 9, 59)), "2011-12-29T10:00 2011-12-30T10:00");
  EXPECT_EQ(unit(Align::kDay, "Pacific/Apia", at(2011, 12, 30, 10)), "2011-12-30T10:00 2011-12-31T10:00");
  EXPECT_EQ(unit(Align::kMonth, "Pacific/Apia", at(2011, 12, 30, 10)), "2011-12-01T10:00 2011-12-31T10:00");
}

TEST(Calendar, MidnightsThatDoNotExist) {
  // The clock went from 23:59:59 on the 3rd to 01:00 on the 4th.
  EXPECT_EQ(unit(Align::kDay, "America/Sao_Paulo", at(2018, 11, 4, 2, 59)), "2018-11-03T03:00 2018-11-04T03:00");
  EXPECT_EQ(unit(Align::kDay, "America/Sao_Paulo", at(2018, 11, 4, 3)), "2018-11-04T03:00 2018-11-05T02:00");
  EXPECT_EQ(unit(Align::kDay, "Africa/Cairo", at(2014, 5, 15, 22)), "2014-05-15T22:00 2014-05-16T21:00");
  EXPECT_EQ(unit(Align::kDay, "Africa/Cairo", at(2014, 5, 15, 21, 59)), "2014-05-14T22:00 2014-05-15T22:00");
}

TEST(Calendar, MidnightsThatAreThereTwice) {
  // In Havana, 01:00 became 00:00 again: the day begins with the first one.
  EXPECT_EQ(unit(Align::kDay, "America/Havana", at(2026, 11, 1, 4)), "2026-11-01T04:00 2026-11-02T05:00");
  EXPECT_EQ(unit(Align::kDay, "America/Havana", at(2026, 11, 1, 5, 30)), "2026-11-01T04:00 2026-11-02T05:00");
}

TEST(Calendar, KnowsItsTimezones) {
  for (const char* known : {"", "UTC", "Europe/Berlin", "Etc/GMT+12", "America/Argentina/Buenos_Aires"}) {
    EXPECT_TRUE(is_known_timezone(known)) << known;
    EXPECT_TRUE(is_timezone_name(known)) << known;
  }
  for (const char* unknown : {"Nowhere/Land", "europe/berlin", " UTC", "../../etc/passwd", "/etc/passwd", "Europe"}) {
    EXPECT_FALSE(is_known_timezone(unknown)) << unknown;
    EXPECT_EQ(unit(Align::kDay, unknown, at(2026, 1, 1)), "unknown") << unknown;
  }
  EXPECT_FALSE(is_timezone_name("Europe/K\xc3\xb6ln"));
  EXPECT_FALSE(is_timezone_name(std::string(65, 'a')));
}

/// Units follow each other without a gap, and each time is in its own.
TEST(CalendarProperty, UnitsAreARow) {
  constexpr std::array kZones = {"",
                                 "Europe/Berlin",
                                 "Asia/Kathmandu",
                                 "Australia/Lord_Howe",
                                 "America/St_Johns",
                                 "Pacific/Apia",
                                 "Africa/Cairo",
                                 "America/Sao_Paulo",
                                 "America/Havana"};
  Random random(testing::test_seed());
  for (std::uint64_t n = 0; n < 3'000 * testing::test_effort(); ++n) {
    const auto align = static_cast<Align>(1 + random.pick(4));
    const char* zone = random.any_of(kZones);
    const WallTime time(Nanos(static_cast<std::int64_t>(random.pick(std::uint64_t{4'600'000'000'000'000'000}))));
    const auto unit = calendar_unit(align, zone, time);
    ASSERT_TRUE(unit);
    ASSERT_TRUE(unit->begin <= time && time < unit->end) << zone << " " << format_rfc3339(time);
    ASSERT_EQ(calendar_unit(align, zone, unit->begin)->begin, unit->begin) << zone << " " << format_rfc3339(time);
    ASSERT_EQ(calendar_unit(align, zone, unit->end)->begin, unit->end) << zone << " " << format_rfc3339(time);
    ASSERT_EQ(calendar_unit(align, zone, unit->end - Nanos(1))->begin, unit->begin) << zone;
  }
}

}  // namespace
}  // namespace flint::base
