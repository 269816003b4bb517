#pragma once

#include "flint/time.h"

namespace flint::algorithm {

/// The present: the limiter's own time and, for what goes by the calendar, how far the wall clock is ahead of it.
struct Now {
  Time time{};
  Nanos to_wall{};

  Now(Time now) noexcept : time(now) {}  // NOLINT(google-explicit-constructor): most ask for no more
  Now(Time now, WallTime wall) noexcept : time(now), to_wall(wall.time_since_epoch() - now.time_since_epoch()) {}
  operator Time() const noexcept { return time; }  // NOLINT(google-explicit-constructor)
};

}  // namespace flint::algorithm
