#pragma once

#include <algorithm>

#include "flint/decision.h"

namespace flint::testing {

/// Adds what is counted of one key to what is counted of several.
inline void add(const LimitStatus& from, LimitStatus& to) {
  to.total_allowed += from.total_allowed;
  to.total_denied += from.total_denied;
  to.total_allowed_cost += from.total_allowed_cost;
  to.total_denied_cost += from.total_denied_cost;
  to.would_deny += from.would_deny;
  to.last_allowed_at = std::max(to.last_allowed_at, from.last_allowed_at);
  to.last_denied_at = std::max(to.last_denied_at, from.last_denied_at);
  to.last_reset_at = std::max(to.last_reset_at, from.last_reset_at);
}

}  // namespace flint::testing
