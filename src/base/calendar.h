#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "flint/limit.h"
#include "flint/status.h"
#include "flint/time.h"

/// The calendar of a time zone, from the zone data of the machine.
namespace flint::base {

/// [begin, end).
struct CalendarUnit {
  WallTime begin{};
  WallTime end{};
};

inline constexpr std::size_t kMaxTimezoneBytes = 64;
/// Whether it may be the name of one: at most so many letters, digits, and the characters / _ + and -.
[[nodiscard]] bool is_timezone_name(std::string_view text) noexcept;
/// As validate_limit(), but for the time zones, which the machine need not know: what is on disk stays readable.
[[nodiscard]] Status validate_stored(const Limit& limit);
/// Of the same period, or the same unit of the calendar.
[[nodiscard]] bool is_same_window(const Limit& a, const Limit& b) noexcept;
/// For messages: `1m`, `a calendar month`.
[[nodiscard]] std::string window_length(const Limit& window);

/// Whether the machine knows the zone; an empty name is UTC. The first call reads which zones there are, which takes
/// some milliseconds. From any thread.
[[nodiscard]] bool is_known_timezone(std::string_view timezone) noexcept;

/// The day, week, month or year of the zone in which `time` is; `align` is not kNone. Nothing if the zone is not known.
///
/// A unit begins at midnight by the clock of the zone. Where that midnight does not exist, because the clock is set
/// forward over it, the unit begins at that moment; where it is there twice, at the first one.
[[nodiscard]] std::optional<CalendarUnit> calendar_unit(Align align, std::string_view timezone, WallTime time) noexcept;

}  // namespace flint::base
