#pragma once

#include "algorithm/verdict.h"
#include "flint/limit.h"

namespace flint::algorithm {

/// Counts in windows of length per: [start, start + per). A window starts with the first allowed check after the last
/// one ended, not at multiples of per: a key's first window is as long as every other one.
///
/// Bound: at most rate units in a window, so at most 2 * rate in any interval of length per (across a boundary).
///
/// The classic counter of the field; the simplest, and the smallest state.
struct FixedWindow {
  /// When the window started; with count 0, the time that the state has seen.
  Time start{};
  /// Units in the window; 0: there is none. More than the rate only where 0.1.0 left it so.
  Units count = 0;

  [[nodiscard]] static FixedWindow fresh(Time now) noexcept { return {now, 0}; }

  [[nodiscard]] Verdict decide(const Limit& limit, Units cost, Time now) const noexcept;
  void consume(const Limit& limit, Units cost, Time now) noexcept;
  [[nodiscard]] View view(const Limit& limit, Time now) const noexcept;

  /// The same window at `now`, or, when that has ended, none.
  [[nodiscard]] FixedWindow current(Time now, Nanos per) const noexcept;

  /// Whether this is a state that a limit can lead to; what is read from disk must be checked before it is used.
  [[nodiscard]] bool is_valid() const noexcept { return count <= kMaxUnits; }

  friend bool operator==(const FixedWindow&, const FixedWindow&) = default;
};

}  // namespace flint::algorithm
