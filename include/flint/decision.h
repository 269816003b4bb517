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
  /// Units that the check asked for; consumed only when `allowed`.
  Units cost = 0;
  /// The capacity of the key's limit (Limit::capacity).
  Units limit = 0;
  /// Whole units left after the decision.
  Units remaining = 0;
  /// Wall-clock time at which the key has its full quota back if nothing more is used: a full bucket, the newest entry
  /// of the sliding log expired, the end of the fixed window. Rounded up to a millisecond; now when nothing is in use.
  WallTime reset_at{};
  std::uint64_t reset_after_ms = 0;
  /// 0 when allowed; when denied, the exact earliest time at which this cost could pass, rounded up (so at least 1).
  std::uint64_t retry_after_ms = 0;
  Algorithm algorithm = Algorithm::kTokenBucket;
};

struct CheckItem {
  std::string_view key;
  Units cost = 1;
};

/// One decision over several keys: all consumed, or none.
struct CheckAllResult {
  bool allowed = false;
  /// The first key, in the order given, that denied. Only this one counts a denial.
  std::optional<std::string> denied_key;
  /// In the order given, up to and including the denied one. When denied, nothing is consumed, and `remaining` says so.
  std::vector<Decision> results;
};

/// What is known of a key. Reading it changes nothing.
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

/// `configured`, `allowed`, `denied`, `reset`. Static storage.
[[nodiscard]] std::string_view event_kind_name(EventKind kind) noexcept;

/// One thing that the log remembers of a key.
struct Event {
  EventKind kind = EventKind::kAllowed;
  std::uint64_t seq = 0;
  WallTime at{};
  /// kAllowed: units consumed. kDenied: units refused, summed over `count`. Else 0.
  Units cost = 0;
  /// kDenied: how many denials this event sums up. Else 1.
  std::uint64_t count = 1;
  /// kConfigured: the limit from here on.
  std::optional<Limit> limit;
};

}  // namespace flint
