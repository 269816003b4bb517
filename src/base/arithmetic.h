#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>

#include "base/assert.h"
#include "flint/time.h"

/// Integer arithmetic that is exact, or says that it cannot be.
namespace flint::base {

__extension__ using Uint128 = unsigned __int128;

[[nodiscard]] constexpr Uint128 multiply(std::uint64_t a, std::uint64_t b) noexcept { return Uint128{a} * b; }

[[nodiscard]] constexpr Uint128 div_floor(Uint128 dividend, std::uint64_t divisor) noexcept {
  // A 128-bit division costs several times a 64-bit one, and most dividends are small.
  if ((dividend >> 64) == 0) return static_cast<std::uint64_t>(dividend) / divisor;
  return dividend / divisor;
}

[[nodiscard]] constexpr Uint128 div_ceil(Uint128 dividend, std::uint64_t divisor) noexcept {
  const Uint128 quotient = div_floor(dividend, divisor);
  return quotient * divisor == dividend ? quotient : quotient + 1;
}

/// Nothing when the sum does not fit.
template <std::integral T>
[[nodiscard]] constexpr std::optional<T> checked_add(T a, T b) noexcept {
  T sum{};
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

/// The sum, or the end of the range that it went past.
template <std::integral T>
[[nodiscard]] constexpr T saturating_add(T a, T b) noexcept {
  if (const auto sum = checked_add(a, b)) return *sum;
  return b < T{0} ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max();
}

/// The same on a time line: what is past its end happens at its end.
template <typename Clock>
[[nodiscard]] constexpr std::chrono::time_point<Clock, Nanos> saturating_add(std::chrono::time_point<Clock, Nanos> time,
                                                                             Nanos duration) noexcept {
  return std::chrono::time_point<Clock, Nanos>(
      Nanos(saturating_add(time.time_since_epoch().count(), duration.count())));
}

/// How long after `earlier` `later` is, also when the two are further apart than Nanos can say.
template <typename Clock>
[[nodiscard]] constexpr std::uint64_t elapsed(std::chrono::time_point<Clock, Nanos> earlier,
                                              std::chrono::time_point<Clock, Nanos> later) noexcept {
  FLINT_ASSERT(earlier <= later);
  return static_cast<std::uint64_t>(later.time_since_epoch().count()) -
         static_cast<std::uint64_t>(earlier.time_since_epoch().count());
}

/// As a duration, or the longest one.
[[nodiscard]] constexpr Nanos saturating_nanos(Uint128 count) noexcept {
  constexpr std::int64_t kLongest = std::numeric_limits<std::int64_t>::max();
  return Nanos(count > static_cast<Uint128>(kLongest) ? kLongest : static_cast<std::int64_t>(count));
}

}  // namespace flint::base
