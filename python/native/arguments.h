#pragma once

#include <nanobind/nanobind.h>

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "flint/decision.h"
#include "flint/limiter.h"

/// The arguments of checks, read without calling Python. Whatever is not as it should be goes to
/// flint_limiter/_arguments.py, which raises: so that both modes refuse the same with the same words, and only a
/// refusal pays for them.
namespace flint::python {

struct CheckArguments {
  /// Valid as long as the str that it was read from.
  std::string_view key;
  Units cost = 1;
};

struct ReadItems {
  std::vector<CheckItem> items;
  /// What the items point to.
  std::vector<Limit> limits;
};

struct ReadChecks {
  std::vector<BatchCheck> checks;
  /// What the checks point to.
  std::vector<Limit> limits;
};

[[nodiscard]] CheckArguments read_check(nanobind::handle key, nanobind::handle cost);
/// Of what _limits.items() made: a list of tuples of a str, an int and what read_limit() takes.
[[nodiscard]] ReadItems read_items(const nanobind::list& items);
/// Of what _batch.readable() made: a list of tuples of a str, an int, what read_limit() takes, and a bool.
[[nodiscard]] ReadChecks read_checks(const nanobind::list& checks);
/// Of what _settings.given() made: a list of tuples of a str, what read_limit() takes, a bool and the name of a mode.
/// Valid as long as the list.
[[nodiscard]] std::vector<NamedLimit> read_named_limits(const nanobind::list& limits);
/// Of what _limits made: an _arguments.Limit, or None.
[[nodiscard]] std::optional<Limit> read_limit(nanobind::handle limit);

/// Raises what is wrong with the arguments themselves; returns when that is nothing.
void refuse_check(nanobind::handle key, nanobind::handle cost);

}  // namespace flint::python
