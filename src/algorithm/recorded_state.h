#pragma once

#include <cstdint>

#include "flint/limit.h"
#include "flint/time.h"

namespace flint::algorithm {

/// The end of the limiter's own time, in 2189; it begins at 0. Within these bounds no sum or difference that a record
/// or a snapshot holds overflows.
inline constexpr Time kMaxTime{Nanos((std::int64_t{1} << 62) + (std::int64_t{1} << 61))};

/// Whether a record or a snapshot may hold `time`; what is read from disk may be anything.
[[nodiscard]] constexpr bool is_limiter_time(Time time) noexcept { return time >= Time{} && time <= kMaxTime; }

/// A key's state after an event, as a log record holds it: three numbers, whose meaning is that of the algorithm (see
/// describe() of each). They are relative to the time of the event, which the record has already.
struct RecordedState {
  Algorithm algorithm = Algorithm::kTokenBucket;
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  /// sliding_window_counter only; else 0.
  std::uint64_t third = 0;

  friend bool operator==(const RecordedState&, const RecordedState&) = default;
};

}  // namespace flint::algorithm
