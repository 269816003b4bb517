#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flint/limit.h"

namespace flint {

/// One of the windows of a limit that has several, in a decision or in a status.
struct WindowStatus {
  /// The window alone: `further` is empty.
  Limit limit = {};
  Units remaining = 0;
  WallTime reset_at{};
  std::uint64_t reset_after_ms = 0;
  /// 0 if this window allows the cost, and in a status.
  std::uint64_t retry_after_ms = 0;
};

/// What only some decisions say.
struct DecisionDetails {
  std::string unknown_timezone = {};
  std::vector<WindowStatus> windows = {};
};

/// The answer to a check. A denial is a value, never an error.
///
/// Of a limit with several windows, `capacity`, `remaining`, `reset_at`, `reset_after_ms`, `retry_after_ms` and
/// `algorithm` are those of one of them: of the one with the longest wait among those that denied, else of the one with
/// the least remaining; the first of equals.
struct Decision {
  std::string key;
  bool allowed = false;
  /// Units that the check asked for; consumed only if `allowed`.
  Units cost = 0;
  /// The capacity of the key's limit (Limit::capacity), or of one of its windows: see above.
  Units capacity = 0;
  /// Whole units left after the decision.
  Units remaining = 0;
  /// Wall-clock time at which the key has its full quota back if nothing more is used: the bucket is full, the newest
  /// entry of the sliding log has expired, or the fixed window has ended. Rounded up to a millisecond; now if nothing
  /// is in use.
  WallTime reset_at{};
  std::uint64_t reset_after_ms = 0;
  /// 0 if allowed. If denied, the exact earliest time at which this cost could pass, rounded up (so at least 1); none
  /// if the limit's mode is kBlock, since no time makes it pass.
  std::optional<std::uint64_t> retry_after_ms = 0;
  Algorithm algorithm = Algorithm::kTokenBucket;
  /// The key is new, and the limiter holds as many keys as Options::max_keys allows. `allowed` is then what
  /// Options::on_full says; nothing is consumed, and `retry_after_ms` of a denial is 1000, since nobody knows when a
  /// key will be forgotten.
  bool keys_full = false;
  /// Only if the limit's mode is kShadow: whether it would have denied the check, which then consumed nothing.
  std::optional<bool> would_deny = std::nullopt;
  /// Null if there are none, which keeps the many plain decisions small. Copies of a decision share them.
  std::shared_ptr<const DecisionDetails> details = nullptr;

  /// The limit goes by the calendar of this time zone, which the machine does not know (any more): where a new window
  /// would begin, everything is denied. Empty otherwise. Valid as long as the decision.
  [[nodiscard]] std::string_view unknown_timezone() const noexcept {
    return details == nullptr ? std::string_view() : details->unknown_timezone;
  }
  /// Of a limit with several windows, each of them, in their order; else empty. If the check is denied, none of them
  /// has consumed anything. Valid as long as the decision.
  [[nodiscard]] std::span<const WindowStatus> windows() const noexcept {
    return details == nullptr ? std::span<const WindowStatus>() : details->windows;
  }
};

struct CheckItem {
  std::string_view key;
  Units cost = 1;
  /// The limit that the check carries, which lives as long as the key does; null if it carries none. See
  /// Limiter::check().
  const Limit* limit = nullptr;
};

struct CheckOptions {
  /// A limit that the check carries; see Limiter::check().
  std::optional<Limit> limit = std::nullopt;
  /// Answers what a check would be told, and consumes, counts and creates nothing.
  bool dry_run = false;
  /// Names the request, so that it can be sent again; empty if it has no name. See Limiter::check().
  std::string_view request_id = {};
};

/// One check of a batch: the arguments of Limiter::check().
struct BatchCheck {
  std::string_view key = {};
  Units cost = 1;
  /// The limit that the check carries, which lives as long as the key does; null if it carries none.
  const Limit* limit = nullptr;
  bool dry_run = false;
  std::string_view request_id = {};
};

struct CheckAllOptions {
  bool dry_run = false;
  std::string_view request_id = {};
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

/// Where the limit of a status comes from.
enum class Source : std::uint8_t {
  /// It was set for exactly this key or pattern.
  kSet,
  /// A pattern gives it.
  kPattern,
  /// The last check of the key carried it.
  kCarried,
  /// As kSet, by ApplyOptions::from_file.
  kFile,
};

/// The name of `source`: `set`, `pattern`, `carried` or `file`. Static storage.
[[nodiscard]] std::string_view source_name(Source source) noexcept;

/// The status of a key or of a pattern. Reading it changes nothing.
///
/// Of a pattern, `remaining` and `reset_at` are those of a key that was never used, and the totals and times sum up all
/// of its keys, those that are forgotten included.
struct LimitStatus {
  std::string key;
  Limit limit;
  Source source = Source::kSet;
  /// The name of the pattern, if `source` is kPattern.
  std::string pattern = {};
  /// Of a pattern: whether it holds also where a check carries a limit.
  bool overrides = false;
  Mode mode = Mode::kEnforce;
  /// Of a pattern: how many keys live by it.
  std::optional<std::uint64_t> keys = std::nullopt;
  /// Of a limit with several windows, those of the window with the least remaining, the first of equals.
  Units remaining = 0;
  WallTime reset_at{};
  /// Of a limit with several windows, each of them, in their order; else empty.
  std::vector<WindowStatus> windows = {};
  std::uint64_t total_allowed = 0;
  std::uint64_t total_denied = 0;
  std::uint64_t total_allowed_cost = 0;
  std::uint64_t total_denied_cost = 0;
  /// Checks that were allowed in mode kShadow although they did not fit. They are not part of total_allowed.
  std::uint64_t would_deny = 0;
  /// Units that reservations hold now, slots included.
  Units reserved = 0;
  std::optional<WallTime> last_allowed_at = std::nullopt;
  std::optional<WallTime> last_denied_at = std::nullopt;
  std::optional<WallTime> last_reset_at = std::nullopt;
};

enum class EventKind : std::uint8_t {
  kConfigured,
  kAllowed,
  kDenied,
  kReset,
  kWouldDeny,
  kCharged,
  kReserved,
  /// A reservation was committed, cancelled or renewed.
  kSettled,
  kExpired
};

/// The name of `kind`: `configured`, `allowed`, `denied`, `reset`, `would_deny`, `charged`, `reserved`, `settled` or
/// `expired`. Static storage.
[[nodiscard]] std::string_view event_kind_name(EventKind kind) noexcept;

/// One event of a key in the log.
struct Event {
  EventKind kind = EventKind::kAllowed;
  std::uint64_t seq = 0;
  WallTime at{};
  /// kAllowed, kCharged and kReserved: units consumed. kSettled: what the key was charged in the end. kDenied and
  /// kWouldDeny: units that did not fit, summed over `count`. Otherwise 0.
  Units cost = 0;
  /// kDenied and kWouldDeny: the number of checks that this event sums up. Otherwise 1.
  std::uint64_t count = 1;
  /// kConfigured: the limit from this event on, and its mode.
  std::optional<Limit> limit = std::nullopt;
  Mode mode = Mode::kEnforce;
};

}  // namespace flint
