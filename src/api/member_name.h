#pragma once

#include <string>
#include <string_view>

namespace flint::api {

/// A member name of a stranger for an error message: as it is when it could be a field's name, else only its size.
/// Nothing else of what was sent is ever sent back.
[[nodiscard]] std::string shown_member_name(std::string_view name);

}  // namespace flint::api
