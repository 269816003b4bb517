#include "algorithm/fixed_window.h"

#include <algorithm>

#include "base/arithmetic.h"

namespace flint::algorithm {
namespace {

[[nodiscard]] Units left(const FixedWindow& window, const Limit& limit) noexcept {
  return window.count < limit.rate ? limit.rate - window.count : 0;
}

/// How long a window that has not ended goes on.
[[nodiscard]] Nanos time_until_end(const FixedWindow& window, const Limit& limit, Time now) noexcept {
  if (window.count == 0) return Nanos::zero();
  return limit.per - base::saturating_nanos(base::elapsed(window.start, std::max(now, window.start)));
}

}  // namespace

FixedWindow FixedWindow::holding(Run in_use, const Limit&) noexcept { return {in_use.time, in_use.cost}; }

/// A window that has ended is forgotten only when somebody asks, and a window starts with a grant: so a key that is not
/// used costs nothing, and its next window is as long as every other one.
FixedWindow FixedWindow::current(Time now, Nanos per) const noexcept {
  now = std::max(now, start);
  // Not `now < start + per`, which overflows at the end of time.
  const bool ended = base::elapsed(start, now) >= static_cast<std::uint64_t>(per.count());
  return ended || count == 0 ? fresh(now) : *this;
}

Outcome FixedWindow::decide(const Limit& limit, Units cost, Time now) const noexcept {
  FLINT_ASSERT(cost >= 1 && cost <= limit.capacity());
  FixedWindow window = current(now, limit.per);
  const Units remaining = left(window, limit);
  if (cost > remaining) {
    const Nanos wait = time_until_end(window, limit, now);
    return {{false, remaining, wait, wait}, {}};
  }
  window.count += cost;
  const Nanos reset_after = time_until_end(window, limit, now);
  return {{true, remaining - cost, reset_after, Nanos::zero()}, window.describe(limit, now)};
}

Outcome FixedWindow::charged(const Limit& limit, Units cost, Time now) const noexcept {
  FixedWindow window = current(now, limit.per);
  window.count += cost;
  return {{true, left(window, limit), time_until_end(window, limit, now), Nanos::zero()}, window.describe(limit, now)};
}

void FixedWindow::consume(const Limit& limit, Units, Time now, const Outcome& allowed) noexcept {
  FLINT_ASSERT(allowed.allowed);
  *this = current(now, limit.per);
  count = allowed.after.second;
}

Amount FixedWindow::give_back(const Limit& limit, Amount amount, Time charged_at, Time now) noexcept {
  Units units = whole_units(amount);
  *this = current(now, limit.per);
  if (charged_at < start) return 0;
  units = std::min(units, count);
  count -= units;
  return units;
}

View FixedWindow::view(const Limit& limit, Time now) const noexcept {
  const FixedWindow window = current(now, limit.per);
  return {left(window, limit), time_until_end(window, limit, now)};
}

Run FixedWindow::in_use(const Limit& limit, Time now) const noexcept {
  return {std::max(now, start), current(now, limit.per).count};
}

FixedWindow FixedWindow::reconfigured(const Limit&, const Limit& to, Time) const noexcept {
  return {start, std::min(count, to.rate)};
}

RecordedState FixedWindow::describe(const Limit&, Time at) const noexcept {
  return {Algorithm::kFixedWindowCounter, base::elapsed(start, std::max(at, start)), count};
}

bool FixedWindow::restore(const RecordedState& after, const Limit& limit, Units, Time at) noexcept {
  if (after.first > static_cast<std::uint64_t>(at.time_since_epoch().count())) return false;
  *this = {at - Nanos(static_cast<std::int64_t>(after.first)), after.second};
  return is_valid(limit);
}

void FixedWindow::encode(base::Writer& out) const noexcept {
  out.fixed(start.time_since_epoch().count());
  out.varint(count);
}

bool FixedWindow::decode(base::Reader& in, const Limit& limit) noexcept {
  start = Time(Nanos(in.fixed<std::int64_t>()));
  count = in.varint();
  return in.ok() && is_limiter_time(start) && is_valid(limit);
}

}  // namespace flint::algorithm
