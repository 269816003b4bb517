#include "base/calendar.h"

#include <date/tz.h>

#include <exception>
#include <string>

#include "base/assert.h"

namespace flint::base {
namespace {

/// Null if it is not known. The library throws then, and when it cannot read the zone data.
const date::time_zone* find_zone(std::string_view timezone) noexcept {
  try {
    return date::locate_zone(timezone);
  } catch (const std::exception&) {
    return nullptr;
  }
}

struct LocalUnit {
  date::local_days begin;
  date::local_days end;
};

LocalUnit local_unit(Align align, date::local_days day) {
  const date::year_month_day date(day);
  switch (align) {
    case Align::kDay:
      return {day, day + date::days(1)};
    case Align::kWeek: {
      const date::local_days monday = day - (date::weekday(day) - date::Monday);
      return {monday, monday + date::weeks(1)};
    }
    case Align::kMonth: {
      const date::year_month month = date.year() / date.month();
      return {date::local_days(month / 1), date::local_days((month + date::months(1)) / 1)};
    }
    case Align::kYear:
      return {date::local_days(date.year() / 1 / 1), date::local_days((date.year() + date::years(1)) / 1 / 1)};
    case Align::kNone:
      break;
  }
  assertion_failed("a calendar window has a unit", __FILE__, __LINE__);
}

CalendarUnit unit_of(const date::time_zone& zone, Align align, WallTime time) {
  const auto begins = [&zone](date::local_days day) -> WallTime {
    return zone.to_sys(std::chrono::time_point_cast<Nanos>(day), date::choose::earliest);
  };
  LocalUnit local = local_unit(align, date::floor<date::days>(zone.to_local(time)));
  CalendarUnit unit{begins(local.begin), begins(local.end)};
  // A day may have been skipped as a whole: its unit is empty.
  while (unit.end <= time) {
    local = local_unit(align, local.end);
    unit = {unit.end, begins(local.end)};
  }
  return unit;
}

}  // namespace

bool is_known_timezone(std::string_view timezone) noexcept {
  return timezone.empty() || find_zone(timezone) != nullptr;
}

std::optional<CalendarUnit> calendar_unit(Align align, std::string_view timezone, WallTime time) noexcept {
  const date::time_zone* zone = find_zone(timezone.empty() ? "UTC" : timezone);
  if (zone == nullptr) return std::nullopt;
  try {
    return unit_of(*zone, align, time);
  } catch (const std::exception&) {
    return std::nullopt;  // its file is gone or damaged
  }
}

}  // namespace flint::base
