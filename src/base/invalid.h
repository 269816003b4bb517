#pragma once

#include <string>
#include <utility>

#include "flint/status.h"

namespace flint::base {

/// kInvalidArgument. Where one argument is at fault that a caller may know by another name: Status::of_field.
[[nodiscard]] inline Status invalid(std::string message) { return {Code::kInvalidArgument, std::move(message)}; }

/// What a limit with any other algorithm gets, however the algorithm was given.
[[nodiscard]] Status unknown_algorithm();

}  // namespace flint::base
