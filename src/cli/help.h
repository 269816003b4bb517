#pragma once

#include <string>
#include <string_view>

#include "cli/command.h"

namespace flint::cli {

/// For `flint --help` (no words), a group of commands ("limit") or one command ("limit check").
[[nodiscard]] std::string help_text(const Grammar& grammar, const Command* command, std::string_view words);

}  // namespace flint::cli
