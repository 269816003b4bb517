#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flint/limit.h"
#include "flint/time.h"

namespace flint {

/// Counts of values in fixed ranges.
struct Histogram {
  /// The number of values that are at most this bound and above the bound of the bucket before.
  struct Bucket {
    std::uint64_t at_most = 0;
    std::uint64_t count = 0;
  };
  /// In ascending order of their bounds.
  std::vector<Bucket> buckets;
  /// The number of values above the last bound.
  std::uint64_t above = 0;
  /// The sum of all values.
  std::uint64_t sum = 0;

  [[nodiscard]] std::uint64_t count() const noexcept {
    std::uint64_t all = above;
    for (const Bucket& bucket : buckets) all += bucket.count;
    return all;
  }
};

/// RuleStats::rule of what is no pattern, and of patterns beyond the first kMaxRuleStats. A pattern's name ends in `*`.
inline constexpr std::string_view kExactRules = "exact";
inline constexpr std::string_view kCarriedRules = "carried";
inline constexpr std::string_view kOtherRules = "other";
inline constexpr std::size_t kMaxRuleStats = 100;

/// What one rule decided since open: counts as in Stats. Never names a key.
struct RuleStats {
  /// The name of a pattern; kExactRules for limits that are set for a key, kCarriedRules for those that checks carry,
  /// kOtherRules for all patterns that have no numbers of their own.
  std::string rule;
  std::uint64_t allowed = 0;
  std::uint64_t denied = 0;
  std::uint64_t would_deny = 0;
  std::uint64_t forgotten_keys = 0;
  /// Of a pattern: how many keys have usage under it now. A key that several rules decide in turn counts at each.
  std::optional<std::uint64_t> keys = {};
};

/// What the keys of carried limits that are forgotten did while they lived, since the directory was made.
struct ForgottenTotals {
  std::uint64_t allowed = 0;
  std::uint64_t denied = 0;
  Units allowed_cost = 0;
  Units denied_cost = 0;
  std::uint64_t would_deny = 0;
};

/// Numbers for a monitoring system. Each number is exact when it is read, but together they do not show one instant.
/// After close(), the numbers of keys and decisions are 0.
struct Stats {
  std::uint64_t keys = 0;
  /// Of these, keys that live by patterns and by limits that checks carry: at most Options::max_keys.
  std::uint64_t born_keys = 0;
  /// Since open: keys that were forgotten, their usage being that of a fresh key, and checks of new keys that found
  /// Options::max_keys reached.
  std::uint64_t forgotten_keys = 0;
  std::uint64_t keys_full = 0;
  /// Decisions since open. Each item of an allowed check_all counts as one; a denied check_all counts as one.
  std::uint64_t allowed = 0;
  std::uint64_t denied = 0;
  /// Checks that limits in mode kShadow allowed although they did not fit; not part of `allowed`.
  std::uint64_t would_deny = 0;
  /// The decisions and the forgotten keys above by rule: exact and carried limits, then patterns in byte order. A
  /// pattern that is deleted is in the sums only.
  std::vector<RuleStats> rules;
  ForgottenTotals forgotten_carried;
  /// Requests that are remembered by their ids, and those that were forgotten before their time, for lack of room.
  std::uint64_t request_ids = 0;
  std::uint64_t request_ids_dropped = 0;
  /// Reservations that are held now; since open, those that expired, and those that found no room.
  std::uint64_t reservations = 0;
  std::uint64_t reservations_expired = 0;
  std::uint64_t reservations_full = 0;
  std::uint64_t log_bytes = 0;
  std::uint64_t snapshot_bytes = 0;
  std::uint64_t last_seq = 0;
  std::uint64_t durable_seq = 0;
  /// The age of the oldest event that is not on stable storage; 0 if all events are.
  Nanos oldest_unsynced{0};
  /// Group commits since open: the duration of each, in nanoseconds, and the number of records that it made durable.
  Histogram sync_nanos;
  Histogram sync_records;
  std::uint64_t compactions = 0;
  bool failed = false;
  bool degraded = false;
  /// The disk had no room when the directory was opened, and has had none since: see Limiter::open().
  bool waits_for_room = false;
};

}  // namespace flint
