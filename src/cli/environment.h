#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace flint::cli {

/// Reads an environment variable. An empty one counts as absent.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;

}  // namespace flint::cli
