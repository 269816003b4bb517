#pragma once

#include <cstdint>
#include <vector>

#include "flint/time.h"

namespace flint {

/// How many values lay in each of some ranges, which are fixed.
struct Histogram {
  /// Values up to this bound, and above that of the bucket before.
  struct Bucket {
    std::uint64_t at_most = 0;
    std::uint64_t count = 0;
  };
  /// Ascending.
  std::vector<Bucket> buckets;
  /// Values above the last bound.
  std::uint64_t above = 0;
  /// Of all values.
  std::uint64_t sum = 0;

  [[nodiscard]] std::uint64_t count() const noexcept {
    std::uint64_t all = above;
    for (const Bucket& bucket : buckets) all += bucket.count;
    return all;
  }
};

/// Numbers for a monitoring system; each is exact when read, together they are not one instant. After close() those of
/// keys and decisions are 0.
struct Stats {
  std::uint64_t keys = 0;
  /// Decisions since open; each item of a check_all that was allowed is one, and a check_all that was denied is one.
  std::uint64_t allowed = 0;
  std::uint64_t denied = 0;
  std::uint64_t log_bytes = 0;
  std::uint64_t snapshot_bytes = 0;
  std::uint64_t last_seq = 0;
  std::uint64_t durable_seq = 0;
  /// The age of the oldest event that is not on stable storage; 0 when all are.
  Nanos oldest_unsynced{0};
  /// Group commits since open: how long each took, in nanoseconds, and how many records it made durable.
  Histogram sync_nanos;
  Histogram sync_records;
  std::uint64_t compactions = 0;
  bool failed = false;
  bool degraded = false;
  /// The disk had no room when the directory was opened, and has had none since: see Limiter::open().
  bool waits_for_room = false;
};

}  // namespace flint
