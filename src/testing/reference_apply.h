#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "testing/reference_limiter.h"

/// What Limiter::apply should do, on the reference limiter: one limit after the other.
namespace flint::testing {

struct WantedLimit {
  std::string key;
  Limit limit;
  LimitOptions options = {};
};

/// Whether a limit or a pattern of this name was set.
[[nodiscard]] inline bool is_set(const ReferenceLimiter& model, const std::string& name) {
  const std::vector<std::string> names = model.names_of_limits();
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// What a prune deletes while a limits file is in use: only what came from it if `from_file`, else only the rest.
[[nodiscard]] inline std::vector<std::string> limits_to_prune(const ReferenceLimiter& model,
                                                              const std::vector<WantedLimit>& limits, bool from_file) {
  std::vector<std::string> names = model.names_of_limits();
  std::erase_if(names, [&](const std::string& name) {
    const auto is_it = [&](const WantedLimit& wanted) { return wanted.key == name; };
    return model.is_from_file(name) != from_file || std::any_of(limits.begin(), limits.end(), is_it);
  });
  return names;
}

/// Keys, then patterns, then deletions.
inline void apply(ReferenceLimiter& model, const std::vector<WantedLimit>& limits, bool prune, bool from_file) {
  for (const bool patterns : {false, true}) {
    for (const WantedLimit& wanted : limits) {
      if (is_pattern(wanted.key) == patterns) model.limit(wanted.key, wanted.limit, wanted.options, from_file);
    }
  }
  if (!prune) return;
  for (const std::string& name : limits_to_prune(model, limits, from_file)) model.remove(name);
}

}  // namespace flint::testing
