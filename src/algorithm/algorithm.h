#pragma once

#include <cstdint>
#include <variant>

#include "algorithm/fixed_window.h"
#include "algorithm/sliding_log.h"
#include "algorithm/token_bucket.h"
#include "flint/limit.h"

/// The three algorithms as pure functions: (state, limit, cost, now) -> verdict and next state. No clock, no lock, no
/// I/O; exact integers only, so the same events replay to the same bits on every machine.
///
/// A `now` before what the state has seen is taken as that time: nothing is granted for time that runs backward.
/// Limits are valid (flint::validate_limit) and costs are within 1..capacity: anything else is a bug and stops.
namespace flint::algorithm {

using State = std::variant<TokenBucket, SlidingLog, FixedWindow>;

/// What a check would do. Nothing has changed yet.
struct Verdict {
  bool allowed = false;
  /// Whole units left: after the cost if allowed, else now.
  Units remaining = 0;
  /// From now until the key is back to what reset_at promises (rounded up to a nanosecond); 0 when nothing is in use.
  Nanos reset_after{};
  /// 0 when allowed, else from now until the earliest time at which this cost could pass (rounded up to a nanosecond).
  Nanos retry_after{};
};

/// What a status shows.
struct View {
  Units remaining = 0;
  Nanos reset_after{};
};

/// Full quota.
[[nodiscard]] State fresh(const Limit& limit, Time now);

[[nodiscard]] Verdict decide(const State& state, const Limit& limit, Units cost, Time now);

/// Takes `cost`, which decide() allowed for the same arguments.
void consume(State& state, const Limit& limit, Units cost, Time now);

[[nodiscard]] View view(const State& state, const Limit& limit, Time now);

/// The state under a new limit: what was used stays used. The new remaining is the new capacity less what is in use at
/// `now`, never below 0.
/// - Token bucket to token bucket: in use is burst less tokens, exactly; a fraction of a token is carried over, rounded
///   down to the new period's unit.
/// - Same algorithm, same period (windows): entries and window stay as they are.
/// - Else (another algorithm, or a window of another length): what is in use is one entry at `now`, so that no window
/// of
///   the new length can forget it early.
[[nodiscard]] State reconfigure(const State& state, const Limit& from, const Limit& to, Time now);

}  // namespace flint::algorithm
