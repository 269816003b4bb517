#pragma once

#include <string>
#include <string_view>

#include "flint/limit.h"

/// Limits as text of a limits file.
namespace flint::config {

/// `text` as a string of TOML, quotes included. Valid UTF-8.
[[nodiscard]] std::string toml_string(std::string_view text);

}  // namespace flint::config
