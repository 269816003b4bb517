#pragma once

#include <cstddef>

namespace flint::base {

/// A longer text is no limit: parse_limit().
inline constexpr std::size_t kMaxRateStringBytes = 1024;

}  // namespace flint::base
