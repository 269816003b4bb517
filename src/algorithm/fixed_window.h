#pragma once

#include <algorithm>

#include "algorithm/verdict.h"
#include "base/coding.h"
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
  /// Units in the window; 0: there is none. More than the rate is a debt.
  Units count = 0;

  [[nodiscard]] static FixedWindow fresh(Time now) noexcept { return {now, 0}; }
  [[nodiscard]] static FixedWindow holding(Run in_use, const Limit& limit) noexcept;

  [[nodiscard]] Outcome decide(const Limit& limit, Units cost, Time now) const noexcept;
  [[nodiscard]] Outcome charged(const Limit& limit, Units cost, Time now) const noexcept;
  void consume(const Limit& limit, Units cost, Time now, const Outcome& allowed) noexcept;
  /// Gives back at most `amount` units of what was charged at `charged_at`, as far as they are still in use; returns
  /// how many those were.
  Amount give_back(const Limit& limit, Amount amount, Time charged_at, Time now) noexcept;
  [[nodiscard]] View view(const Limit& limit, Time now) const noexcept;
  /// What is_fresh_window() asks, for less than a view.
  [[nodiscard]] bool is_fresh(const Limit& limit, Time now) const noexcept {
    return current(now, limit.per).count == 0;
  }

  /// The same window at `now`, or, when that has ended, none.
  [[nodiscard]] FixedWindow current(Time now, Nanos per) const noexcept;
  [[nodiscard]] Run in_use(const Limit& limit, Time now) const noexcept;
  /// Whether a changed limit leaves the window as it is, but for the units that are too many.
  [[nodiscard]] static bool stays(const Limit& from, const Limit& to) noexcept { return from.per == to.per; }
  [[nodiscard]] FixedWindow reconfigured(const Limit& from, const Limit& to, Time now) const noexcept;

  /// Whether this is a state that `limit` can lead to; what is read from disk must be checked before it is used.
  [[nodiscard]] bool is_valid(const Limit&) const noexcept { return count <= kMaxUnits; }

  /// In a record: first is the age of the window at the event in ns, second `count`.
  [[nodiscard]] RecordedState describe(const Limit& limit, Time at) const noexcept;
  [[nodiscard]] bool restore(const RecordedState& after, const Limit& limit, Units cost, Time at) noexcept;

  /// In a snapshot: 8 bytes start, varint count.
  void encode(base::Writer& out) const noexcept;
  [[nodiscard]] bool decode(base::Reader& in, const Limit& limit) noexcept;
  [[nodiscard]] Time seen(Time now) const noexcept { return std::max(now, start); }

  friend bool operator==(const FixedWindow&, const FixedWindow&) = default;
};

}  // namespace flint::algorithm
