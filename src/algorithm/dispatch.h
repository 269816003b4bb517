#pragma once

#include <type_traits>
#include <variant>

#include "algorithm/calendar_window.h"
#include "algorithm/fixed_window.h"
#include "algorithm/now.h"
#include "algorithm/sliding_counter.h"
#include "algorithm/sliding_log.h"
#include "algorithm/slots.h"
#include "algorithm/token_bucket.h"
#include "base/assert.h"
#include "flint/limit.h"

/// The one switch over the algorithms.
namespace flint::algorithm {

/// The state of one window: that of its algorithm.
using WindowState = std::variant<TokenBucket, SlidingLog, FixedWindow, SlidingCounter, CalendarWindow, Slots>;

/// Calls `visit` with the type of the window's states.
template <typename Visit>
[[nodiscard]] auto with_type_of(const Limit& window, const Visit& visit) {
  switch (window.algorithm) {
    case Algorithm::kTokenBucket:
      return visit(std::type_identity<TokenBucket>());
    case Algorithm::kSlidingWindowLog:
      return visit(std::type_identity<SlidingLog>());
    case Algorithm::kFixedWindowCounter:
      if (window.align != Align::kNone) [[unlikely]]
        return visit(std::type_identity<CalendarWindow>());
      return visit(std::type_identity<FixedWindow>());
    case Algorithm::kSlidingWindowCounter:
      return visit(std::type_identity<SlidingCounter>());
    case Algorithm::kConcurrency:
      return visit(std::type_identity<Slots>());
  }
  base::assertion_failed("the algorithm of a limit is one of Algorithm", __FILE__, __LINE__);
}

/// Calls `visit` with the state itself, which is one of the window's algorithm.
template <typename AnyState, typename Visit>
auto with_state(AnyState& state, const Limit& window, const Visit& visit) {
  return with_type_of(window, [&]<typename Type>(std::type_identity<Type>) {
    auto* const matches = std::get_if<Type>(&state);
    FLINT_ASSERT(matches != nullptr);
    return visit(*matches);
  });
}

/// A state in which just `run` is in use.
[[nodiscard]] inline WindowState holding(Run run, const Limit& window) {
  return with_type_of(
      window, [&]<typename Type>(std::type_identity<Type>) -> WindowState { return Type::holding(run, window); });
}

/// Whether nothing is in use. A state that can say so for less than a view costs has is_fresh().
template <typename OneState>
[[nodiscard]] bool is_fresh_window(const OneState& state, const Limit& window, Now now) {
  if constexpr (requires { state.is_fresh(window, now); }) {
    return state.is_fresh(window, now);
  } else {
    return state.view(window, now).reset_after == Nanos::zero();
  }
}

/// What a record has for the algorithm of a window.
[[nodiscard]] inline Algorithm recorded_algorithm(const Limit& window) noexcept {
  return window.align == Align::kNone ? window.algorithm : kCalendarWindow;
}

/// Makes `state` what a record says of one window. Only the runs of a sliding log are made from the state before: every
/// other state is all in the record.
template <typename AnyState>
[[nodiscard]] bool restore_window(AnyState& state, const RecordedState& after, const Limit& window, Units cost,
                                  Time at) {
  if (after.algorithm != recorded_algorithm(window)) return false;
  return with_type_of(window, [&]<typename Type>(std::type_identity<Type>) {
    auto* before = std::get_if<Type>(&state);
    if (before == nullptr && std::is_same_v<Type, SlidingLog> && after.second != 1) return false;
    return (before != nullptr ? *before : state.template emplace<Type>()).restore(after, window, cost, at);
  });
}

}  // namespace flint::algorithm
