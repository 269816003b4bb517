#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "flint/time.h"

namespace flint::base {

/// `2026-11-23T18:22:02.123Z`: UTC with milliseconds, always 24 characters. Rounded down to a millisecond, so that no
/// event seems later than it was; a time that is promised for later (reset_at) is rounded up before it comes here.
[[nodiscard]] std::string format_rfc3339(WallTime time);
inline constexpr std::size_t kRfc3339Bytes = 24;
/// Writes the same 24 characters to `at`, and returns where they end.
char* put_rfc3339(char* at, WallTime time) noexcept;

/// `2026-11-23T18:22:02Z`, `2026-11-23T18:22:02.123456789+01:00`: up to nine digits of a second, of which none is
/// dropped. Nothing if `text` is not such a time, or before 1970, or after what WallTime can say (in 2262).
[[nodiscard]] std::optional<WallTime> parse_rfc3339(std::string_view text) noexcept;

}  // namespace flint::base
