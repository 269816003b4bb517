#pragma once

namespace flint::base {

/// Prints `file:line: condition` on stderr and aborts.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace flint::base

/// Stops the process when `condition`, which holds unless Flint has a bug, does not. On in every build: a limiter that
/// goes on with a state it cannot explain would write that state to disk.
#define FLINT_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::flint::base::assertion_failed(#condition, __FILE__, __LINE__))
