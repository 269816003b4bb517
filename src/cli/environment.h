#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace flint::cli {

/// Reads a variable of the environment; one that is set to nothing counts as absent.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;

}  // namespace flint::cli
