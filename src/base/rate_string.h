#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "flint/limit.h"
#include "flint/status.h"

/// Limits as text, beyond what parse_limit() and format_limit() of flint/limit.h promise.
namespace flint::base {

inline constexpr std::size_t kMaxRateStringBytes = 1024;
inline constexpr std::size_t kMaxWindows = 8;

/// The rates of a rate string in the order in which they are written; each one is valid by itself.
struct Windows {
  std::array<Limit, kMaxWindows> limits;
  /// From 1 to kMaxWindows.
  std::size_t count = 0;
};

/// Reads `10/s burst 20, 1000/h`: the grammar of parse_limit(), up to kMaxWindows times with a comma in between. What
/// the rates mean together is not judged here. A failure is kInvalidArgument of the field `limit`, printable ASCII, and
/// shorter than 200 bytes.
Result<Windows> parse_windows(std::string_view text);

}  // namespace flint::base
