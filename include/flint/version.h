#pragma once

#include <string_view>

namespace flint {

/// The version of this library, as in `flint --version`. Static storage.
[[nodiscard]] std::string_view version() noexcept;

}  // namespace flint
