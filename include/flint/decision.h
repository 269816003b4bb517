#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flint/limit.h"

namespace flint {

/// The answer to a check. A denial is a value, never an error.
struct Decision {
  std::string key;
  bool allowed = false;
  /// Units that the check asked for; consumed only if `allowed`.
  Units cost = 0;
  /// The capacity of the key's limit (Limit::capacity).
  Units capacity = 0;
  /// Whole units left after the decision.
  Units remaining = 0;
  /// Wall-clock time at which the key has its full quota back if nothing more is used: the bucket is full, the newest
  /// entry of the sliding log has expired, or the fixed window has ended. Rounded up to a millisecond; now if nothing
  /// is in use.
  WallTime reset_at{};
  std::uint64_t reset_after_ms = 0;
  /// 0 if allowed. If denied, the exact earliest time at which this cost could pass, rounded up (so at least 1).
  std::uint64_t retry_after_ms = 0;
  Algorithm algorithm = Algorithm::kTokenBucket;
};

struct CheckItem {
  std::string_view key;
  Units cost = 1;
};

/// One decision over several keys: all of them are consumed, or none.
struct CheckAllResult {
  bool allowed = false;
  /// The first key, in the given order, that denied. Only this key counts a denial.
  std::optional<std::string> denied_key;
  /// In the given order, up to and including the key that denied. If one denied, nothing is consumed, and every
  /// `remaining` reflects that.
  std::vector<Decision> results;
};

/// The status of a key. Reading it changes nothing.
struct LimitStatus {
  std::string key;
  Limit limit;
  Units remaining = 0;
  WallTime reset_at{};
  std::uint64_t total_allowed = 0;
  std::uint64_t total_denied = 0;
  std::uint64_t total_allowed_cost = 0;
  std::uint64_t total_denied_cost = 0;
  std::optional<WallTime> last_allowed_at;
  std::optional<WallTime> last_denied_at;
  std::optional<WallTime> last_reset_at;
};

enum class EventKind : std::uint8_t { kConfigured, kAllowed, kDenied, kReset };

/// The name of `kind`: `configured`, `allowed`, `denied` or `reset`. Static storage.
[[nodiscard]] std::string_view event_kind_name(EventKind kind) noexcept;

/// One event of a key in the log.
struct Event {
  EventKind kind = EventKind::kAllowed;
  std::uint64_t seq = 0;
  WallTime at{};
  /// kAllowed: units consumed. kDenied: units refused, summed over `count`. Otherwise 0.
  Units cost = 0;
  /// kDenied: the number of denials that this event sums up. Otherwise 1.
  std::uint64_t count = 1;
  /// kConfigured: the limit from this event on.
  std::optional<Limit> limit;
};

}  // namespace flint
