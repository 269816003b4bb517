#pragma once

#include <string>

#include "flint/time.h"

namespace flint::base {

/// `2026-11-23T18:22:02.123Z`: UTC with milliseconds, always 24 characters. Rounded down to a millisecond, so that no
/// event seems later than it was; a time that is promised for later (reset_at) is rounded up before it comes here.
[[nodiscard]] std::string format_rfc3339(WallTime time);

}  // namespace flint::base
