#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "flint/decision.h"
#include "flint/status.h"

namespace flint {

class Limiter;
class SharedLimiter;

struct AcquireOptions {
  /// The most time to wait; 0: none.
  std::chrono::milliseconds timeout{0};
  /// A limit that the checks carry; see Limiter::check().
  std::optional<Limit> limit = std::nullopt;
};

/// Waits until `cost` units of `key` pass, and consumes them. After a denial it waits at least as long as that says,
/// and a little more, so that many who wait do not all ask at once. Between two waiting callers, chance decides. At the
/// timeout, returns the last denial; a call that asks a server may last longer by SharedOptions::timeout. Counts one
/// denial: what follows is tried as a dry run first.
///
/// Fails as check() does. Sleeps in the calling thread; close() does not wake it, but its next check then fails with
/// kClosed.
Result<Decision> acquire(Limiter& limiter, std::string_view key, Units cost, const AcquireOptions& options);
/// In the library flint::client.
Result<Decision> acquire(SharedLimiter& limiter, std::string_view key, Units cost, const AcquireOptions& options);

}  // namespace flint
