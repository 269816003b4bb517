#pragma once

#include <algorithm>

#include "algorithm/verdict.h"
#include "base/coding.h"
#include "flint/limit.h"

namespace flint::algorithm {

/// The state of a concurrency limit, which holds nothing: the slots that are taken are those of the key's reservations,
/// and end by their time alone. So this answers for a key without any, and only reservations ask for slots.
struct Slots {
  /// The time that the state has seen.
  Time at{};

  [[nodiscard]] static Slots holding(Run in_use, const Limit&) noexcept { return {in_use.time}; }

  [[nodiscard]] Outcome decide(const Limit& limit, Units cost, Time now) const noexcept {
    return {{true, limit.rate - cost, {}, {}}, describe(limit, seen(now))};
  }
  [[nodiscard]] Outcome charged(const Limit& limit, Units, Time now) const noexcept {
    return {{true, limit.rate, {}, {}}, describe(limit, seen(now))};
  }
  void consume(const Limit&, Units, Time now, const Outcome&) noexcept { at = seen(now); }
  [[nodiscard]] View view(const Limit& limit, Time) const noexcept { return {limit.rate, {}}; }
  [[nodiscard]] Run in_use(const Limit&, Time now) const noexcept { return {seen(now), 0}; }
  Amount give_back(const Limit&, Amount, Time, Time) noexcept { return 0; }
  [[nodiscard]] static bool stays(const Limit&, const Limit&) noexcept { return true; }
  [[nodiscard]] Slots reconfigured(const Limit&, const Limit&, Time now) const noexcept { return {seen(now)}; }
  [[nodiscard]] bool is_valid(const Limit&) const noexcept { return true; }

  /// In a record: nothing, as two zeros.
  [[nodiscard]] RecordedState describe(const Limit&, Time) const noexcept { return {Algorithm::kConcurrency, 0, 0}; }
  [[nodiscard]] bool restore(const RecordedState& after, const Limit&, Units, Time now) noexcept {
    at = now;
    return after.first == 0 && after.second == 0;
  }

  /// In a snapshot: 8 bytes at.
  void encode(base::Writer& out) const noexcept { out.fixed(at.time_since_epoch().count()); }
  [[nodiscard]] bool decode(base::Reader& in, const Limit&) noexcept {
    at = Time(Nanos(in.fixed<std::int64_t>()));
    return in.ok() && is_limiter_time(at);
  }
  [[nodiscard]] Time seen(Time now) const noexcept { return std::max(now, at); }

  friend bool operator==(const Slots&, const Slots&) = default;
};

}  // namespace flint::algorithm
