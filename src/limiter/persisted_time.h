#pragma once

#include <algorithm>
#include <chrono>

#include "limiter/event_codec.h"

namespace flint::limiter {

/// Smaller steps of the wall clock are not called jumps: a time service makes them every day.
inline constexpr Nanos kClockJump = std::chrono::seconds(1);

/// What the log says of the limiter's time. The engine keeps it as replay does, event by event, so that both agree on
/// where time continues at the next open.
struct PersistedTime {
  /// Of the newest event.
  Time last{};
  /// How far the limiter's time is ahead of the wall clock since that was set back; 0 when it is not. Where the boot is
  /// another one, time continues at the wall clock plus this.
  Nanos ahead{};
  /// A reading of the boot-time clock at `anchored_at`. In the same boot, time continues by that clock alone.
  BootTime anchor;
  Time anchored_at{};

  /// Rounded down, also what Moment rounds: time that did not pass is never added.
  [[nodiscard]] static Nanos ahead_at(const Moment& at) noexcept {
    constexpr Nanos kRounded = std::chrono::milliseconds(1);
    return std::max(at.time.time_since_epoch() - at.wall.time_since_epoch() - kRounded, Nanos(0));
  }

  /// Whether the wall clock jumped since the newest event.
  [[nodiscard]] bool jumped(const Moment& at) const noexcept {
    const Nanos by = ahead_at(at) - ahead;
    return by >= kClockJump || by <= -kClockJump;
  }

  /// An event at `at`.
  void note(const Moment& at) noexcept {
    last = at.time;
    if (jumped(at)) ahead = ahead_at(at);
  }
  /// An event at `at` that holds a reading of the boot-time clock.
  void note_anchor(const Moment& at, const BootTime& boot) noexcept {
    anchor = boot;
    anchored_at = at.time;
  }
};

}  // namespace flint::limiter
