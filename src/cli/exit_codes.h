#pragma once

#include "cli/command.h"
#include "flint/status.h"

namespace flint::cli {

/// Of what failed in this process.
[[nodiscard]] Exit exit_of(Code code) noexcept;

/// Of an answer that is an error: the asker's fault, or not.
[[nodiscard]] Exit exit_of_http(int status) noexcept;

}  // namespace flint::cli
