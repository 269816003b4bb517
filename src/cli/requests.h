#pragma once

#include <string_view>

#include "cli/caller.h"
#include "cli/json.h"

namespace flint::cli {

/// The request for an operation of the API, by its name: each argument goes where the operation's row has it. Every
/// argument is one of the row's.
[[nodiscard]] Call request(std::string_view operation, const json::object& arguments = {});

}  // namespace flint::cli
