#pragma once

#include <array>
#include <cstdint>

#include "flint/limit.h"
#include "flint/time.h"

namespace flint::algorithm {

/// The end of the limiter's own time, in 2189; it begins at 0. Within these bounds no sum or difference that a record
/// or a snapshot holds overflows.
inline constexpr Time kMaxTime{Nanos((std::int64_t{1} << 62) + (std::int64_t{1} << 61))};

/// Whether a record or a snapshot may hold `time`; what is read from disk may be anything.
[[nodiscard]] constexpr bool is_limiter_time(Time time) noexcept { return time >= Time{} && time <= kMaxTime; }

/// How a record tells a calendar window from a fixed_window_counter without a calendar. Stored on disk.
inline constexpr auto kCalendarWindow = static_cast<Algorithm>(5);

struct RecordedWindows;

/// A key's state after an event, as a log record holds it: three numbers, whose meaning is that of the algorithm (see
/// describe() of each). They are relative to the time of the event, which the record has already.
struct RecordedState {
  Algorithm algorithm = Algorithm::kTokenBucket;
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  /// sliding_window_counter and calendar windows only; else 0.
  std::uint64_t third = 0;
  /// Of a limit with several windows: the state of each, in place of the members above. It is not owned; see
  /// WindowSpace.
  const RecordedWindows* windows = nullptr;

  friend bool operator==(const RecordedState& a, const RecordedState& b) noexcept;
};

struct RecordedWindows {
  std::uint8_t count = 0;
  std::array<RecordedState, kMaxWindows> states;
  /// Of a changed limit: 1 + the index of the window before the change whose runs stay, for a sliding log; else 0.
  std::array<std::uint8_t, kMaxWindows> sources{};
};

inline bool operator==(const RecordedState& a, const RecordedState& b) noexcept {
  if ((a.windows == nullptr) != (b.windows == nullptr)) return false;
  if (a.windows == nullptr) {
    return a.algorithm == b.algorithm && a.first == b.first && a.second == b.second && a.third == b.third;
  }
  if (a.windows->count != b.windows->count) return false;
  for (std::uint8_t i = 0; i < a.windows->count; ++i) {
    if (!(a.windows->states[i] == b.windows->states[i]) || a.windows->sources[i] != b.windows->sources[i]) return false;
  }
  return true;
}

}  // namespace flint::algorithm
