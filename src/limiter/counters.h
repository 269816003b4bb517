#pragma once

#include <cstdint>
#include <optional>

#include "base/coding.h"
#include "flint/limit.h"
#include "flint/time.h"

/// What happened to a key, counted.
namespace flint::limiter {

/// More than any limiter counts; beyond it a counter could wrap around.
inline constexpr std::uint64_t kMaxCounted = std::uint64_t{1} << 62;

/// A wall time or none, in the size of a time. Converts to what users see.
class MaybeTime {
 public:
  constexpr MaybeTime() noexcept = default;
  constexpr MaybeTime(std::nullopt_t) noexcept {}               // NOLINT(google-explicit-constructor)
  constexpr MaybeTime(WallTime time) noexcept : time_(time) {}  // NOLINT(google-explicit-constructor)
  constexpr MaybeTime(std::optional<WallTime> time) noexcept    // NOLINT(google-explicit-constructor)
      : time_(time.value_or(kNone)) {}
  [[nodiscard]] constexpr bool has_value() const noexcept { return time_ != kNone; }
  /// There is one.
  [[nodiscard]] constexpr WallTime operator*() const noexcept { return time_; }
  constexpr operator std::optional<WallTime>() const noexcept {  // NOLINT(google-explicit-constructor)
    return has_value() ? std::optional(time_) : std::nullopt;
  }
  friend constexpr bool operator==(const MaybeTime&, const MaybeTime&) noexcept = default;
  /// None is before every time.
  friend constexpr auto operator<=>(const MaybeTime&, const MaybeTime&) noexcept = default;

 private:
  /// No clock shows it: a limiter's wall times begin at 0, less a millisecond.
  static constexpr WallTime kNone = WallTime::min();
  WallTime time_ = kNone;
};

/// Denials of a key that no record holds yet.
struct Denials {
  std::uint64_t count = 0;
  std::uint64_t cost = 0;
  WallTime last{};

  friend bool operator==(const Denials&, const Denials&) = default;
};

/// What the log says of a key's past: denials that no record holds yet are not in here. Of a pattern, that of its keys
/// that are forgotten.
struct Counters {
  std::uint64_t allowed = 0;
  std::uint64_t allowed_cost = 0;
  std::uint64_t denied = 0;
  std::uint64_t denied_cost = 0;
  MaybeTime last_allowed_at;
  MaybeTime last_denied_at;
  MaybeTime last_reset_at;
  /// Checks that a limit in shadow mode allowed although they did not fit.
  std::uint64_t would_deny = 0;

  void add_allowed(Units cost, WallTime at) noexcept;
  void add_denied(const Denials& denials) noexcept;
  void add_would_deny(const Denials& denials) noexcept;
  /// Sums, and the later of the times.
  void add(const Counters& other) noexcept;

  friend bool operator==(const Counters&, const Counters&) = default;
};

/// As records and snapshots hold them; see docs/log_format.md. At most kMaxCountersBytes.
inline constexpr std::size_t kMaxCountersBytes = 5 * 10 + 1 + 3 * 8;
void write_counters(base::Writer& out, const Counters& counters) noexcept;
/// False for what no limiter writes.
[[nodiscard]] bool read_counters(base::Reader& in, Counters& counters) noexcept;

}  // namespace flint::limiter
