#pragma once

#include "algorithm/now.h"
#include "algorithm/recorded_state.h"
#include "flint/time.h"

/// What a limiter notes of time.
namespace flint::limiter {

/// The latest wall clock that the limiter goes along with, in 2116, 73 years of running before the end of its own time.
/// Beyond these bounds a clock that is set to the end of time could have records written that nothing reads back.
using algorithm::kMaxTime;
inline constexpr WallTime kMaxWallTime{Nanos(std::int64_t{1} << 62)};

/// Wall times that a limiter logs are whole milliseconds before or at the reading of the clock.
[[nodiscard]] constexpr bool is_wall_time(WallTime wall) noexcept {
  return wall >= WallTime{} - std::chrono::milliseconds(1) && wall <= kMaxWallTime;
}

/// One instant on both time lines: `time` from 0 to kMaxTime, `wall` from 0 (less a millisecond) to kMaxWallTime.
struct Moment {
  Time time{};
  WallTime wall{};
};

/// For the algorithms.
[[nodiscard]] inline algorithm::Now present(const Moment& at) noexcept { return {at.time, at.wall}; }

/// A reading of the boot-time clock, and the boot in which it was read.
struct BootTime {
  BootId boot{};
  /// From 0 on.
  Nanos reading{};

  [[nodiscard]] bool known() const noexcept { return boot != BootId{}; }

  friend bool operator==(const BootTime&, const BootTime&) = default;
};

}  // namespace flint::limiter
