#include "algorithm/calendar_window.h"

#include "base/arithmetic.h"
#include "base/calendar.h"

namespace flint::algorithm {
namespace {

constexpr Nanos kRetryWithoutZone = std::chrono::hours(1);

[[nodiscard]] Units left(const CalendarWindow& window, const Limit& limit) noexcept {
  return window.count < limit.rate ? limit.rate - window.count : 0;
}

[[nodiscard]] Nanos time_until_end(const CalendarWindow& window, Time now) noexcept {
  if (window.count == 0) return Nanos::zero();
  return base::saturating_nanos(base::elapsed(std::max(now, window.start), std::max(window.end, window.start)));
}

[[nodiscard]] WallTime wall(Time time, Now now) noexcept {
  return WallTime(base::saturating_add(time, now.to_wall).time_since_epoch());
}
[[nodiscard]] Time limiter_time(WallTime time, Now now) noexcept {
  return base::saturating_add(Time(time.time_since_epoch()), -now.to_wall);
}

}  // namespace

/// Where the wall clock was set back across the end of a unit, the window before has covered most of the unit that it
/// shows: the new window then lasts until the end of the next one, so that nobody gets a unit's quota twice. Where it
/// was set forward, the window before has covered a little of the unit at most, and counts as one of the unit before.
bool CalendarWindow::open(const Limit& limit, Now now) noexcept {
  const auto unit = base::calendar_unit(limit.align, limit.timezone, wall(now.time, now));
  if (!unit) return false;
  WallTime ends = unit->end;
  const WallTime covered = wall(end, now);
  if (end != Time{} && covered > unit->begin && unit->end - covered < covered - unit->begin) {
    if (const auto next = base::calendar_unit(limit.align, limit.timezone, unit->end)) ends = next->end;
  }
  *this = {now.time, std::max(limiter_time(ends, now), now.time), 0};
  return true;
}

bool CalendarWindow::bring_up_to(const Limit& limit, Now now) noexcept {
  if (count == 0) return true;
  if (end == Time{}) {
    const auto unit = base::calendar_unit(limit.align, limit.timezone, wall(start, now));
    if (!unit) return false;
    end = std::max(limiter_time(unit->end, now), start);
  }
  if (std::max(now.time, start) >= end) count = 0;
  return true;
}

Outcome CalendarWindow::decide(const Limit& limit, Units cost, Now now) const noexcept {
  FLINT_ASSERT(cost >= 1 && cost <= limit.capacity());
  now.time = std::max(now.time, start);
  CalendarWindow window = *this;
  if (!window.bring_up_to(limit, now) || (window.count == 0 && !window.open(limit, now))) {
    return {{false, 0, kRetryWithoutZone, kRetryWithoutZone}, {}};
  }
  const Units remaining = left(window, limit);
  if (cost > remaining) {
    const Nanos wait = time_until_end(window, now.time);
    return {{false, remaining, wait, wait}, {}};
  }
  window.count += cost;
  return {{true, remaining - cost, time_until_end(window, now.time), Nanos::zero()}, window.describe(limit, now.time)};
}

/// Usage that has happened counts also where the end of its window cannot be told: that is then an hour away.
Outcome CalendarWindow::charged(const Limit& limit, Units cost, Now now) const noexcept {
  now.time = std::max(now.time, start);
  CalendarWindow window = *this;
  if (!window.bring_up_to(limit, now) || (window.count == 0 && !window.open(limit, now))) {
    window = {now.time, base::saturating_add(now.time, kRetryWithoutZone), window.count};
  }
  window.count += cost;
  return {{true, left(window, limit), time_until_end(window, now.time), Nanos::zero()},
          window.describe(limit, now.time)};
}

void CalendarWindow::consume(const Limit& limit, Units cost, Now now, const Outcome& allowed) noexcept {
  FLINT_ASSERT(allowed.allowed);
  const bool restored = restore(allowed.after, limit, cost, std::max(now.time, start));
  FLINT_ASSERT(restored);
}

Amount CalendarWindow::give_back(const Limit& limit, Amount amount, Time charged_at, Time now) noexcept {
  Units units = whole_units(amount);
  units = std::min(units, in_use(limit, now).cost);
  if (charged_at < start) return 0;
  count -= units;
  return units;
}

View CalendarWindow::view(const Limit& limit, Now now) const noexcept {
  now.time = std::max(now.time, start);
  CalendarWindow window = *this;
  if (!window.bring_up_to(limit, now)) return {0, kRetryWithoutZone};
  return {left(window, limit), time_until_end(window, now.time)};
}

Run CalendarWindow::in_use(const Limit&, Time now) const noexcept {
  now = std::max(now, start);
  return {now, end != Time{} && now >= end ? 0 : count};
}

RecordedState CalendarWindow::describe(const Limit&, Time at) const noexcept {
  return {kCalendarWindow, base::elapsed(start, std::max(at, start)), count,
          end == Time{} ? 0 : base::elapsed(start, std::max(end, start))};
}

bool CalendarWindow::restore(const RecordedState& after, const Limit& limit, Units, Time at) noexcept {
  if (after.first > base::elapsed(Time{}, std::max(at, Time{}))) return false;
  start = at - Nanos(static_cast<std::int64_t>(after.first));
  if (after.third > static_cast<std::uint64_t>((Time::max() - start).count())) return false;
  end = after.third == 0 ? Time{} : start + Nanos(static_cast<std::int64_t>(after.third));
  count = after.second;
  return is_valid(limit);
}

void CalendarWindow::encode(base::Writer& out) const noexcept {
  out.fixed(start.time_since_epoch().count());
  out.fixed(end.time_since_epoch().count());
  out.varint(count);
}

bool CalendarWindow::decode(base::Reader& in, const Limit& limit) noexcept {
  start = Time(Nanos(in.fixed<std::int64_t>()));
  end = Time(Nanos(in.fixed<std::int64_t>()));
  count = in.varint();
  return in.ok() && is_limiter_time(start) && end >= Time{} && is_valid(limit);
}

}  // namespace flint::algorithm
