#pragma once

#include <string_view>

#include "cli/caller.h"
#include "cli/json.h"
#include "flint/limit.h"

namespace flint::cli {

/// The request for the API's operation of this name. Each argument goes where the operation's row places it; the row
/// must have all of them.
[[nodiscard]] Call request(std::string_view operation, const json::object& arguments = {});

/// The limit in the arguments of `setLimit`, or what the API would refuse of them.
Result<Limit> limit_in(const json::object& arguments);

}  // namespace flint::cli
