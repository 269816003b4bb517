#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "flint/status.h"

namespace flint::base {

/// kInvalidArgument. Where one argument is at fault that a caller may know by another name: Status::of_field.
[[nodiscard]] inline Status invalid(std::string message) { return {Code::kInvalidArgument, std::move(message)}; }

/// The caller's text for a message: itself if it is short and printable, otherwise only its size. Messages reach logs
/// and terminals, where control characters and megabytes do harm.
[[nodiscard]] std::string shown(std::string_view text);

inline constexpr std::string_view kPeriodRange = "1ms to 366d";
inline constexpr std::string_view kAlgorithmNames =
    "token_bucket, sliding_window_log, fixed_window_counter, sliding_window_counter or concurrency";

/// What a limit with any other algorithm gets, however the algorithm was given.
[[nodiscard]] Status unknown_algorithm();
[[nodiscard]] Status unknown_mode();

}  // namespace flint::base
