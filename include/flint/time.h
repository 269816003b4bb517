#pragma once

#include <array>
#include <chrono>
#include <cstddef>

/// Time in Flint is a value with one unit: nanoseconds in 64 bits, wrapped in std::chrono types so that two kinds of
/// time cannot be mixed by accident.
namespace flint {

using Nanos = std::chrono::nanoseconds;

/// The wall-clock time: UTC since 1970-01-01. Shown to users and stored for them, never used to decide.
using WallTime = std::chrono::sys_time<Nanos>;

/// Names the limiter's own time line. It starts at a reading of the wall clock and advances with the boot-time clock,
/// including the time from one open of a data directory to the next while the machine runs. After a restart of the
/// machine, it continues with the wall clock. It never runs backward, whatever happens to the wall clock.
struct LimiterEpoch {};
using Time = std::chrono::time_point<LimiterEpoch, Nanos>;

/// One reading of both clocks of the machine.
struct ClockReading {
  WallTime wall{};
  /// The time since boot, including time asleep (CLOCK_BOOTTIME). Never steps.
  Nanos boot{};
};

/// Names one boot of a machine: boot-time readings with the same name are on one time line. All zero: not known.
using BootId = std::array<std::byte, 16>;

/// The source of a Limiter's time, read once per operation. Implementations are called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual ClockReading read() const noexcept = 0;
  /// Read once per open. If the boot is unknown, the time between two opens comes from the wall clock alone.
  [[nodiscard]] virtual BootId boot_id() const noexcept { return {}; }
};

/// The machine's clocks. The reference is valid as long as the process runs.
[[nodiscard]] const Clock& system_clock() noexcept;

}  // namespace flint
