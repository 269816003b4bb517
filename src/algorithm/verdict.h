#pragma once

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

/// What a status shows.
struct View {
  Units remaining = 0;
  Nanos reset_after{};

  friend bool operator==(const View&, const View&) = default;
};

}  // namespace flint::algorithm
