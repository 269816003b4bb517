#pragma once

#include <algorithm>

#include "algorithm/recorded_state.h"
#include "base/arithmetic.h"
#include "flint/limit.h"
#include "flint/time.h"

namespace flint::algorithm {

/// What a check would do. Nothing has changed yet.
struct Verdict {
  bool allowed = false;
  /// Whole units left: after the cost if allowed, else now.
  Units remaining = 0;
  /// From now until the key is back to what reset_at promises, after the cost if allowed (rounded up to a nanosecond);
  /// 0 when nothing is in use. Nanos::max() when it takes longer than that.
  Nanos reset_after{};
  /// 0 when allowed, else from now until the earliest time at which this cost could pass (rounded up to a nanosecond).
  /// Nanos::max() when it takes longer than that.
  Nanos retry_after{};

  friend bool operator==(const Verdict&, const Verdict&) = default;
};

/// What decide() returns: the verdict and, if it allows the cost, the state once the cost is consumed, as a record
/// holds it. The state comes with the verdict because both need the dearest step, bringing the state to the present.
struct Outcome : Verdict {
  RecordedState after;
  /// Of a limit with several windows; see WindowSpace. The verdict is then that of WindowOutcomes::shown.
  const struct WindowOutcomes* windows = nullptr;
};

/// What a status shows.
struct View {
  Units remaining = 0;
  Nanos reset_after{};

  friend bool operator==(const View&, const View&) = default;
};

/// How much can be given back: units or, of a token bucket, parts of a unit: 1/per, with `per` in nanoseconds.
using Amount = base::Uint128;
/// Of what is counted in units; no more than a limit ever counts.
[[nodiscard]] inline Units whole_units(Amount amount) noexcept {
  return static_cast<Units>(std::min<Amount>(amount, kMaxUnits));
}

/// Units that passed at one time.
struct Run {
  Time time{};
  Units cost = 0;

  friend bool operator==(const Run&, const Run&) = default;
};

}  // namespace flint::algorithm
