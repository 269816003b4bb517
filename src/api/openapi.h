#pragma once

#include <string_view>

namespace flint::api {

/// The description of the API in OpenAPI 3.1, as JSON: docs/openapi.yaml, compiled in. Static storage.
[[nodiscard]] std::string_view openapi_document() noexcept;

}  // namespace flint::api
