#pragma once

#include <string>

#include "flint/time.h"

namespace flint::base {

/// `250ms`, `90s`, `1m`: an integer and the largest unit (d, h, m, s, ms, us, ns) that says `duration` exactly.
/// flint::parse_period reads back what is a period.
[[nodiscard]] std::string format_period(Nanos duration);

/// The same for a time that was measured: rounded down to whole milliseconds, at least one.
[[nodiscard]] std::string format_elapsed(Nanos time);

}  // namespace flint::base
