#pragma once

#include <array>
#include <chrono>
#include <cstddef>

/// Time in Flint is a value with one unit: nanoseconds in 64 bits, wrapped in std::chrono types so that two kinds of
/// time cannot be mixed by accident.
namespace flint {

using Nanos = std::chrono::nanoseconds;

/// What a person's clock says: UTC since 1970-01-01. Shown to users, stored for them, never used to decide.
using WallTime = std::chrono::sys_time<Nanos>;

/// Names the limiter's own time line. It starts at a reading of the wall clock and advances with the boot-time clock,
/// also from one open of a data directory to the next while the machine runs. After a restart of the machine it
/// continues with the wall clock. It never runs backward, whatever is done to the wall clock.
struct LimiterEpoch {};
using Time = std::chrono::time_point<LimiterEpoch, Nanos>;

/// One reading of both clocks of the machine.
struct ClockReading {
  WallTime wall{};
  /// Since boot, time asleep included (CLOCK_BOOTTIME). Never steps.
  Nanos boot{};
};

/// Names one boot of a machine: boot-time readings under one name lie on one time line. All zero: not known.
using BootId = std::array<std::byte, 16>;

/// Where a Limiter reads the time; it reads once per operation. Implementations are called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual ClockReading read() const noexcept = 0;
  /// Read once per open. With an unknown boot, time between two opens is taken from the wall clock alone.
  [[nodiscard]] virtual BootId boot_id() const noexcept { return {}; }
};

/// The machine's clocks. Lives as long as the process.
[[nodiscard]] const Clock& system_clock() noexcept;

}  // namespace flint
