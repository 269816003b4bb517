#pragma once

#include <algorithm>

#include "algorithm/verdict.h"
#include "base/coding.h"
#include "flint/limit.h"

namespace flint::algorithm {

/// Counts in windows of length per, and counts the window before by the part of it that the last `per` still overlaps:
///
///     in use = count + ceil(before * (per - age) / per),   age = now - start
///
/// A window starts with the first allowed check when nothing is in use, and else where the one before ended: usage
/// fades, and never vanishes at a boundary as that of a fixed window does. Two counts, whatever the rate.
///
/// Bound: over any interval of length t, at most rate + floor(rate * t / per) units pass; so never 2 * rate at once.
/// Proof: let the last grant of the interval be at age e of its window. Right after it, count + before * (1 - e/per) <=
/// rate, for rounding up only adds. If the interval begins in this window, count <= rate is all of it. Else it holds
/// count, some k >= 0 whole windows before, of which the last one is `before` if k > 0, and a part of the window in
/// front of those (which is `before` if k = 0); no window holds more than rate, and t >= e + k * per. So it holds at
/// most rate + before * e/per for k = 0, and rate + before * e/per + k * rate for k > 0: both are at most rate + rate *
/// t/per. Windows that do not touch are more than per apart, which only makes t longer.
///
/// The weighted counter of the field (L. Kolesnikov, "How we built rate limiting capable of scaling to millions of
/// domains", Cloudflare 2017), in exact integers.
struct SlidingCounter {
  /// When the window started; with nothing in use, the time that the state has seen.
  Time start{};
  /// Units in this window.
  Units count = 0;
  /// Units in the window right before this one.
  Units before = 0;

  [[nodiscard]] static SlidingCounter fresh(Time now) noexcept { return {now, 0, 0}; }
  [[nodiscard]] static SlidingCounter holding(Run in_use, const Limit& limit) noexcept;

  [[nodiscard]] Outcome decide(const Limit& limit, Units cost, Time now) const noexcept;
  [[nodiscard]] Outcome charged(const Limit& limit, Units cost, Time now) const noexcept;
  void consume(const Limit& limit, Units cost, Time now, const Outcome& allowed) noexcept;
  /// Gives back at most `amount` units of what was charged at `charged_at`, as far as they are still in use; returns
  /// how many those were.
  Amount give_back(const Limit& limit, Amount amount, Time charged_at, Time now) noexcept;
  [[nodiscard]] View view(const Limit& limit, Time now) const noexcept;

  /// The same counts with `start` as that of the window of `now`.
  [[nodiscard]] SlidingCounter current(Time now, Nanos per) const noexcept;
  [[nodiscard]] Run in_use(const Limit& limit, Time now) const noexcept;
  /// Whether a changed limit leaves the counts as they are, but for the units that are too many.
  [[nodiscard]] static bool stays(const Limit& from, const Limit& to) noexcept { return from.per == to.per; }
  [[nodiscard]] SlidingCounter reconfigured(const Limit& from, const Limit& to, Time now) const noexcept;

  /// Whether this is a state that `limit` can lead to; what is read from disk must be checked before it is used.
  [[nodiscard]] bool is_valid(const Limit&) const noexcept { return count <= kMaxUnits && before <= kMaxUnits; }

  /// In a record: first is the age of the window at the event in ns, second `count`, third `before`.
  [[nodiscard]] RecordedState describe(const Limit& limit, Time at) const noexcept;
  [[nodiscard]] bool restore(const RecordedState& after, const Limit& limit, Units cost, Time at) noexcept;

  /// In a snapshot: 8 bytes start, varint count, varint before.
  void encode(base::Writer& out) const noexcept;
  [[nodiscard]] bool decode(base::Reader& in, const Limit& limit) noexcept;
  [[nodiscard]] Time seen(Time now) const noexcept { return std::max(now, start); }

  friend bool operator==(const SlidingCounter&, const SlidingCounter&) = default;
};

}  // namespace flint::algorithm
