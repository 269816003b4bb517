#pragma once

#include <algorithm>
#include <vector>

#include "base/arithmetic.h"
#include "flint/doctor.h"
#include "flint/time.h"
#include "limiter/persisted_time.h"

namespace flint::limiter {

/// The limiter's own time. While the machine runs it follows the boot-time clock, also from one open to the next, so
/// the wall clock may be set to anything. At the first open after a restart of the machine it continues with the wall
/// clock; one that was set back freezes nothing (the log holds by how much), one that was set forward refills at most
/// to capacity. Threads: guarded by the owner's mutex; with it, times are handed out in the order in which they are
/// used.
class LimiterClock {
 public:
  LimiterClock(const Clock& clock, const PersistedTime& persisted);

  /// Reads the clock, once. The wall clock is taken as a whole number of milliseconds from the limiter's time: that is
  /// what the log keeps of it, so that a time shown before a restart is shown again after it.
  [[nodiscard]] Moment now() noexcept {
    const ClockReading reading = read();
    now_ = std::max(now_, std::min(base::saturating_add(origin_, reading.boot - origin_boot_), kMaxTime));
    const Nanos offset = reading.wall.time_since_epoch() - now_.time_since_epoch();
    return {now_, WallTime(now_.time_since_epoch() + std::chrono::floor<std::chrono::milliseconds>(offset))};
  }

  /// The boot-time clock at `at`, which now() returned, in the boot of this process.
  [[nodiscard]] BootTime boot_time(const Moment& at) const noexcept {
    return {boot_, origin_boot_ + (at.time - origin_)};
  }
  /// Whether the log holds a reading of the boot-time clock from which the next open can continue. True as well if
  /// there is none to hold: the boot is not known.
  [[nodiscard]] bool anchored() const noexcept { return anchored_; }
  void set_anchored() noexcept { anchored_ = true; }

  /// How far the wall clock was behind the last persisted time at open, if time did not go by the boot-time clock.
  [[nodiscard]] Nanos behind_at_open() const noexcept { return behind_at_open_; }
  /// How far the wall clock was set forward (or, negative, back) since open.
  [[nodiscard]] Nanos jumped_since_open(const Moment& at) const noexcept { return offset(at) - origin_offset_; }

  /// What an operator should know of jumps.
  [[nodiscard]] std::vector<Finding> findings();

 private:
  [[nodiscard]] static Nanos offset(const Moment& at) noexcept {
    return at.wall.time_since_epoch() - at.time.time_since_epoch();
  }
  /// What the log cannot hold is not believed, nor that the machine has yet to boot: differences of what is left fit.
  [[nodiscard]] ClockReading read() const noexcept {
    const ClockReading reading = clock_.read();
    return {std::clamp(reading.wall, WallTime{}, kMaxWallTime), std::max(reading.boot, Nanos(0))};
  }
  [[nodiscard]] Time start(const ClockReading& reading, const PersistedTime& persisted);

  const Clock& clock_;
  BootId boot_{};
  bool anchored_ = true;
  Time origin_{};
  Nanos origin_boot_{};
  Nanos origin_offset_{};
  Nanos behind_at_open_{};
  Time now_{};
};

}  // namespace flint::limiter
