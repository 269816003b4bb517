#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "flint/status.h"
#include "flint/time.h"

namespace flint {

/// Counts of what is limited: rates, bursts, costs. From 1 to kMaxUnits wherever a user gives one.
using Units = std::uint64_t;

inline constexpr Units kMaxUnits = Units{1} << 40;
inline constexpr Nanos kMinPeriod = std::chrono::milliseconds(1);
inline constexpr Nanos kMaxPeriod = std::chrono::hours(24) * 366;
inline constexpr std::size_t kMaxKeyBytes = 512;
inline constexpr std::size_t kMaxCheckAllItems = 128;

/// How a limit is enforced. The values are stored on disk and never change meaning.
enum class Algorithm : std::uint8_t {
  /// A bucket of `burst` tokens (default `rate`), refilled continuously at `rate` per `per`.
  /// Bound: over any interval t, at most burst + floor(rate * t / per) units pass.
  kTokenBucket = 1,
  /// At most `rate` units in any window (now - per, now].
  kSlidingWindowLog = 2,
  /// At most `rate` units in a window that starts at the first allowed check after the last window ended.
  /// Bound: `rate` in a window, 2 * rate across a boundary.
  kFixedWindowCounter = 3,
};

/// `token_bucket`, `sliding_window_log`, `fixed_window_counter`. Static storage.
[[nodiscard]] std::string_view algorithm_name(Algorithm algorithm) noexcept;
/// Nothing when `name` is none of the three.
[[nodiscard]] std::optional<Algorithm> parse_algorithm(std::string_view name) noexcept;

/// The rule for a key.
struct Limit {
  Units rate = 0;
  /// A whole number of milliseconds from kMinPeriod to kMaxPeriod.
  Nanos per{};
  Algorithm algorithm = Algorithm::kTokenBucket;
  /// Token bucket only: the capacity. Absent means `rate`; giving one with another algorithm is an error.
  std::optional<Units> burst = std::nullopt;

  /// The most that can pass at once: `burst` or `rate` of a token bucket, else `rate`.
  [[nodiscard]] constexpr Units capacity() const noexcept { return burst.value_or(rate); }
  friend bool operator==(const Limit&, const Limit&) = default;
};

/// Ok, or kInvalidArgument with a sentence that names the field (`rate`, `per`, `burst`, `algorithm`) and what is
/// allowed.
Status validate_limit(const Limit& limit);

/// Ok if `key` is 1 to kMaxKeyBytes bytes of valid UTF-8 without control characters (C0, DEL, C1) and not all blank.
Status validate_key(std::string_view key);

/// `250ms`, `10s`, `1m`, `1h`, `1d`; a bare integer means seconds. kInvalidArgument outside kMinPeriod..kMaxPeriod.
Result<Nanos> parse_period(std::string_view text);

}  // namespace flint
