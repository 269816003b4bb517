#pragma once

#include <string>
#include <string_view>

#include "flint/status.h"

/// How the errors of the operating system become a Status, in one place for all implementations.
namespace flint::io {

/// The code that file_system.h promises for an errno.
[[nodiscard]] Code code_for_errno(int error) noexcept;

/// "cannot <operation> <path>: <text of errno>. <What to do>." For example
/// errno_status(ENOSPC, "write", "/data/a.log").
[[nodiscard]] Status errno_status(int error, std::string_view operation, std::string_view path);

/// Ok for a single component that stays inside the directory: no '/', no NUL, not "", "." or "..", at most 255 bytes.
/// Else kInvalidArgument; names can come from a damaged manifest, so this is no assertion.
[[nodiscard]] Status validate_name(std::string_view name);

/// "<directory>/<name>".
[[nodiscard]] std::string join_path(std::string_view directory, std::string_view name);

}  // namespace flint::io
