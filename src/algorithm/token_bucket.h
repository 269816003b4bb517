#pragma once

#include <algorithm>
#include <cstdint>

#include "algorithm/verdict.h"
#include "base/coding.h"
#include "flint/limit.h"

namespace flint::algorithm {

/// A bucket of `capacity` tokens that is refilled continuously at rate / per, and never beyond full.
///
/// Bound: over any interval of length t, at most capacity + floor(rate * t / per) units pass.
///
/// From J. Turner, "New Directions in Communications (or Which Way to the Information Age?)", IEEE Communications
/// Magazine 24(10), 1986 (the leaky bucket as a meter), here in exact integers: what is short of a whole token is kept
/// as a count of rate-nanoseconds, so that nothing is lost however often the bucket is refilled.
///
/// The state says what is in use, not what is left: it then means the same under every burst.
struct TokenBucket {
  /// Up to when the refill is accounted for.
  Time updated_at{};
  /// Tokens that are missing, the one that is being refilled included.
  /// More than the capacity is a debt.
  Units used = 0;
  /// How far that one is refilled, in 1/per of a token with `per` in nanoseconds. Less than per; 0 when used is 0.
  std::uint64_t fraction = 0;

  [[nodiscard]] static TokenBucket fresh(Time now) noexcept { return {now, 0, 0}; }
  [[nodiscard]] static TokenBucket holding(Run in_use, const Limit& limit) noexcept;

  [[nodiscard]] Outcome decide(const Limit& limit, Units cost, Time now) const noexcept;
  [[nodiscard]] Outcome charged(const Limit& limit, Units cost, Time now) const noexcept;
  void consume(const Limit& limit, Units cost, Time now, const Outcome& allowed) noexcept;
  /// Gives back at most `amount`, in 1/per of a token; returns how much of it was in use. How much of a charge still is
  /// in use is the caller's to know: a refill works off the oldest ones first, whoever took them.
  Amount give_back(const Limit& limit, Amount amount, Time charged_at, Time now) noexcept;
  /// What is in use exactly, in 1/per of a token.
  [[nodiscard]] Amount exactly_in_use(const Limit& limit, Time now) const noexcept;
  [[nodiscard]] View view(const Limit& limit, Time now) const noexcept;
  /// What is_fresh_window() asks, without the divisions of a view.
  [[nodiscard]] bool is_fresh(const Limit& limit, Time now) const noexcept {
    return used == 0 || refilled(limit, now).used == 0;
  }

  /// The same bucket at `now`, under the same limit.
  [[nodiscard]] TokenBucket refilled(const Limit& limit, Time now) const noexcept;
  [[nodiscard]] Run in_use(const Limit& limit, Time now) const noexcept;
  /// Whether a changed limit leaves the bucket as it is, but for the units that are too many.
  [[nodiscard]] static bool stays(const Limit&, const Limit&) noexcept { return true; }
  /// The same bucket under another limit: what is in use stays in use, up to the capacity; `fraction` is rounded down
  /// to 1/to.per.
  [[nodiscard]] TokenBucket reconfigured(const Limit& from, const Limit& to, Time now) const noexcept;

  /// Whether this is a state that `limit` can lead to; what is read from disk must be checked before it is used.
  [[nodiscard]] bool is_valid(const Limit& limit) const noexcept;

  /// In a record at the time of `updated_at`: first is `used`, second `fraction`.
  [[nodiscard]] RecordedState describe() const noexcept { return {Algorithm::kTokenBucket, used, fraction}; }
  [[nodiscard]] RecordedState describe(const Limit& limit, Time at) const noexcept;
  [[nodiscard]] bool restore(const RecordedState& after, const Limit& limit, Units cost, Time at) noexcept;

  /// In a snapshot: 8 bytes updated_at, varint used, varint fraction.
  void encode(base::Writer& out) const noexcept;
  [[nodiscard]] bool decode(base::Reader& in, const Limit& limit) noexcept;
  [[nodiscard]] Time seen(Time now) const noexcept { return std::max(now, updated_at); }

  friend bool operator==(const TokenBucket&, const TokenBucket&) = default;
};

}  // namespace flint::algorithm
