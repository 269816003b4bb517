#include "algorithm/sliding_counter.h"

#include <algorithm>

#include "base/arithmetic.h"

namespace flint::algorithm {
namespace {

[[nodiscard]] std::uint64_t ticks(Nanos per) noexcept { return static_cast<std::uint64_t>(per.count()); }

/// Of a window that current() returned, which has not ended: less than per.
[[nodiscard]] std::uint64_t age(const SlidingCounter& window, Time now) noexcept {
  return base::elapsed(window.start, std::max(now, window.start));
}

/// What `units` of a window count when `overlap` of it is left.
[[nodiscard]] Units weighted(Units units, std::uint64_t overlap, Nanos per) noexcept {
  static_assert(kMaxUnits <= Units{1} << 40, "a period is below 2^55 ns: no product comes near 2^128");
  return static_cast<Units>(base::div_ceil(base::multiply(units, overlap), ticks(per)));
}

[[nodiscard]] Units used(const SlidingCounter& window, const Limit& limit, Time now) noexcept {
  if (window.before == 0) return window.count;
  return window.count + weighted(window.before, ticks(limit.per) - age(window, now), limit.per);
}

[[nodiscard]] Units left(Units used, const Limit& limit) noexcept { return used < limit.rate ? limit.rate - used : 0; }

/// The longest overlap at which `units` of the window before count no more than `room`.
[[nodiscard]] std::uint64_t overlap_for(Units units, Units room, Nanos per) noexcept {
  const base::Uint128 overlap = base::div_floor(base::multiply(room, ticks(per)), units);
  return static_cast<std::uint64_t>(std::min<base::Uint128>(overlap, ticks(per)));
}

[[nodiscard]] Nanos nanos(std::uint64_t count) noexcept { return Nanos(static_cast<std::int64_t>(count)); }

/// Until both counts are gone.
[[nodiscard]] Nanos time_until_empty(const SlidingCounter& window, const Limit& limit, Time now) noexcept {
  if (window.count == 0 && window.before == 0) return Nanos::zero();
  const std::uint64_t windows = window.count > 0 ? 2 : 1;
  return nanos(windows * ticks(limit.per) - age(window, now));
}

/// Until `cost`, which is denied now, fits: in this window, once enough of the one before has faded, or else in the
/// next one, which has this one before it.
[[nodiscard]] Nanos time_until_room(const SlidingCounter& window, const Limit& limit, Units cost, Time now) noexcept {
  const std::uint64_t overlap = ticks(limit.per) - age(window, now);
  const Units within = window.count + cost;
  if (within <= limit.rate) return nanos(overlap - overlap_for(window.before, limit.rate - within, limit.per));
  return nanos(overlap + ticks(limit.per) - overlap_for(window.count, limit.rate - cost, limit.per));
}

}  // namespace

SlidingCounter SlidingCounter::holding(Run in_use, const Limit&) noexcept { return {in_use.time, in_use.cost, 0}; }

SlidingCounter SlidingCounter::current(Time now, Nanos per) const noexcept {
  now = std::max(now, start);
  if (count == 0 && before == 0) return fresh(now);
  // Not `now < start + per`, which overflows at the end of time.
  const std::uint64_t since = base::elapsed(start, now);
  if (since < ticks(per)) return *this;
  if (count == 0 || since - ticks(per) >= ticks(per)) return fresh(now);
  return {start + per, 0, count};
}

Outcome SlidingCounter::decide(const Limit& limit, Units cost, Time now) const noexcept {
  FLINT_ASSERT(cost >= 1 && cost <= limit.capacity());
  SlidingCounter window = current(now, limit.per);
  const Units remaining = left(used(window, limit, now), limit);
  if (cost > remaining) {
    return {{false, remaining, time_until_empty(window, limit, now), time_until_room(window, limit, cost, now)}, {}};
  }
  window.count += cost;
  return {{true, remaining - cost, time_until_empty(window, limit, now), Nanos::zero()}, window.describe(limit, now)};
}

Outcome SlidingCounter::charged(const Limit& limit, Units cost, Time now) const noexcept {
  SlidingCounter window = current(now, limit.per);
  window.count += cost;
  return {{true, left(used(window, limit, now), limit), time_until_empty(window, limit, now), Nanos::zero()},
          window.describe(limit, now)};
}

void SlidingCounter::consume(const Limit& limit, Units, Time now, const Outcome& allowed) noexcept {
  FLINT_ASSERT(allowed.allowed);
  *this = current(now, limit.per);
  count = allowed.after.second;
}

/// In the count that they are in: that of this window, or of the one right before it.
Amount SlidingCounter::give_back(const Limit& limit, Amount amount, Time charged_at, Time now) noexcept {
  Units units = whole_units(amount);
  *this = current(now, limit.per);
  const bool is_of_this = charged_at >= start;
  if (!is_of_this && base::elapsed(charged_at, start) > ticks(limit.per)) return 0;
  Units& charged = is_of_this ? count : before;
  units = std::min(units, charged);
  charged -= units;
  return units;
}

View SlidingCounter::view(const Limit& limit, Time now) const noexcept {
  const SlidingCounter window = current(now, limit.per);
  return {left(used(window, limit, now), limit), time_until_empty(window, limit, now)};
}

Run SlidingCounter::in_use(const Limit& limit, Time now) const noexcept {
  return {std::max(now, start), used(current(now, limit.per), limit, now)};
}

/// The oldest units go first: those of the window before, as far as they count.
SlidingCounter SlidingCounter::reconfigured(const Limit& from, const Limit& to, Time now) const noexcept {
  SlidingCounter window = current(now, from.per);
  if (used(window, to, now) <= to.rate) return *this;
  window.count = std::min(window.count, to.rate);
  const std::uint64_t overlap = ticks(to.per) - age(window, now);
  const base::Uint128 most = base::div_floor(base::multiply(to.rate - window.count, ticks(to.per)), overlap);
  window.before = static_cast<Units>(std::min<base::Uint128>(window.before, most));
  return window;
}

RecordedState SlidingCounter::describe(const Limit&, Time at) const noexcept {
  return {Algorithm::kSlidingWindowCounter, base::elapsed(start, std::max(at, start)), count, before};
}

bool SlidingCounter::restore(const RecordedState& after, const Limit& limit, Units, Time at) noexcept {
  if (after.first > static_cast<std::uint64_t>(at.time_since_epoch().count())) return false;
  *this = {at - nanos(after.first), after.second, after.third};
  return is_valid(limit);
}

void SlidingCounter::encode(base::Writer& out) const noexcept {
  out.fixed(start.time_since_epoch().count());
  out.varint(count);
  out.varint(before);
}

bool SlidingCounter::decode(base::Reader& in, const Limit& limit) noexcept {
  start = Time(Nanos(in.fixed<std::int64_t>()));
  count = in.varint();
  before = in.varint();
  return in.ok() && is_limiter_time(start) && is_valid(limit);
}

}  // namespace flint::algorithm
