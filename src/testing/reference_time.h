#pragma once

#include <algorithm>
#include <optional>

#include "limiter/moment.h"
#include "testing/engine_fixture.h"

namespace flint::testing {

/// The time line of the reference limiter: it never runs backward, also across opens.
class ReferenceTime {
 public:
  explicit ReferenceTime(const FakeClock& clock) : clock_(&clock) {}

  /// From the next open on, `clock` is that of the machine.
  void use(const FakeClock& clock) { clock_ = &clock; }
  void open() {
    const ClockReading reading = clock_->read();
    boot_ = reading.boot;
    origin_ = std::max(Time(reading.wall.time_since_epoch() + ahead_), persisted_);
    if (anchor_ && anchor_->boot == clock_->boot_id() && anchor_->at_boot + reading.boot >= persisted_) {
      origin_ = anchor_->at_boot + reading.boot;
    }
    time_ = origin_;
  }

  [[nodiscard]] limiter::Moment now() {
    const ClockReading reading = clock_->read();
    time_ = std::max(time_, origin_ + (reading.boot - boot_));
    const Nanos offset = reading.wall.time_since_epoch() - time_.time_since_epoch();
    return {time_, WallTime(time_.time_since_epoch() + std::chrono::floor<std::chrono::milliseconds>(offset))};
  }

  /// What an event lets a later open know of the time.
  void note(const limiter::Moment& at) {
    persisted_ = at.time;
    if (jumped(at)) ahead_ = ahead(at);
    if (clock_->boot_id() != BootId{}) anchor_ = {clock_->boot_id(), origin_ - boot_};
  }
  [[nodiscard]] bool jumped(const limiter::Moment& at) const {
    return std::chrono::abs(ahead(at) - ahead_) >= std::chrono::seconds(1);
  }

 private:
  static Nanos ahead(const limiter::Moment& at) {
    return std::max(at.time.time_since_epoch() - at.wall.time_since_epoch() - std::chrono::milliseconds(1), Nanos(0));
  }

  const FakeClock* clock_;
  Time persisted_{};
  /// How far the limiter's time is ahead of the wall clock, as far as the log knows.
  Nanos ahead_{};
  /// In this boot, time is `at_boot` plus what the boot-time clock says.
  struct Anchor {
    BootId boot;
    Time at_boot;
  };
  std::optional<Anchor> anchor_;
  Time origin_{};
  Time time_{};
  Nanos boot_{};
};

}  // namespace flint::testing
