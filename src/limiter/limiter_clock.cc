#include "limiter/limiter_clock.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/arithmetic.h"
#include "base/period.h"

namespace flint::limiter {
namespace {

Nanos magnitude(Nanos time) noexcept { return time < Nanos(0) ? -time : time; }

}  // namespace

LimiterClock::LimiterClock(const Clock& clock, const PersistedTime& persisted) : clock_(clock), boot_(clock.boot_id()) {
  const ClockReading reading = read();
  origin_boot_ = reading.boot;
  now_ = origin_ = start(reading, persisted);
  origin_offset_ = reading.wall.time_since_epoch() - origin_.time_since_epoch();
}

Time LimiterClock::start(const ClockReading& reading, const PersistedTime& persisted) {
  const bool boot_known = boot_ != BootId{};
  if (boot_known && persisted.anchor.boot == boot_) {
    const Time by_boot = base::saturating_add(persisted.anchored_at, reading.boot - persisted.anchor.reading);
    // A machine that was put back to an earlier state still shows the same boot: its clock then proves nothing.
    if (by_boot >= persisted.last) return std::min(by_boot, kMaxTime);
  }
  anchored_ = !boot_known;
  const Time by_wall = base::saturating_add(Time(reading.wall.time_since_epoch()), persisted.ahead);
  behind_at_open_ = std::max(persisted.last - by_wall, Nanos(0));
  return std::min(std::max(by_wall, persisted.last), kMaxTime);
}

std::vector<Finding> LimiterClock::findings() {
  std::vector<Finding> findings;
  const Moment at = now();
  if (behind_at_open_ >= kClockJump) {
    findings.push_back(
        {false, fmt::format("the wall clock was {} behind the last recorded time when this directory was opened; the "
                            "limiter's time continued from the recorded one. Check the machine's time service.",
                            base::format_elapsed(behind_at_open_))});
  } else if (magnitude(origin_offset_) >= kClockJump) {
    findings.push_back(
        {false,
         fmt::format("the limiter's time is {} {} the wall clock, which was set {} before this directory was "
                     "opened; decisions do not follow it, times that are shown do.",
                     base::format_elapsed(magnitude(origin_offset_)), origin_offset_ < Nanos(0) ? "ahead of" : "behind",
                     origin_offset_ < Nanos(0) ? "back" : "forward")});
  }
  const Nanos jumped = jumped_since_open(at);
  if (magnitude(jumped) >= kClockJump) {
    findings.push_back(
        {false, fmt::format("the wall clock was set {} by {} since this directory was opened; decisions do not follow "
                            "it, times that are shown do. Check the machine's time service.",
                            jumped > Nanos(0) ? "forward" : "back", base::format_elapsed(magnitude(jumped)))});
  }
  return findings;
}

}  // namespace flint::limiter
