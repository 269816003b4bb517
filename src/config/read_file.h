#pragma once

#include <string>

#include "flint/status.h"

namespace flint::config {

/// No file of limits comes near it.
inline constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20;

/// All of a file, or of standard input for `-`. kInvalidArgument where the name is wrong: there is no such file, it may
/// not be read, it is a directory, it is larger than kMaxFileBytes. Otherwise kIoError. The message names the file.
Result<std::string> read_file(const std::string& path);

/// What messages call the file.
[[nodiscard]] std::string file_name(const std::string& path);

}  // namespace flint::config
