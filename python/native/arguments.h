#pragma once

#include <nanobind/nanobind.h>

#include <string_view>
#include <utility>
#include <vector>

#include "flint/decision.h"

/// The arguments of checks, read without calling Python. Whatever is not as it should be goes to
/// flint_limiter/_arguments.py, which raises: so that both modes refuse the same with the same words, and only a
/// refusal pays for them.
namespace flint::python {

struct CheckArguments {
  /// Valid as long as the str that it was read from.
  std::string_view key;
  Units cost = 1;
};

[[nodiscard]] CheckArguments read_check(nanobind::handle key, nanobind::handle cost);
/// Of what _arguments.items() made: a list of tuples of a str and an int.
[[nodiscard]] std::vector<CheckItem> read_items(const nanobind::list& pairs);

/// Raises what is wrong with the arguments themselves; returns when that is nothing.
void refuse_check(nanobind::handle key, nanobind::handle cost);

}  // namespace flint::python
