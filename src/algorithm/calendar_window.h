#pragma once

#include <algorithm>

#include "algorithm/now.h"
#include "algorithm/verdict.h"
#include "base/coding.h"
#include "flint/limit.h"

namespace flint::algorithm {

/// Counts in a day, week, month or year of a time zone. The window opens with the first allowed check in it, and its
/// end is fixed then, in the limiter's own time: so a wall clock that is set afterwards neither ends nor prolongs it,
/// and replay needs no zone data.
///
/// Bound: at most rate units in a window, so at most 2 * rate in any interval of the length of a unit (across a
/// boundary).
struct CalendarWindow {
  /// When it opened; with count 0, the time that the state has seen.
  Time start{};
  /// Not before `start`. Time{}: not fixed yet, since what is in use came from another limit; the next check does it.
  Time end{};
  /// Units in the window; 0: none was opened. More than the rate is a debt.
  Units count = 0;

  [[nodiscard]] static CalendarWindow holding(Run in_use, const Limit&) noexcept {
    return {in_use.time, Time{}, in_use.cost};
  }

  /// Denies where a window would have to be opened, and the time zone is not known: for an hour, since nobody knows.
  [[nodiscard]] Outcome decide(const Limit& limit, Units cost, Now now) const noexcept;
  [[nodiscard]] Outcome charged(const Limit& limit, Units cost, Now now) const noexcept;
  void consume(const Limit& limit, Units cost, Now now, const Outcome& allowed) noexcept;
  /// Gives back at most `amount` units of what was charged at `charged_at`, as far as they are still in use; returns
  /// how many those were.
  Amount give_back(const Limit& limit, Amount amount, Time charged_at, Time now) noexcept;
  [[nodiscard]] View view(const Limit& limit, Now now) const noexcept;

  /// A window without an end counts whole.
  [[nodiscard]] Run in_use(const Limit& limit, Time now) const noexcept;
  /// Whether a changed limit leaves the window as it is, but for the units that are too many.
  [[nodiscard]] static bool stays(const Limit& from, const Limit& to) noexcept {
    return from.align == to.align && from.timezone == to.timezone;
  }
  [[nodiscard]] CalendarWindow reconfigured(const Limit&, const Limit& to, Time) const noexcept {
    return {start, end, std::min(count, to.rate)};
  }

  [[nodiscard]] bool is_valid(const Limit&) const noexcept {
    return count <= kMaxUnits && (end == Time{} || end >= start);
  }

  /// In a record: first is the age of the window at the event in ns, second `count`, third its length in ns, 0 while
  /// its end is not fixed.
  [[nodiscard]] RecordedState describe(const Limit& limit, Time at) const noexcept;
  [[nodiscard]] bool restore(const RecordedState& after, const Limit& limit, Units cost, Time at) noexcept;

  /// In a snapshot: 8 bytes start, 8 bytes end, varint count.
  void encode(base::Writer& out) const noexcept;
  [[nodiscard]] bool decode(base::Reader& in, const Limit& limit) noexcept;
  [[nodiscard]] Time seen(Time now) const noexcept { return std::max(now, start); }

  friend bool operator==(const CalendarWindow&, const CalendarWindow&) = default;

 private:
  /// The same window with its end fixed, if it goes on; else without units. False if the time zone is not known.
  [[nodiscard]] bool bring_up_to(const Limit& limit, Now now) noexcept;
  /// Begins a new one. False if the time zone is not known.
  [[nodiscard]] bool open(const Limit& limit, Now now) noexcept;
};

}  // namespace flint::algorithm
