#pragma once

#include "algorithm/algorithm.h"

namespace flint::testing {

/// Decides and consumes at once, where a test knows that the cost fits. `state` is an algorithm::State or the state of
/// one algorithm.
template <typename AnyState>
void consume(AnyState& state, const Limit& limit, Units cost, Time now) {
  if constexpr (std::is_same_v<AnyState, algorithm::State>) {
    algorithm::consume(state, limit, cost, now, algorithm::decide(state, limit, cost, now));
  } else {
    state.consume(limit, cost, now, state.decide(limit, cost, now));
  }
}

}  // namespace flint::testing
