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

FixedWindow FixedWindow::current(Time now, Nanos per) const noexcept {
  now = std::max(now, start);
  // Not `now < start + per`, which overflows at the end of time.
  const bool ended = base::elapsed(start, now) >= static_cast<std::uint64_t>(per.count());
  return ended || count == 0 ? fresh(now) : *this;
}

Verdict FixedWindow::decide(const Limit& limit, Units cost, Time now) const noexcept {
  FLINT_ASSERT(cost >= 1 && cost <= limit.capacity());
  FixedWindow window = current(now, limit.per);
  const bool allowed = cost <= left(window, limit);
  const Nanos retry_after = allowed ? Nanos::zero() : time_until_end(window, limit, now);
  if (allowed) window.count += cost;
  return {allowed, left(window, limit), time_until_end(window, limit, now), retry_after};
}

void FixedWindow::consume(const Limit& limit, Units cost, Time now) noexcept {
  *this = current(now, limit.per);
  FLINT_ASSERT(cost >= 1 && cost <= left(*this, limit));
  count += cost;
}

View FixedWindow::view(const Limit& limit, Time now) const noexcept {
  const FixedWindow window = current(now, limit.per);
  return {left(window, limit), time_until_end(window, limit, now)};
}

}  // namespace flint::algorithm
