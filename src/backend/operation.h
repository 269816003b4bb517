#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "backend/serving.h"
#include "flint/decision.h"
#include "flint/doctor.h"
#include "flint/limiter.h"
#include "flint/reservation.h"

/// What can be asked of the limits, wherever they live, and what is answered: an operation is a value, and so is its
/// answer. A new operation begins with a struct here and, if nothing here says it yet, an answer.
namespace flint::backend {

/// What an operation does, so that a server can bound how many wait for storage and keep the slow ones away from those
/// that should be quick.
enum class Effect : std::uint8_t {
  /// Reads memory.
  kReads,
  /// Decides about usage, and logs the decision. How long that takes is what an operator wants to know.
  kDecides,
  /// Logs a change of a limit, or a reset.
  kChanges,
  /// Waits for a sync.
  kFlushes,
  /// Reads a page of keys, or the log.
  kScans,
  /// Reads or writes everything.
  kExamines,
};

/// Whether the answer may have to wait until the log is durable.
[[nodiscard]] constexpr bool appends(Effect effect) noexcept {
  return effect == Effect::kDecides || effect == Effect::kChanges;
}
/// Whether the operation may take long or wait: Backend::run() takes it, not a Queue.
[[nodiscard]] constexpr bool blocks(Effect effect) noexcept { return effect != Effect::kReads && !appends(effect); }

// The operations. Their views need to live until the call that takes the operation returns.

/// Answered by a Decision.
struct Check {
  static constexpr Effect kEffect = Effect::kDecides;
  std::string_view key;
  Units cost = 1;
  /// The limit that it carries; null if it carries none.
  const Limit* limit = nullptr;
  bool dry_run = false;
  /// Empty if it has none.
  std::string_view request_id = {};
};
/// Answered by a CheckAllResult.
struct CheckAll {
  static constexpr Effect kEffect = Effect::kDecides;
  std::span<const CheckItem> items;
  bool dry_run = false;
  std::string_view request_id = {};
};
/// Answered by a BatchResult, in the same order.
struct CheckBatch {
  static constexpr Effect kEffect = Effect::kDecides;
  /// A failure stands for a check that could not be read, and is its answer.
  std::span<const Result<BatchCheck>> checks;
};
/// Answered by a Decision.
struct Charge {
  static constexpr Effect kEffect = Effect::kDecides;
  std::string_view key;
  Units cost = 1;
  /// The limit that it carries; null if it carries none.
  const Limit* limit = nullptr;
  std::string_view request_id = {};
};
/// Answered by a ReserveResult.
struct Reserve {
  static constexpr Effect kEffect = Effect::kDecides;
  std::span<const CheckItem> items;
  ReserveOptions options;
};
/// Answered by a Settlement.
struct Commit {
  static constexpr Effect kEffect = Effect::kDecides;
  std::string_view reservation;
  std::span<const ActualCost> costs;
};
/// Answered by a Settlement.
struct Cancel {
  static constexpr Effect kEffect = Effect::kDecides;
  std::string_view reservation;
};
/// Answered by a ReservationStatus.
struct Renew {
  static constexpr Effect kEffect = Effect::kDecides;
  std::string_view reservation;
  Nanos ttl{};
};
/// Answered by a ReservationStatus.
struct ReadReservation {
  static constexpr Effect kEffect = Effect::kReads;
  std::string_view reservation;
};
/// Answered by LimitSet.
struct SetLimit {
  static constexpr Effect kEffect = Effect::kChanges;
  std::string_view key;
  Limit limit;
  LimitOptions options = {};
};
/// Many at once: all or none. Answered by LimitsApplied.
struct ApplyLimits {
  static constexpr Effect kEffect = Effect::kScans;
  std::span<const NamedLimit> limits;
  bool prune = false;
  bool dry_run = false;
};
/// Answered by UsageReset.
struct Reset {
  static constexpr Effect kEffect = Effect::kChanges;
  std::string_view key;
};
/// Answered by AllReset.
struct ResetPrefix {
  static constexpr Effect kEffect = Effect::kScans;
  std::string_view prefix;
};
/// Answered by LimitRemoved.
struct Remove {
  static constexpr Effect kEffect = Effect::kChanges;
  std::string_view key;
};
/// Answered by AllRemoved.
struct RemovePrefix {
  static constexpr Effect kEffect = Effect::kScans;
  std::string_view prefix;
};
/// Of a key, not of a pattern, which would have to be summed up. Answered by a LimitStatus.
struct ReadStatus {
  static constexpr Effect kEffect = Effect::kReads;
  std::string_view key;
};
/// Answered by the LimitStatus of a pattern.
struct SumUp {
  static constexpr Effect kEffect = Effect::kScans;
  std::string_view pattern;
};
/// Answered by Health if changes are accepted.
struct ReadHealth {
  static constexpr Effect kEffect = Effect::kReads;
};
/// Answered by the statuses, in byte order of their keys.
struct List {
  static constexpr Effect kEffect = Effect::kScans;
  ListQuery query;
};
/// Answered by the newest `limit` events, newest last.
struct ReadHistory {
  static constexpr Effect kEffect = Effect::kScans;
  std::string_view key;
  std::size_t limit = 0;
};
/// Answered by the statuses, the highest first.
struct Top {
  static constexpr Effect kEffect = Effect::kScans;
  TopBy by = TopBy::kDenied;
  std::size_t limit = 0;
};
/// Answered by Done once all that was decided before is durable.
struct Flush {
  static constexpr Effect kEffect = Effect::kFlushes;
};
/// Answered by Done once the new snapshot is in place.
struct Compact {
  static constexpr Effect kEffect = Effect::kExamines;
};
/// Answered by a DoctorReport.
struct Examine {
  static constexpr Effect kEffect = Effect::kExamines;
};

using Operation = std::variant<Check, CheckAll, CheckBatch, Charge, Reserve, Commit, Cancel, Renew, ReadReservation,
                               SetLimit, ApplyLimits, Reset, ResetPrefix, Remove, RemovePrefix, ReadStatus, SumUp,
                               ReadHealth, List, ReadHistory, Top, Flush, Compact, Examine>;

[[nodiscard]] inline Effect effect_of(const Operation& operation) noexcept {
  return std::visit([](const auto& one) { return one.kEffect; }, operation);
}

// The answers.

struct Done {};
struct Health {
  /// Nothing where the limits live elsewhere.
  std::optional<Serving> serving;
};
using BatchResult = std::vector<Result<Decision>>;
struct LimitSet {
  std::string key;
  /// Nothing if the key had no limit.
  std::optional<Limit> before;
  Limit now;
  Mode mode = Mode::kEnforce;
};
struct LimitsApplied {
  LimitChanges changes;
  /// Nothing changed yet.
  bool dry_run = false;
};
struct UsageReset {
  std::string key;
};
/// Limits, patterns and keys.
struct AllReset {
  std::string prefix;
  std::uint64_t count = 0;
};
struct LimitRemoved {
  std::string key;
  /// Nothing if it was a key without a limit of its own.
  std::optional<Limit> before;
};
struct AllRemoved {
  std::string prefix;
  std::uint64_t count = 0;
};

/// A Status says why the operation failed; it is never Ok. The others own all that they say.
using Answer = std::variant<Status, Done, Health, Decision, CheckAllResult, BatchResult, ReserveResult, Settlement,
                            ReservationStatus, LimitSet, LimitsApplied, UsageReset, AllReset, LimitRemoved, AllRemoved,
                            LimitStatus, std::vector<LimitStatus>, std::vector<Event>, DoctorReport>;

}  // namespace flint::backend
