#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "flint/stats.h"

namespace flint::limiter {

/// What one rule did since open.
struct RuleTally {
  std::uint64_t allowed = 0;
  std::uint64_t denied = 0;
  /// Allowed by a shadow although it did not fit; not part of `allowed`.
  std::uint64_t would_deny = 0;
  std::uint64_t forgotten = 0;

  void add(const RuleTally& other) noexcept;

  friend bool operator==(const RuleTally&, const RuleTally&) = default;
};

/// The decisions, counted by the rule that made them. What decides has a pointer to its tally, so that to count costs
/// one increment. Threads: guarded by the owner's mutex.
class RuleTallies {
 public:
  /// So many patterns have a tally of their own, those that come first; all others share one. Each is a series of a
  /// monitoring system.
  static constexpr std::size_t kMostPatterns = kMaxRuleStats;

  /// Limits that are set for a key.
  [[nodiscard]] RuleTally& exact() noexcept { return exact_; }
  /// Limits that checks carry.
  [[nodiscard]] RuleTally& carried() noexcept { return carried_; }
  /// Of the pattern with this name. Stays where it is until remove().
  [[nodiscard]] RuleTally& of_pattern(std::string_view name);
  /// The pattern is deleted, and nothing counts at its tally any more: its place is free, and what it counted stays in
  /// the sum.
  void remove(std::string_view name);

  [[nodiscard]] const std::map<std::string, RuleTally, std::less<>>& patterns() const noexcept { return patterns_; }
  /// Of the patterns that have none of their own.
  [[nodiscard]] const RuleTally& other() const noexcept { return other_; }
  [[nodiscard]] RuleTally sum() const noexcept;

 private:
  RuleTally exact_;
  RuleTally carried_;
  std::map<std::string, RuleTally, std::less<>> patterns_;
  RuleTally other_;
  /// Of patterns that were deleted.
  RuleTally removed_;
};

}  // namespace flint::limiter
