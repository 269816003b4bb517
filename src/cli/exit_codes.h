#pragma once

#include <cstdint>

#include "flint/status.h"

namespace flint::cli {

/// The exit codes, and all of them.
enum class Exit : std::uint8_t {
  /// Done; of check, check-all and check-batch: allowed.
  kDone = 0,
  /// Of check, check-all and check-batch: denied.
  kDenied = 1,
  /// Wrong usage, an argument that is not allowed, or a key without a limit.
  kUsage = 2,
  /// Storage, the connection or the output failed.
  kFailed = 3,
};

/// Of what failed in this process.
[[nodiscard]] Exit exit_of(Code code) noexcept;

/// Of an answer that is an error: the asker's fault, or not.
[[nodiscard]] Exit exit_of_http(int status) noexcept;

}  // namespace flint::cli
