#pragma once

#include <algorithm>

#include "base/arithmetic.h"
#include "flint/time.h"
#include "limiter/event_codec.h"

namespace flint::limiter {

/// The limiter's own time: the later of the wall clock and the last persisted time at open, then advanced by the
/// boot-time clock. A wall clock that is set back freezes nothing, one that is set forward grants nothing. Threads:
/// guarded by the owner's mutex; with it, times are handed out in the order in which they are used.
class LimiterClock {
 public:
  LimiterClock(const Clock& clock, Time last_persisted) : clock_(clock) {
    const ClockReading reading = read();
    origin_boot_ = reading.boot;
    now_ = origin_ = std::max(Time(reading.wall.time_since_epoch()), last_persisted);
    origin_offset_ = reading.wall.time_since_epoch() - origin_.time_since_epoch();
  }

  /// Reads the clock, once. The wall clock is taken as a whole number of milliseconds from the limiter's time: that is
  /// what the log keeps of it, so that a time shown before a restart is shown again after it.
  [[nodiscard]] Moment now() noexcept {
    const ClockReading reading = read();
    now_ = std::max(now_, std::min(base::saturating_add(origin_, reading.boot - origin_boot_), kLatestTime));
    const Nanos offset = reading.wall.time_since_epoch() - now_.time_since_epoch();
    return {now_, WallTime(now_.time_since_epoch() + std::chrono::floor<std::chrono::milliseconds>(offset))};
  }

  /// How far the wall clock was behind the last persisted time at open; 0 when it was not.
  [[nodiscard]] Nanos behind_at_open() const noexcept { return -std::min(origin_offset_, Nanos(0)); }
  /// How far the wall clock was set forward (or, negative, back) since open.
  [[nodiscard]] Nanos jumped_since_open(const Moment& at) const noexcept {
    return at.wall.time_since_epoch() - at.time.time_since_epoch() - origin_offset_;
  }

 private:
  /// What the log cannot hold is not believed, nor that the machine has yet to boot: differences of what is left fit.
  [[nodiscard]] ClockReading read() const noexcept {
    const ClockReading reading = clock_.read();
    return {std::clamp(reading.wall, WallTime{}, kLatestWall), std::max(reading.boot, Nanos(0))};
  }

  const Clock& clock_;
  Time origin_{};
  Nanos origin_boot_{};
  Nanos origin_offset_{};
  Time now_{};
};

}  // namespace flint::limiter
