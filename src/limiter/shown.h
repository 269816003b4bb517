#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "algorithm/windows.h"
#include "base/arithmetic.h"
#include "flint/decision.h"
#include "limiter/moment.h"

/// What was decided, as users see it: in milliseconds, on the wall clock.
namespace flint::limiter {

/// Rounded up.
[[nodiscard]] inline std::uint64_t ceil_ms(Nanos time) noexcept {
  return static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(time).count());
}

[[nodiscard]] inline WallTime shown_reset(const Moment& at, Nanos after) noexcept {
  using std::chrono::milliseconds;
  const WallTime reset_at = base::saturating_add(at.wall, after);
  // The end of the time line cannot be rounded up.
  if (reset_at > WallTime::max() - milliseconds(1)) return std::chrono::floor<milliseconds>(reset_at);
  return std::chrono::ceil<milliseconds>(reset_at);
}

/// Each window of a limit that has several; `each` is null where nothing is in use.
[[nodiscard]] std::vector<WindowStatus> shown_windows(const Limit& limit, const algorithm::WindowOutcomes* each,
                                                      const Moment& at);

/// Of a limit that has several windows or a time zone; null if there is nothing to say.
[[nodiscard]] std::shared_ptr<const DecisionDetails> all_details(const Limit& limit, const algorithm::Outcome& outcome,
                                                                 const Moment& at);

/// Inline, and all_details() not: few limits have any.
[[nodiscard]] inline std::shared_ptr<const DecisionDetails> details(const Limit& limit,
                                                                    const algorithm::Outcome& outcome,
                                                                    const Moment& at) {
  const bool has_calendar = limit.align != Align::kNone;
  if (outcome.windows == nullptr && !has_calendar && limit.further.empty()) [[likely]]
    return nullptr;
  return all_details(limit, outcome, at);
}

}  // namespace flint::limiter
